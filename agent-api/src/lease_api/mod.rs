//! The client of the lease API. Requests are bounded in time and responses in size, a 402 is a
//! value, and the turn's id is the request id, so that the two logs can be compared. A transport
//! failure is an error; a response of the API, also a refusal, is a [`LeaseApiResponse`].

mod content;
mod fate;
mod response;

use std::{net::IpAddr, time::Duration};

use anyhow::Context as _;
use api_types::QuoteResponse;
use futures_util::TryStreamExt as _;
use reqwest::{
    Method,
    header::{self, HeaderValue},
};
use serde_json::Value;
use service::{
    caller::{CLIENT_ADDRESS, SERVICES_SECRET},
    env::Secret,
    request_id,
};
use x402::wire::header as wire;

use crate::{
    payment::SignedHeader,
    tools::{ByteRange, CallPlan},
};

pub use fate::PaymentFate;
pub use response::LeaseApiResponse;

/// The maximum size of a response, in bytes.
const MAX_RESPONSE: usize = 1024 * 1024;
/// The media types of bodies.
const JSON: &str = "application/json";
const OCTETS: &str = "application/octet-stream";
/// The timeout of a paid call. A container is created during it.
const PAID_CALL_TIMEOUT: Duration = Duration::from_secs(120);
/// How often a paid call is sent if its response gets lost.
const DELIVERIES: u32 = 3;

/// Why there is no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LeaseApiError {
    /// It cannot be reached, or the connection broke.
    #[error("The lease API cannot be reached just now.")]
    Away,
    /// The response took too long.
    #[error("The lease API took too long to answer.")]
    Slow,
    /// The response does not follow the contract.
    #[error("The lease API gave an answer that cannot be used.")]
    Nonsense,
}

/// The client of the lease API.
#[derive(Debug, Clone)]
pub struct LeaseApi {
    http: reqwest::Client,
    base: String,
    /// The timeout of a call without a payment.
    timeout: Duration,
    /// The secret that proves to the lease API that the caller's address in a header is true.
    secret: Option<HeaderValue>,
}

/// On whose behalf a request is sent.
#[derive(Debug, Clone, Copy)]
pub struct RequestContext<'a> {
    /// The id of the turn or of the agent's own request.
    pub id: &'a str,
    /// The wallet session's bearer token.
    pub session: Option<&'a str>,
    /// The customer's address, so that the lease API's rate limits count for the customer and not
    /// for the agent. Absent for the agent's own requests.
    pub address: Option<IpAddr>,
}

/// A signed payment and the idempotency key of its call.
#[derive(Debug, Clone, Copy)]
pub struct KeyedPayment<'a> {
    /// The header as the wallet made it.
    pub header: &'a SignedHeader,
    /// The `Idempotency-Key`.
    pub key: &'a str,
}

/// The outcome of a call with its payment.
#[derive(Debug)]
pub struct PaidCallResult {
    /// The last response.
    pub answer: Result<LeaseApiResponse, LeaseApiError>,
    /// Whether it is the response to the first copy that was sent. If not, an earlier copy may have
    /// been accepted.
    pub first: bool,
}

impl PaidCallResult {
    /// The payment's outcome, as far as this delivery shows it. A refusal of a later copy proves
    /// nothing about an earlier one.
    pub fn fate(&self) -> PaymentFate {
        match self.answer.as_ref().map(LeaseApiResponse::fate) {
            Err(_) => PaymentFate::Open,
            Ok(PaymentFate::Asked | PaymentFate::Refused) if !self.first => PaymentFate::Open,
            Ok(fate) => fate,
        }
    }
}

impl LeaseApi {
    /// A client of the lease API at this address, without a trailing slash.
    ///
    /// # Errors
    /// The HTTP client cannot be made, or the secret cannot be put into a header.
    pub fn new(
        base: impl Into<String>,
        timeout: Duration,
        secret: Option<&Secret>,
    ) -> anyhow::Result<Self> {
        let secret = secret.map(|secret| {
            let mut value = HeaderValue::from_str(secret.expose())
                .context("SERVICES_SECRET has characters that no header takes")?;
            value.set_sensitive(true);
            anyhow::Ok(value)
        });

        let http = reqwest::Client::builder()
            // The lease API is reached without a proxy, because payments and tokens are for it
            // alone.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            // Shorter than the time after which the lease API closes an idle connection.
            .pool_idle_timeout(Duration::from_secs(20))
            .build()?;
        Ok(Self {
            http,
            base: base.into(),
            timeout,
            secret: secret.transpose()?,
        })
    }

    /// Sends a planned call without a payment.
    ///
    /// # Errors
    /// There is no response.
    pub async fn send(
        &self,
        plan: &CallPlan,
        caller: RequestContext<'_>,
    ) -> Result<LeaseApiResponse, LeaseApiError> {
        let request = self.planned(plan, plan.body.as_deref(), caller);
        let timeout = self.timeout + Duration::from_secs(plan.more_seconds.into());
        exchange(request, timeout, plan.range).await
    }

    /// Sends a GET request for a path.
    ///
    /// # Errors
    /// There is no response.
    pub async fn get(
        &self,
        path: &str,
        caller: RequestContext<'_>,
    ) -> Result<LeaseApiResponse, LeaseApiError> {
        exchange(self.request("GET", path, None, caller), self.timeout, None).await
    }

    /// Whether a wallet session is valid. It requests a lease that does not exist: 401 means that
    /// the session is not valid, 404 that it is.
    pub async fn knows_session(&self, caller: RequestContext<'_>) -> bool {
        let answer = self.get("/leases/-", caller).await;
        answer.is_ok_and(|answer| answer.status == 404)
    }

    /// The price of a lease with its lines, if the lease API gives one.
    pub async fn quote(&self, body: &str, caller: RequestContext<'_>) -> Option<QuoteResponse> {
        let body = Some((body, JSON));
        let request = self.request("POST", "/lease/quote", body, caller);
        let answer = exchange(request, self.timeout, None).await.ok()?;
        serde_json::from_value(answer.body).ok()
    }

    /// Sends a planned call with a payment and this body. If the response gets lost, the same
    /// request is sent again; it moves the money only once.
    pub async fn pay(
        &self,
        plan: &CallPlan,
        body: Option<&str>,
        payment: KeyedPayment<'_>,
        caller: RequestContext<'_>,
    ) -> PaidCallResult {
        let mut delivery = 1;
        loop {
            let request = self
                .planned(plan, body, caller)
                .header(payment.header.name(), payment.header.value())
                .header("idempotency-key", payment.key);
            let answer = exchange(request, PAID_CALL_TIMEOUT, None).await;
            let again = match &answer {
                Err(LeaseApiError::Away) => Some(Duration::from_millis(500) * delivery),
                Ok(answer) if answer.is_in_progress() => {
                    let seconds = answer.retry_after.unwrap_or(2).min(10);
                    Some(Duration::from_secs(seconds))
                }
                _ => None,
            };
            match again.filter(|_| delivery < DELIVERIES) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => {
                    return PaidCallResult {
                        answer,
                        first: delivery == 1,
                    };
                }
            }
            delivery += 1;
        }
    }

    /// The request of a planned call. A known lease is named beside the container's number or in its
    /// place, so that a late copy from any replica cannot affect a later lease with the same number.
    fn planned(
        &self,
        plan: &CallPlan,
        body: Option<&str>,
        caller: RequestContext<'_>,
    ) -> reqwest::RequestBuilder {
        let media_type = match plan.body_is_content {
            true => OCTETS,
            false => JSON,
        };
        let body = body.map(|body| (body, media_type));
        let request = |path: &str| self.request(&plan.method, path, body, caller);
        let request = match &plan.lease {
            Some(lease) if plan.lease_in_path => {
                let (number, id) = (lease.ctid, &lease.lease_id);
                let named = format!("/lease/{id}/");
                request(&plan.path.replacen(&format!("/lease/{number}/"), &named, 1))
            }
            Some(lease) => request(&plan.path).query(&[("leaseId", &lease.lease_id)]),
            None => request(&plan.path),
        };
        match plan.range {
            // From the beginning, the response is read as far as it is wanted: files in `/proc` have
            // no size and therefore no ranges.
            Some(ByteRange { offset, length }) if offset > 0 => {
                let last = offset.saturating_add(length.into()).saturating_sub(1);
                request.header(header::RANGE, format!("bytes={offset}-{last}"))
            }
            _ => request,
        }
    }

    fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<(&str, &'static str)>,
        caller: RequestContext<'_>,
    ) -> reqwest::RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.base))
            .header(request_id::HEADER, caller.id);
        if let Some(secret) = &self.secret {
            request = request.header(SERVICES_SECRET, secret);
            if let Some(address) = caller.address {
                request = request.header(CLIENT_ADDRESS, address.to_string());
            }
        }
        if let Some(session) = caller.session {
            request = request.bearer_auth(session);
        }
        if let Some((body, media_type)) = body {
            request = request
                .header(header::CONTENT_TYPE, media_type)
                .body(body.to_owned());
        }
        request
    }
}

async fn exchange(
    request: reqwest::RequestBuilder,
    timeout: Duration,
    range: Option<ByteRange>,
) -> Result<LeaseApiResponse, LeaseApiError> {
    tokio::time::timeout(timeout, receive(request, range))
        .await
        .unwrap_or(Err(LeaseApiError::Slow))
}

/// Sends a request and reads the response. If a part of a file is wanted and its content comes, the
/// body is a [`crate::tools::FileContent`].
async fn receive(
    request: reqwest::RequestBuilder,
    range: Option<ByteRange>,
) -> Result<LeaseApiResponse, LeaseApiError> {
    let away = |error: reqwest::Error| {
        // The address is private to the operator and is not logged; the kind of error is enough.
        tracing::warn!(error = %error.without_url(), "the lease API does not answer");
        LeaseApiError::Away
    };
    let response = request.send().await.map_err(away)?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let header = |name: &str| headers.get(name)?.to_str().ok().map(str::to_owned);
    let is_content = header(header::CONTENT_TYPE.as_str()).is_some_and(|kind| kind == OCTETS);
    let range = range.filter(|_| is_content && matches!(status, 200 | 206));
    let most = range.map_or(MAX_RESPONSE, |range| range.length as usize);
    let (mut body, mut more) = (Vec::new(), false);
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.try_next().await.map_err(away)? {
        let room = most - body.len();
        more = chunk.len() > room;
        if more && range.is_none() {
            return Err(LeaseApiError::Nonsense);
        }
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if more {
            break;
        }
    }
    let body: Value = match (range, body.as_slice()) {
        (Some(range), bytes) => content::body(range, status, bytes, more, &header),
        (None, []) => Value::Null,
        (None, bytes) => serde_json::from_slice(bytes).map_err(|_| LeaseApiError::Nonsense)?,
    };
    let receipt = [wire::PAYMENT_RESPONSE, wire::X_PAYMENT_RESPONSE]
        .iter()
        .find_map(|name| header(name))
        .and_then(|value| wire::decode(value.as_bytes()).ok());
    Ok(LeaseApiResponse {
        status,
        body,
        payment_required: header(wire::PAYMENT_REQUIRED),
        receipt,
        retry_after: header("retry-after").and_then(|value| value.parse().ok()),
    })
}

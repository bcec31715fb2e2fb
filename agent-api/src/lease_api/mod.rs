//! The lease API as this service calls it: bounded in time and size, with a 402 as a value, and with the turn's id as the request
//! id, so that the two logs can be read side by side. What goes wrong on the way is an error; what the API answers, also a
//! refusal, is a [`LeaseApiResponse`].

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

use crate::{payment::SignedHeader, tools::CallPlan};

pub use fate::PaymentFate;
pub use response::LeaseApiResponse;

/// The largest answer that is read.
const MAX_RESPONSE: usize = 1024 * 1024;
/// How long a paid call may take: a container is made while it waits.
const PAID_CALL_TIMEOUT: Duration = Duration::from_secs(120);
/// How often a paid call is sent when its answer gets lost.
const DELIVERIES: u32 = 3;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LeaseApiError {
    /// It cannot be reached, or the connection broke.
    #[error("The lease API cannot be reached just now.")]
    Away,
    /// It took too long.
    #[error("The lease API took too long to answer.")]
    Slow,
    /// What it said is no answer of a lease API.
    #[error("The lease API gave an answer that cannot be used.")]
    Nonsense,
}

/// The client.
#[derive(Debug, Clone)]
pub struct LeaseApi {
    http: reqwest::Client,
    base: String,
    /// How long a call without a payment may take.
    timeout: Duration,
    /// Proves that the caller's address which we pass on is true.
    secret: Option<HeaderValue>,
}

/// Who asks, on whose behalf.
#[derive(Debug, Clone, Copy)]
pub struct RequestContext<'a> {
    /// The turn, or the request of ours.
    pub id: &'a str,
    /// The wallet session's bearer token.
    pub session: Option<&'a str>,
    /// Where the customer calls from: limits there are counted for them and not for us. Absent
    /// where we ask for ourselves.
    pub address: Option<IpAddr>,
}

/// A signed payment and the key under which its call may be repeated.
#[derive(Debug, Clone, Copy)]
pub struct KeyedPayment<'a> {
    /// The header, as it came from the wallet.
    pub header: &'a SignedHeader,
    /// The `Idempotency-Key`.
    pub key: &'a str,
}

/// What came of a call with its payment.
#[derive(Debug)]
pub struct PaidCallResult {
    /// The last answer.
    pub answer: Result<LeaseApiResponse, LeaseApiError>,
    /// Whether it answers the first copy that was sent. Otherwise an earlier one may have been
    /// taken.
    pub first: bool,
}

impl PaidCallResult {
    /// What became of the payment, as far as this delivery tells. A refusal of a later copy says
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
            // It is a neighbour; and a payment or token is for it alone.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            // Well before the lease API closes a connection that rests.
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
    /// There is no answer.
    pub async fn send(
        &self,
        plan: &CallPlan,
        caller: RequestContext<'_>,
    ) -> Result<LeaseApiResponse, LeaseApiError> {
        let request = self.planned(plan, plan.body.as_deref(), caller);
        exchange(request, self.timeout).await
    }

    /// Asks for a path.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn get(
        &self,
        path: &str,
        caller: RequestContext<'_>,
    ) -> Result<LeaseApiResponse, LeaseApiError> {
        exchange(self.request("GET", path, None, caller), self.timeout).await
    }

    /// Whether a wallet session is valid. It asks for a lease that does not exist: 401 means that the
    /// session is not valid, 404 that it is.
    pub async fn knows_session(&self, caller: RequestContext<'_>) -> bool {
        let answer = self.get("/leases/-", caller).await;
        answer.is_ok_and(|answer| answer.status == 404)
    }

    /// The price of a lease with its lines, where it gives one.
    pub async fn quote(&self, body: &str, caller: RequestContext<'_>) -> Option<QuoteResponse> {
        let request = self.request("POST", "/lease/quote", Some(body), caller);
        let answer = exchange(request, self.timeout).await.ok()?;
        serde_json::from_value(answer.body).ok()
    }

    /// Sends a planned call with a payment and this body. When the answer gets lost, the same is
    /// sent again: it can move the money once, however often it arrives.
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
            let answer = exchange(request, PAID_CALL_TIMEOUT).await;
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

    /// A planned call. Where the lease is known, it is named beside its number, so that a copy that
    /// comes late, from whichever replica, cannot mean the next lease with that number.
    fn planned(
        &self,
        plan: &CallPlan,
        body: Option<&str>,
        caller: RequestContext<'_>,
    ) -> reqwest::RequestBuilder {
        let request = |path: &str| self.request(&plan.method, path, body, caller);
        match &plan.lease {
            // What is read by a number is read by the lease's id as well.
            Some(lease) if plan.method == Method::GET.as_str() => {
                let (number, id) = (lease.ctid, &lease.lease_id);
                let named = format!("/lease/{id}/");
                request(&plan.path.replacen(&format!("/lease/{number}/"), &named, 1))
            }
            Some(lease) => request(&plan.path).query(&[("leaseId", &lease.lease_id)]),
            None => request(&plan.path),
        }
    }

    fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<&str>,
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
        if let Some(body) = body {
            request = request
                .header(header::CONTENT_TYPE, "application/json")
                .body(body.to_owned());
        }
        request
    }
}

async fn exchange(
    request: reqwest::RequestBuilder,
    timeout: Duration,
) -> Result<LeaseApiResponse, LeaseApiError> {
    tokio::time::timeout(timeout, receive(request))
        .await
        .unwrap_or(Err(LeaseApiError::Slow))
}

async fn receive(request: reqwest::RequestBuilder) -> Result<LeaseApiResponse, LeaseApiError> {
    let away = |error: reqwest::Error| {
        // Without the address, which is the operator's affair; the kind is enough to find it.
        tracing::warn!(error = %error.without_url(), "the lease API does not answer");
        LeaseApiError::Away
    };
    let response = request.send().await.map_err(away)?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let header = |name: &str| headers.get(name)?.to_str().ok().map(str::to_owned);
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.try_next().await.map_err(away)? {
        if body.len() + chunk.len() > MAX_RESPONSE {
            return Err(LeaseApiError::Nonsense);
        }
        body.extend_from_slice(&chunk);
    }
    let body: Value = match body.as_slice() {
        [] => Value::Null,
        bytes => serde_json::from_slice(bytes).map_err(|_| LeaseApiError::Nonsense)?,
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

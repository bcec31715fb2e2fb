//! A facilitator at a URL.
//!
//! A body with `isValid` or `success` is a decision with any status, because some facilitators
//! decide with 400 and 412. For a settlement every other response means an unknown outcome: a
//! timeout, a reset or an unreadable body may come after the transfer.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use reqwest::{
    Method, StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};
use serde::Deserialize;
use url::Url;

use super::{
    Description, Facilitator, FacilitatorError, FacilitatorRequest, RefusalProof, Settlement,
    Supported, Verification,
};
use crate::wire::{Rest, receipt::Receipt};

/// The maximum size of a response, in bytes.
pub const MAX_ANSWER: usize = 64 * 1024;
/// How long a response of `/supported` is cached.
const SUPPORTED_FRESH: Duration = Duration::from_secs(300);
/// How long a facilitator that did not answer `/supported` is not asked again.
const SUPPORTED_PAUSE: Duration = Duration::from_secs(20);

/// Headers that authenticate the service at the facilitator, made for each request.
pub trait AuthHeaders: Send + Sync + 'static {
    /// The headers of one request.
    ///
    /// # Errors
    /// The headers cannot be made, and the request is not sent. The text must hold no secret.
    fn headers(&self, method: &Method, url: &Url) -> Result<HeaderMap, String>;
}

/// Timeouts of requests.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// The timeout of `/verify` and `/supported`.
    pub verify: Duration,
    /// The timeout of `/settle`, which waits for a chain.
    pub settle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            verify: Duration::from_secs(10),
            settle: Duration::from_secs(60),
        }
    }
}

/// A client of a facilitator over HTTP.
pub struct HttpFacilitator {
    base: Url,
    client: reqwest::Client,
    timeouts: Timeouts,
    auth: Option<Arc<dyn AuthHeaders>>,
    supported: Mutex<Option<CachedSupported>>,
}

/// The last valid response of `/supported`, cached.
#[derive(Clone)]
struct CachedSupported {
    supported: Supported,
    refresh_at: Instant,
}

/// A response with a body of bounded size.
struct ReadResponse {
    status: StatusCode,
    retry_after: Option<u64>,
    body: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VerifyResponse {
    is_valid: bool,
    invalid_reason: Option<String>,
    invalid_message: Option<String>,
    payer: Option<String>,
}

/// The response of `/settle`. In a refusal, some facilitators send null for absent members, or omit
/// them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SettleResponse {
    success: bool,
    error_reason: Option<String>,
    transaction: Option<String>,
    network: Option<String>,
    payer: Option<String>,
    #[serde(flatten)]
    rest: Rest,
}

/// A request without a response.
struct LostResponse {
    error: FacilitatorError,
    /// Whether the request may have arrived.
    may_have_arrived: bool,
}

impl From<FacilitatorError> for LostResponse {
    fn from(error: FacilitatorError) -> Self {
        Self {
            error,
            may_have_arrived: true,
        }
    }
}

impl HttpFacilitator {
    /// `base` is the URL to which `/verify` and the other paths are appended. The client should
    /// follow no redirects, because a redirected settlement looks like a lost one.
    #[must_use]
    pub fn new(base: Url, client: reqwest::Client, timeouts: Timeouts) -> Self {
        Self {
            base,
            client,
            timeouts,
            auth: None,
            supported: Mutex::new(None),
        }
    }

    /// The same with headers that authenticate the service.
    #[must_use]
    pub fn with_auth(self, auth: Arc<dyn AuthHeaders>) -> Self {
        Self {
            auth: Some(auth),
            ..self
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&FacilitatorRequest>,
        timeout: Duration,
    ) -> Result<ReadResponse, LostResponse> {
        let unsent = |message: String| LostResponse {
            error: FacilitatorError::Unreachable(message),
            may_have_arrived: false,
        };
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| unsent("its URL cannot have a path".into()))?
            .pop_if_empty()
            .push(path);
        let auth = match &self.auth {
            Some(auth) => auth.headers(&method, &url).map_err(unsent)?,
            None => HeaderMap::new(),
        };
        let mut request = self.client.request(method, url).timeout(timeout);
        request = request.headers(auth);
        if let Some(body) = body {
            request = request.json(body);
        }
        let lost = |e: reqwest::Error| LostResponse {
            // Without a connection the request cannot have arrived.
            may_have_arrived: !e.is_connect(),
            error: FacilitatorError::Unreachable(e.without_url().to_string()),
        };
        let mut response = request.send().await.map_err(lost)?;
        let status = response.status();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|v| v.to_str().ok()?.parse().ok());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                let message = format!("the answer is larger than {MAX_ANSWER} bytes");
                return Err(FacilitatorError::Nonsense(message).into());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(ReadResponse {
            status,
            retry_after,
            body,
        })
    }

    async fn ask_supported(&self) -> Result<Supported, FacilitatorError> {
        let answer = self
            .ask(Method::GET, "supported", None, self.timeouts.verify)
            .await
            .map_err(|lost| lost.error)?;
        serde_json::from_slice(&answer.body).map_err(|_| answer.no_decision())
    }

    fn with_cached<T>(&self, read: impl FnOnce(&mut Option<CachedSupported>) -> T) -> T {
        read(
            &mut self
                .supported
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

impl ReadResponse {
    /// The error for a failed request. It holds the status only, because the body's text is not
    /// trusted.
    fn no_decision(&self) -> FacilitatorError {
        match self.status {
            StatusCode::TOO_MANY_REQUESTS => FacilitatorError::RateLimited {
                retry_after: self.retry_after,
            },
            status => FacilitatorError::Nonsense(format!("HTTP {status}")),
        }
    }
}

#[async_trait]
impl Facilitator for HttpFacilitator {
    async fn verify(&self, request: &FacilitatorRequest) -> Result<Verification, FacilitatorError> {
        let answer = self
            .ask(Method::POST, "verify", Some(request), self.timeouts.verify)
            .await
            .map_err(|lost| lost.error)?;
        let decision: VerifyResponse =
            serde_json::from_slice(&answer.body).map_err(|_| answer.no_decision())?;
        if decision.is_valid && !answer.status.is_success() {
            return Err(answer.no_decision());
        }
        Ok(if decision.is_valid {
            Verification::Valid {
                payer: decision.payer.and_then(|p| p.parse().ok()),
            }
        } else {
            Verification::Invalid {
                reason: decision
                    .invalid_reason
                    .unwrap_or_else(|| "unexpected_verify_error".into()),
                message: decision.invalid_message,
            }
        })
    }

    async fn settle(&self, request: &FacilitatorRequest) -> Settlement {
        match self
            .ask(Method::POST, "settle", Some(request), self.timeouts.settle)
            .await
        {
            Ok(answer) => match serde_json::from_slice::<SettleResponse>(&answer.body) {
                Ok(decision) => {
                    let network = request.payment_payload.network();
                    decide(decision, answer.status, network)
                }
                Err(_) => unknown(answer.no_decision().to_string()),
            },
            Err(lost) if lost.may_have_arrived => unknown(lost.error.to_string()),
            Err(lost) => Settlement::Unsent {
                reason: lost.error.to_string(),
                retry_after: None,
            },
        }
    }

    async fn supported(&self) -> Result<Supported, FacilitatorError> {
        let known = self.with_cached(|cached| cached.clone());
        if let Some(known) = &known
            && Instant::now() < known.refresh_at
        {
            return Ok(known.supported.clone());
        }
        let (supported, fresh_for) = match (self.ask_supported().await, known) {
            (Ok(supported), _) => (supported, SUPPORTED_FRESH),
            // While the facilitator is away, its last known support is used.
            (Err(_), Some(stale)) => (stale.supported, SUPPORTED_PAUSE),
            (Err(error), None) => return Err(error),
        };
        self.with_cached(|cached| {
            *cached = Some(CachedSupported {
                supported: supported.clone(),
                refresh_at: Instant::now() + fresh_for,
            });
        });
        Ok(supported)
    }

    fn describe(&self) -> Description {
        let mut url = self.base.clone();
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_query(None);
        Description {
            kind: "remote",
            url: Some(url.to_string()),
            simulated: false,
        }
    }
}

fn unknown(reason: String) -> Settlement {
    Settlement::Unknown {
        reason,
        transaction: None,
    }
}

/// Reads the outcome of a settlement from its response. `network` is the payment's, for a
/// facilitator that omits it.
fn decide(answer: SettleResponse, status: StatusCode, network: &str) -> Settlement {
    let transaction = answer.transaction.filter(|hash| !hash.is_empty());
    if answer.success {
        return match transaction {
            Some(transaction) if status.is_success() => Settlement::Settled {
                receipt: Receipt {
                    success: true,
                    error_reason: None,
                    transaction,
                    network: answer.network.unwrap_or_else(|| network.to_owned()),
                    payer: answer.payer,
                    rest: answer.rest,
                },
                evidence: None,
            },
            transaction => Settlement::Unknown {
                reason: "success without proof".into(),
                transaction,
            },
        };
    }
    let reason = answer
        .error_reason
        .unwrap_or_else(|| "unexpected_settle_error".into());
    let proof = RefusalProof::from_reason(&reason);
    if transaction.is_some() || status.is_server_error() || proof == RefusalProof::ProvesNothing {
        return Settlement::Unknown {
            reason,
            transaction,
        };
    }
    let message = answer
        .rest
        .get("errorMessage")
        .and_then(|m| m.as_str())
        .map(str::to_owned);
    Settlement::Refused { reason, message }
}

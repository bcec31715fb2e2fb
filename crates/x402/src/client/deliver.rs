//! Delivers one signed payment.

use std::time::Duration;

use reqwest::{
    Client, Request, Response, StatusCode,
    header::{HeaderValue, RETRY_AFTER},
};

use super::error::ClientError;
use crate::payment::Payment;

/// The header with the idempotency key, which identifies retries of a request.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// How a signed payment is sent: the same request is retried until there is an answer.
///
/// Programs that have a payment signed elsewhere can use this type alone.
#[derive(Clone, Copy, Debug)]
pub struct DeliveryPolicy {
    /// The maximum number of attempts, including the first.
    pub attempts: u32,
    /// The backoff after the first failure; it doubles after each further one.
    pub first_pause: Duration,
    /// The maximum backoff, even if the server asks for more.
    pub longest_pause: Duration,
}

impl Default for DeliveryPolicy {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(20),
        }
    }
}

impl DeliveryPolicy {
    /// Sends the request with the payment. It is retried if no response came, if a gateway or the
    /// server could not serve it (502, 503, 504), and if the server reports by 409 or 429 with
    /// `Retry-After` that the same payment is in progress. Give the request an `Idempotency-Key`:
    /// without one, some servers cannot return the first response again.
    ///
    /// # Errors
    /// [`ClientError::Lost`] if the last attempt got no response; [`ClientError::NotRepeatable`] if
    /// the body is a stream, and then nothing was sent.
    pub async fn send(
        &self,
        http: &Client,
        request: &Request,
        payment: &Payment,
    ) -> Result<Response, ClientError> {
        let (name, value) = payment.to_header();
        let mut value = HeaderValue::from_str(&value).expect("base64 is a header value");
        value.set_sensitive(true);
        let mut pause = self.first_pause;
        let mut left = self.attempts.max(1);
        loop {
            left -= 1;
            let mut copy = request.try_clone().ok_or(ClientError::NotRepeatable)?;
            copy.headers_mut().insert(name, value.clone());
            let asked_to_wait = match http.execute(copy).await {
                Ok(response) if left == 0 || !worth_another(&response) => return Ok(response),
                Err(source) if left == 0 => return Err(lost(request, payment, source)),
                Ok(response) => retry_after(&response),
                Err(_) => None,
            };
            tokio::time::sleep(asked_to_wait.unwrap_or(pause).min(self.longest_pause)).await;
            pause = pause.saturating_mul(2);
        }
    }
}

fn lost(request: &Request, payment: &Payment, source: reqwest::Error) -> ClientError {
    let key = request.headers().get(IDEMPOTENCY_KEY);
    ClientError::Lost {
        payment: Box::new(payment.clone()),
        idempotency_key: key.and_then(|k| k.to_str().ok()).map(str::to_owned),
        source,
    }
}

fn worth_another(response: &Response) -> bool {
    match response.status() {
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            true
        }
        StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS => retry_after(response).is_some(),
        _ => false,
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    seconds.parse().ok().map(Duration::from_secs)
}

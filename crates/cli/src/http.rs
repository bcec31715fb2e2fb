//! HTTP with the lease API: addresses, requests without a wallet, and whole answers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::{Client, RequestBuilder, Response, header::RETRY_AFTER, redirect};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::failure::{ExitStatus, Failure};

/// How long is waited for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may give no sign of life. Streams say something every fifteen seconds.
const READ_TIMEOUT: Duration = Duration::from_secs(150);
/// The largest answer that is read as a whole.
const LARGEST_ANSWER: usize = 32 << 20;

/// The lease API for everybody.
#[derive(Debug)]
pub struct Http {
    /// Its address, without a slash at its end.
    pub address: String,
    /// For requests that are answered soon.
    pub soon: Client,
    /// For bodies of any size.
    pub transfers: Client,
}

impl Http {
    /// A client; nothing is sent yet.
    ///
    /// # Errors
    /// The certificates of the system cannot be read.
    pub fn new(address: &str) -> Result<Self, Failure> {
        // An error means that it is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // A payment and a session are for the service that was named: no redirects.
        let builder = || {
            Client::builder()
                .redirect(redirect::Policy::none())
                .connect_timeout(CONNECT_TIMEOUT)
                .user_agent(concat!("infra402/", env!("CARGO_PKG_VERSION")))
        };
        let made = |builder: reqwest::ClientBuilder| {
            let cause = |error| Failure::local(format!("no HTTP client can be made: {error}"));
            builder.build().map_err(cause)
        };
        Ok(Self {
            address: address.to_owned(),
            soon: made(builder().read_timeout(READ_TIMEOUT))?,
            // An upload gives no answer for as long as it takes.
            transfers: made(builder())?,
        })
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// Sends a request that needs neither wallet nor session.
    ///
    /// # Errors
    /// No answer came, or it is a refusal.
    pub async fn free(&self, request: RequestBuilder) -> Result<Response, Failure> {
        accepted(self.send(request).await?).await
    }

    /// Sends a request.
    ///
    /// # Errors
    /// No answer came.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let unreachable = |error| Failure::unreachable(&self.address, &error);
        request.send().await.map_err(unreachable)
    }
}

/// The time that the service asks to wait for before the next request.
pub fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    text.parse().ok().map(Duration::from_secs)
}

/// The response, unless it is a refusal.
///
/// # Errors
/// It is one.
pub async fn accepted(response: Response) -> Result<Response, Failure> {
    let status = response.status().as_u16();
    if response.status().is_success() || status == 101 {
        return Ok(response);
    }
    let body = whole(response).await.unwrap_or_default();
    Err(Failure::from_response(status, &body))
}

/// The whole body of an answer.
///
/// # Errors
/// It breaks off, or is too large.
pub async fn whole(mut response: Response) -> Result<Vec<u8>, Failure> {
    let broken = |_| {
        let message = "the answer of the service broke off";
        Failure::new(ExitStatus::Unreachable, "broken_off", message)
    };
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            return Err(Failure::not_understood("it is too large"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The body of an answer as JSON, null where there is none.
///
/// # Errors
/// It breaks off, or is no JSON.
pub async fn json(response: Response) -> Result<Value, Failure> {
    let body = whole(response).await?;
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&body).map_err(|_| Failure::not_understood("it is no JSON"))
}

/// Reads a JSON document as this type.
///
/// # Errors
/// It has another shape.
pub fn read<T: DeserializeOwned>(value: &Value) -> Result<T, Failure> {
    T::deserialize(value).map_err(|error| Failure::not_understood(&error.to_string()))
}

/// Seconds since the Unix epoch.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

//! Requests to the lease API: free ones, those with a wallet's session, and whole answers as JSON.

use std::{
    sync::OnceLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy::signers::local::PrivateKeySigner;
use reqwest::{
    Client, Method, RequestBuilder, Response, StatusCode,
    header::{HeaderMap, RETRY_AFTER},
    redirect,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    failure::{ExitStatus, Failure},
    session::SessionCache,
    settings::Settings,
};

/// How long is waited for a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may give no sign of life. Streams say something every fifteen seconds.
const READ_TIMEOUT: Duration = Duration::from_secs(150);
/// How often a free request is sent at most, where the service asks for patience.
const ATTEMPTS: u32 = 5;
/// The longest time that is waited before a free request is sent again.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// The largest answer that is read as a whole.
const LARGEST_ANSWER: usize = 32 << 20;

/// The lease API, for one wallet.
#[derive(Debug)]
pub struct Api {
    /// The settings of this run.
    pub settings: Settings,
    http: Client,
    transfers: Client,
    signer: OnceLock<PrivateKeySigner>,
    sessions: SessionCache,
}

impl Api {
    /// A client; nothing is sent yet.
    ///
    /// # Errors
    /// The certificates of the system cannot be read.
    pub fn new(settings: Settings) -> Result<Self, Failure> {
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
            sessions: SessionCache::new(&settings),
            settings,
            http: made(builder().read_timeout(READ_TIMEOUT))?,
            // An upload gives no answer for as long as it takes.
            transfers: made(builder())?,
            signer: OnceLock::new(),
        })
    }

    /// The client for requests that are answered soon.
    pub fn http(&self) -> &Client {
        &self.http
    }

    /// The client for bodies of any size.
    pub fn transfers(&self) -> &Client {
        &self.transfers
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.settings.api)
    }

    /// The wallet's key.
    ///
    /// # Errors
    /// There is none, or it cannot be used.
    pub fn signer(&self) -> Result<&PrivateKeySigner, Failure> {
        if let Some(signer) = self.signer.get() {
            return Ok(signer);
        }
        let signer = self.settings.key.read()?;
        Ok(self.signer.get_or_init(|| signer))
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
        let unreachable = |error| Failure::unreachable(&self.settings.api, &error);
        request.send().await.map_err(unreachable)
    }

    /// The token of the wallet's session, which is opened where there is none.
    ///
    /// # Errors
    /// The wallet cannot sign in.
    pub async fn token(&self) -> Result<secret::Secret, Failure> {
        self.sessions.token(self).await
    }

    /// Sends a request with the wallet's session. It is made anew for each attempt: a session may
    /// have ended early, and the service may ask for patience.
    ///
    /// # Errors
    /// No answer came, or it is a refusal.
    pub async fn with_session(
        &self,
        mut make: impl FnMut() -> Result<RequestBuilder, Failure>,
    ) -> Result<Response, Failure> {
        let mut signed_in_anew = false;
        for left in (0..ATTEMPTS).rev() {
            let token = self.token().await?;
            let request = make()?.bearer_auth(token.expose());
            let response = self.send(request).await?;
            if response.status() == StatusCode::UNAUTHORIZED && !signed_in_anew {
                signed_in_anew = true;
                self.sessions.forget(&token).await;
                continue;
            }
            match retry_after(&response).filter(|_| left > 0 && asks_for_patience(&response)) {
                Some(pause) => tokio::time::sleep(pause.min(LONGEST_PAUSE)).await,
                None => return accepted(response).await,
            }
        }
        unreachable!("the last attempt returns")
    }

    /// Sends a request with the wallet's session and reads its answer, null where it has none.
    ///
    /// # Errors
    /// No answer came, it is a refusal, or no JSON.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let make = || {
            let request = self.http.request(method.clone(), self.url(path));
            Ok(match body {
                Some(body) => request.json(body),
                None => request,
            })
        };
        json(self.with_session(make).await?).await
    }
}

fn asks_for_patience(response: &Response) -> bool {
    matches!(
        response.status(),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    )
}

/// The time that the service asks to wait for before the next request.
pub fn retry_after(response: &Response) -> Option<Duration> {
    seconds(response.headers())
}

fn seconds(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.parse().ok().map(Duration::from_secs)
}

/// The response, unless it is a refusal.
async fn accepted(response: Response) -> Result<Response, Failure> {
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

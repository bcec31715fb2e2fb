//! The lease API for a wallet: requests with its session, and what belongs to them.

use std::{sync::OnceLock, time::Duration};

use alloy::signers::local::PrivateKeySigner;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;

pub use crate::http::{json, now, read, retry_after, whole};
use crate::{
    failure::Failure,
    http::{Http, accepted},
    session::SessionCache,
    settings::Settings,
};

/// How often a free request is sent at most, where the service asks for patience.
const ATTEMPTS: u32 = 5;
/// The longest time that is waited before a free request is sent again.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// The lease API, for one wallet.
#[derive(Debug)]
pub struct Api {
    /// The settings of this run.
    pub settings: Settings,
    http: Http,
    signer: OnceLock<PrivateKeySigner>,
    sessions: SessionCache,
}

impl Api {
    /// A client; nothing is sent yet.
    ///
    /// # Errors
    /// The certificates of the system cannot be read.
    pub fn new(settings: Settings) -> Result<Self, Failure> {
        Ok(Self {
            http: Http::new(&settings.api)?,
            sessions: SessionCache::new(&settings.state),
            settings,
            signer: OnceLock::new(),
        })
    }

    /// The client for requests that are answered soon.
    pub fn http(&self) -> &Client {
        &self.http.soon
    }

    /// The client for bodies of any size.
    pub fn transfers(&self) -> &Client {
        &self.http.transfers
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        self.http.url(path)
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
        self.http.free(request).await
    }

    /// Sends a request.
    ///
    /// # Errors
    /// No answer came.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        self.http.send(request).await
    }

    /// The token of the wallet's session, which is opened where there is none.
    ///
    /// # Errors
    /// The wallet cannot sign in.
    pub async fn token(&self) -> Result<secret::Secret, Failure> {
        self.sessions.token(&self.http, self.signer()?).await
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
            let request = self.http().request(method.clone(), self.url(path));
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

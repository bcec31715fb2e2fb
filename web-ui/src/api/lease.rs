//! The lease API's free routes. What costs money goes through `pay`.

mod commands;
mod files;

use api_types::{
    Catalog, LeaseRequest, LeaseView, ListResponse, LxcStats, QuoteResponse, SessionChallenge,
    SessionChallengeRequest, SessionRequest, SessionResponse, TrafficUsage, Usdc,
};
use leptos::prelude::*;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{ListedPayment, PaymentList};
use crate::{
    http::{HttpRequest, RequestError, fetch},
    session::WalletSession,
};

/// The lease API.
#[derive(Clone, Copy, Debug)]
pub struct LeaseApi {
    base: StoredValue<String>,
    session: WalletSession,
}

/// The response of the demo's faucet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct FaucetResponse {
    /// The account's new balance, in atomic USDC.
    pub balance: Usdc,
}

impl LeaseApi {
    /// The API at an address, with the session whose token its free routes are sent.
    pub fn new(base: String, session: WalletSession) -> Self {
        Self {
            base: StoredValue::new(base),
            session,
        }
    }

    /// The full address of a path.
    pub fn url(&self, path: &str) -> String {
        self.base.with_value(|base| format!("{base}{path}"))
    }

    /// The catalog: prices, limits and templates.
    ///
    /// # Errors
    /// The request failed; so with all methods below.
    pub async fn catalog(&self) -> Result<Catalog, RequestError> {
        self.read(self.get("/catalog")).await
    }

    /// What a lease would cost, and why it would be refused.
    pub async fn quote(&self, request: &LeaseRequest) -> Result<QuoteResponse, RequestError> {
        self.read(self.post("/lease/quote", request)).await
    }

    /// The signed-in wallet's leases.
    pub async fn leases(&self) -> Result<Vec<LeaseView>, RequestError> {
        let list: ListResponse = self.read(self.get("/leases")).await?;
        Ok(list.leases)
    }

    /// The signed-in wallet's payments.
    pub async fn payments(&self) -> Result<Vec<ListedPayment>, RequestError> {
        let list: PaymentList = self.read(self.get("/payments")).await?;
        Ok(list.payments)
    }

    /// Destroys a container of the signed-in wallet and its data.
    pub async fn destroy(&self, ctid: u32) -> Result<(), RequestError> {
        let url = self.url(&format!("/lease/{ctid}"));
        self.send_only(self.signed_in(HttpRequest::new("DELETE", url)))
            .await
    }

    /// Starts (`on`) or stops the container of a lease of the signed-in wallet, and returns the
    /// changed lease.
    pub async fn switch_power(
        &self,
        lease: &LeaseView,
        on: bool,
    ) -> Result<LeaseView, RequestError> {
        let action = if on { "start" } else { "stop" };
        let path = format!("/lease/{}/{action}?leaseId={}", lease.ctid, lease.lease_id);
        self.read(self.signed_in(HttpRequest::new("POST", self.url(&path))))
            .await
    }

    /// The signed-in wallet's containers' use of processor, memory and disk.
    pub async fn lxc_stats(&self) -> Result<LxcStats, RequestError> {
        self.read(self.get("/stats/lxc")).await
    }

    /// How much a lease's container has sent and received.
    pub async fn traffic(&self, lease_id: &str) -> Result<TrafficUsage, RequestError> {
        #[derive(Deserialize)]
        struct LeaseUsage {
            traffic: TrafficUsage,
        }
        let path = format!("/lease/{lease_id}/usage");
        let usage: LeaseUsage = self.read(self.get(&path)).await?;
        Ok(usage.traffic)
    }

    /// Adds demo money to an account, where payments are simulated.
    pub async fn faucet(&self, address: &str) -> Result<FaucetResponse, RequestError> {
        #[derive(Serialize)]
        struct FaucetRequest<'a> {
            address: &'a str,
        }
        self.read(self.post("/demo/faucet", &FaucetRequest { address }))
            .await
    }

    /// The text that a wallet signs to sign in.
    pub async fn challenge(
        &self,
        request: &SessionChallengeRequest,
    ) -> Result<SessionChallenge, RequestError> {
        self.read(self.post("/session/challenge", request)).await
    }

    /// Signs in with the signature of that text.
    pub async fn sign_in(&self, request: &SessionRequest) -> Result<SessionResponse, RequestError> {
        self.read(self.post("/session", request)).await
    }

    fn get(&self, path: &str) -> HttpRequest {
        self.signed_in(HttpRequest::get(self.url(path)))
    }

    fn post<T: Serialize>(&self, path: &str, body: &T) -> HttpRequest {
        let body = serde_json::to_string(body).expect("the contract's types are JSON");
        self.signed_in(HttpRequest::new("POST", self.url(path)).json(body))
    }

    fn signed_in(&self, request: HttpRequest) -> HttpRequest {
        let request = request.read_date();
        match self.session.token_untracked() {
            Some(token) => request.bearer(token.expose()),
            None => request,
        }
    }

    async fn send_only(&self, request: HttpRequest) -> Result<(), RequestError> {
        send(&request, self.session).await.map(drop)
    }

    async fn read<T: DeserializeOwned>(&self, request: HttpRequest) -> Result<T, RequestError> {
        let (status, body) = send(&request, self.session).await?;
        serde_json::from_str(&body).map_err(|_| RequestError::Unreadable { status })
    }
}

/// Sends a request and returns status and text of a good response.
async fn send(
    request: &HttpRequest,
    session: WalletSession,
) -> Result<(u16, String), RequestError> {
    let response = fetch::send(request).await?;
    let body = fetch::text(&response).await?;
    if response.ok() {
        return Ok((response.status(), body));
    }
    Err(refusal(session, response.status(), &body))
}

/// Why the service refused a request. A session that it no longer knows is removed.
fn refusal(session: WalletSession, status: u16, body: &str) -> RequestError {
    if status == 401 {
        session.remove();
    }
    RequestError::from_response(status, body)
}

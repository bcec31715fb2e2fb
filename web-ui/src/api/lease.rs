//! The lease API's free routes. What costs money goes through `pay`.

use api_types::{
    Catalog, LeaseRequest, LeaseView, ListResponse, LxcStats, NodeStats, QuoteResponse,
    SessionChallenge, SessionChallengeRequest, SessionRequest, SessionResponse, TrafficUsage, Usdc,
};
use leptos::prelude::*;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    ApiError,
    fetch::{self, Call},
};
use crate::{session::Session, state::receipts::Payment};

/// The lease API.
#[derive(Clone, Copy, Debug)]
pub struct LeaseApi {
    base: StoredValue<String>,
    session: Session,
}

/// What the demo's faucet leaves an account with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Faucet {
    /// The balance, in atomic USDC.
    pub balance: Usdc,
}

impl LeaseApi {
    /// The API at an address, with the session whose token its free routes take.
    pub fn new(base: String, session: Session) -> Self {
        Self {
            base: StoredValue::new(base),
            session,
        }
    }

    /// The full address of a path.
    pub fn url(&self, path: &str) -> String {
        self.base.with_value(|base| format!("{base}{path}"))
    }

    /// What is on offer.
    ///
    /// # Errors
    /// See [`ApiError`]; so with all that follow.
    pub async fn catalog(&self) -> Result<Catalog, ApiError> {
        self.read(self.get("/catalog")).await
    }

    /// What a lease would cost, and what would be refused.
    pub async fn quote(&self, request: &LeaseRequest) -> Result<QuoteResponse, ApiError> {
        self.read(self.post("/lease/quote", request)).await
    }

    /// The signed-in wallet's leases.
    pub async fn leases(&self) -> Result<Vec<LeaseView>, ApiError> {
        let list: ListResponse = self.read(self.get("/leases")).await?;
        Ok(list.leases)
    }

    /// The signed-in wallet's payments.
    pub async fn payments(&self) -> Result<Vec<Payment>, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            payments: Vec<Payment>,
        }
        let list: Answer = self.read(self.get("/payments")).await?;
        Ok(list.payments)
    }

    /// Destroys a container of the signed-in wallet, for good.
    pub async fn destroy(&self, ctid: u32) -> Result<(), ApiError> {
        let url = self.url(&format!("/lease/{ctid}"));
        self.done(self.signed_in(Call::new("DELETE", url))).await
    }

    /// Stops or starts the container of a lease of the signed-in wallet; the lease as it then stands.
    pub async fn switch(&self, lease: &LeaseView, on: bool) -> Result<LeaseView, ApiError> {
        let action = if on { "start" } else { "stop" };
        let path = format!("/lease/{}/{action}?leaseId={}", lease.ctid, lease.lease_id);
        self.read(self.signed_in(Call::new("POST", self.url(&path))))
            .await
    }

    /// How busy the nodes are.
    pub async fn node_stats(&self) -> Result<NodeStats, ApiError> {
        self.read(self.get("/stats/node")).await
    }

    /// How busy the signed-in wallet's containers are.
    pub async fn lxc_stats(&self) -> Result<LxcStats, ApiError> {
        self.read(self.get("/stats/lxc")).await
    }

    /// What a lease's container has sent and received.
    pub async fn traffic(&self, lease_id: &str) -> Result<TrafficUsage, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            traffic: TrafficUsage,
        }
        let path = format!("/lease/{lease_id}/usage");
        let usage: Answer = self.read(self.get(&path)).await?;
        Ok(usage.traffic)
    }

    /// Play money, where payments are simulated.
    pub async fn faucet(&self, address: &str) -> Result<Faucet, ApiError> {
        #[derive(Serialize)]
        struct Ask<'a> {
            address: &'a str,
        }
        self.read(self.post("/demo/faucet", &Ask { address })).await
    }

    /// Whether the service answers.
    pub async fn health(&self) -> Result<(), ApiError> {
        self.done(self.get("/health")).await
    }

    /// The text that signs a wallet in.
    pub async fn challenge(
        &self,
        request: &SessionChallengeRequest,
    ) -> Result<SessionChallenge, ApiError> {
        self.read(self.post("/session/challenge", request)).await
    }

    /// Signs in with that text's signature.
    pub async fn sign_in(&self, request: &SessionRequest) -> Result<SessionResponse, ApiError> {
        self.read(self.post("/session", request)).await
    }

    fn get(&self, path: &str) -> Call {
        self.signed_in(Call::get(self.url(path)))
    }

    fn post<T: Serialize>(&self, path: &str, body: &T) -> Call {
        let body = serde_json::to_string(body).expect("the contract's types are JSON");
        self.signed_in(Call::new("POST", self.url(path)).json(body))
    }

    fn signed_in(&self, call: Call) -> Call {
        let call = call.timed();
        match self.session.current() {
            Some(token) => call.bearer(token.expose()),
            None => call,
        }
    }

    async fn done(&self, call: Call) -> Result<(), ApiError> {
        answered(&call, self.session).await.map(drop)
    }

    async fn read<T: DeserializeOwned>(&self, call: Call) -> Result<T, ApiError> {
        let (status, body) = answered(&call, self.session).await?;
        serde_json::from_str(&body).map_err(|_| ApiError::Unreadable { status })
    }
}

/// A good answer's status and text. A session that the service no longer knows is forgotten.
async fn answered(call: &Call, session: Session) -> Result<(u16, String), ApiError> {
    let response = fetch::send(call).await?;
    let body = fetch::text(&response).await?;
    if response.ok() {
        return Ok((response.status(), body));
    }
    if response.status() == 401 {
        session.forget();
    }
    Err(ApiError::from_answer(response.status(), &body))
}

//! Who signed a payment, as far as it can be proven in this request. A name in a payment proves nothing: until the signer is
//! proven, nothing is looked up, limited, stored or shown under it.

use std::{
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use api_types::ErrorCode;
use service::{
    caller::RateLimit,
    clock::Clock,
    semaphore::{ResizablePermit, ResizableSemaphore},
};
use x402::{
    check::{self, Signer},
    eip3009,
    payment::Payment,
    reason::Reason,
};

use crate::{error::ApiError, shares::Shares, state::App};

/// Signatures a minute that only a chain or the facilitator can judge, from one address. A contract wallet's customer pays
/// some calls a minute; each costs a node several requests.
const PER_ADDRESS: NonZeroU32 = NonZeroU32::new(60).expect("it is not zero");
/// The same from everybody.
const IN_TOTAL: NonZeroU32 = NonZeroU32::new(600).expect("it is not zero");
/// How many of them are judged at a time.
const AT_A_TIME: usize = 8;
/// How long one waits for its turn.
const WAIT: Duration = Duration::from_secs(5);

/// Who is behind a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The payer signed: recovered, or confirmed by the payer's contract.
    Payer,
    /// A contract may have signed, and no chain can be asked: only the facilitator can tell, at first sight.
    Unproven,
}

/// Why a payment goes no further.
#[derive(Debug)]
pub enum Denied {
    /// The signature is not the payer's.
    Payment(Reason),
    /// It cannot be judged now.
    Error(ApiError),
}

/// What bounds the work for signatures that cost more than a computation.
pub struct ProofLimits {
    per_address: RateLimit,
    in_total: RateLimit,
    at_a_time: ResizableSemaphore,
}

impl ProofLimits {
    /// Nothing was asked so far.
    pub fn new(shares: &Shares, clock: &Arc<dyn Clock>) -> Self {
        Self {
            per_address: shares.rate(PER_ADDRESS, clock),
            in_total: shares.rate(IN_TOTAL, clock),
            at_a_time: ResizableSemaphore::new(shares.of(AT_A_TIME)),
        }
    }

    /// The counts of each address and of all together, to exchange with other replicas.
    pub fn rates(&self) -> [&RateLimit; 2] {
        [&self.per_address, &self.in_total]
    }

    /// A turn at the chain, or none where too many others wait for theirs.
    pub async fn turn(&self) -> Option<ResizablePermit> {
        let turn = tokio::time::timeout(WAIT, self.at_a_time.acquire());
        turn.await.ok()
    }

    /// Counts a look. A caller without an address counts in total only.
    ///
    /// # Errors
    /// One too many; worth another try after this time.
    pub fn count(&self, client: Option<IpAddr>) -> Result<(), Duration> {
        if let Some(client) = client {
            self.per_address.count(client)?;
        }
        self.in_total.count(Ipv4Addr::UNSPECIFIED.into())
    }
}

/// Proves the signer. An ordinary account costs microseconds; anything else is counted by the caller's address.
///
/// # Errors
/// The signature is not the payer's, or it cannot be judged now.
pub async fn prove(app: &App, payment: &Payment, client: Option<IpAddr>) -> Result<Proof, Denied> {
    let network = app.config.payments.network;
    match check::signer(payment, network).map_err(Denied::Payment)? {
        Signer::Account(_) => return Ok(Proof::Payer),
        // No contract has a balance in the demo's ledger.
        Signer::Unproven if app.facilitator.describe().simulated => {
            return Err(Denied::Payment(check::not_the_payers()));
        }
        Signer::Unproven => {}
    }
    app.proofs.count(client).map_err(|wait| {
        let message = "Too many signatures of contract wallets to check; wait a moment.";
        let seconds = wait.as_secs().saturating_add(1);
        Denied::Error(ApiError::new(ErrorCode::RateLimited, message).retry_after(seconds))
    })?;
    let Some(witness) = &app.witness else {
        return Ok(Proof::Unproven);
    };
    let Some(_turn) = app.proofs.turn().await else {
        return Err(unanswered());
    };
    let authorization = payment.authorization();
    let signature = check::signature_bytes(payment).map_err(Denied::Payment)?;
    let hash = eip3009::signing_hash(network, &network.usdc, authorization);
    match witness.proves(authorization.from, hash, &signature).await {
        Ok(true) => Ok(Proof::Payer),
        Ok(false) => Err(Denied::Payment(check::not_the_payers())),
        Err(error) => {
            tracing::warn!(%error, "a contract wallet's signature cannot be checked");
            Err(unanswered())
        }
    }
}

fn unanswered() -> Denied {
    let message =
        "The signature of a contract wallet cannot be checked just now; nothing was charged.";
    let error = ApiError::new(ErrorCode::FacilitatorUnavailable, message);
    Denied::Error(
        error
            .retry_after(5)
            .advise("send the same signed request again"),
    )
}

//! Proves the signer of a payment. The payer that a payment names proves nothing: until the signer
//! is proven, nothing is looked up, limited, stored or shown for that wallet.

use std::net::IpAddr;

use api_types::ErrorCode;
use x402::{
    check::{self, Signer},
    eip3009,
    payment::Payment,
    reason::Reason,
};

use crate::{error::ApiError, state::App};

/// Whether the payer of a payment is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayerProof {
    /// The payer signed: recovered, or confirmed by the payer's contract.
    Payer,
    /// A contract may have signed, and no chain is configured: only the facilitator can tell, when
    /// it verifies.
    Unproven,
}

/// Why the signer is not proven.
#[derive(Debug)]
pub enum ProofError {
    /// The signature is not the payer's.
    Payment(Reason),
    /// It cannot be checked now.
    Error(ApiError),
}

/// Proves the signer. An ordinary account takes microseconds; any other check counts for the
/// client's address.
///
/// # Errors
/// The signature is not the payer's, or it cannot be judged now.
pub async fn prove(
    app: &App,
    payment: &Payment,
    client: Option<IpAddr>,
) -> Result<PayerProof, ProofError> {
    let network = app.config.payments.network;
    match check::signer(payment, network).map_err(ProofError::Payment)? {
        Signer::Account(_) => return Ok(PayerProof::Payer),
        // No contract has a balance in the demo's ledger.
        Signer::Unproven if app.facilitator.describe().simulated => {
            return Err(ProofError::Payment(check::not_the_payers()));
        }
        Signer::Unproven => {}
    }
    app.proofs.count(client).map_err(|wait| {
        let message = "Too many signatures of contract wallets to check; wait a moment.";
        let seconds = wait.as_secs().saturating_add(1);
        ProofError::Error(ApiError::new(ErrorCode::RateLimited, message).retry_after(seconds))
    })?;
    let Some(witness) = &app.witness else {
        return Ok(PayerProof::Unproven);
    };
    let Some(_permit) = app.proofs.permit().await else {
        return Err(unanswered());
    };
    let authorization = payment.authorization();
    let signature = check::signature_bytes(payment).map_err(ProofError::Payment)?;
    let hash = eip3009::signing_hash(network, &network.usdc, authorization);
    match witness.proves(authorization.from, hash, &signature).await {
        Ok(true) => Ok(PayerProof::Payer),
        Ok(false) => Err(ProofError::Payment(check::not_the_payers())),
        Err(error) => {
            tracing::warn!(%error, "a contract wallet's signature cannot be checked");
            Err(unanswered())
        }
    }
}

fn unanswered() -> ProofError {
    let message =
        "The signature of a contract wallet cannot be checked just now; nothing was charged.";
    let error = ApiError::new(ErrorCode::FacilitatorUnavailable, message);
    ProofError::Error(
        error
            .retry_after(5)
            .advise("send the same signed request again"),
    )
}

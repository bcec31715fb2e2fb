//! Checks the signature of a text: of an ordinary account by its key (EIP-191), of a contract
//! wallet by calling the contract (ERC-1271), if a node is configured.

use alloy::primitives::{Address, Bytes, Signature, eip191_hash_message};
use api_types::ErrorCode;

use crate::{error::ApiError, state::App};

/// The longest signature that a contract is asked about, in bytes: enough for a dozen owners of a
/// shared wallet.
const MAX_SIGNATURE: usize = 4096;

/// Whether `signature`, in hexadecimal, is the account's signature of the text.
///
/// # Errors
/// The account may be a contract, and the node did not answer.
pub async fn is_signed_by(
    app: &App,
    account: Address,
    text: &str,
    signature: &str,
) -> Result<bool, ApiError> {
    let Ok(signature) = signature.trim().parse::<Bytes>() else {
        return Ok(false);
    };
    let hash = eip191_hash_message(text);
    let signer = Signature::from_raw(&signature)
        .ok()
        .and_then(|signature| signature.recover_address_from_prehash(&hash).ok());
    if signer == Some(account) {
        return Ok(true);
    }
    let Some(witness) = app
        .witness
        .as_ref()
        .filter(|_| signature.len() <= MAX_SIGNATURE)
    else {
        return Ok(false);
    };
    // A rate limit by address is on the route; the permits bound the node's work together with that
    // for payments.
    let Some(_permit) = app.proofs.permit().await else {
        return Err(unchecked());
    };
    witness
        .proves(account, hash, &signature)
        .await
        .map_err(|error| {
            tracing::warn!(%error, "a contract wallet's signature could not be checked");
            unchecked()
        })
}

fn unchecked() -> ApiError {
    let message = "The wallet's signature cannot be checked just now.";
    ApiError::new(ErrorCode::Unavailable, message).retry_after(5)
}

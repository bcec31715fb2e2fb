//! Who signed a text: an ordinary account by its key (EIP-191), a wallet that is a contract by asking it (ERC-1271), where a
//! node is configured.

use alloy::primitives::{Address, Bytes, Signature, eip191_hash_message};
use api_types::ErrorCode;

use crate::{error::ApiError, state::App};

/// The longest signature that is put before a contract, in bytes: a dozen owners of a shared wallet.
const MAX_SIGNATURE: usize = 4096;

/// Whether `signature`, in hexadecimal, is one that the account made of the text.
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
    // The route is counted by address; the node's work is bounded together with that for payments.
    let Some(_turn) = app.proofs.permit().await else {
        return Err(unchecked());
    };
    witness
        .proves(account, hash, &signature)
        .await
        .map_err(|error| {
            tracing::warn!(%error, "a wallet cannot be asked about its signature");
            unchecked()
        })
}

fn unchecked() -> ApiError {
    let message = "The wallet's signature cannot be checked just now.";
    ApiError::new(ErrorCode::Unavailable, message).retry_after(5)
}

//! Checks who made a signature: an account's key, or a wallet that is a contract and checks the
//! signature itself (ERC-1271), also before it is deployed (ERC-6492).

use alloy::{
    primitives::{Address, B256, Bytes, FixedBytes, Signature, U64},
    sol,
    sol_types::SolCall as _,
};

use super::{
    erc6492::WrappedSignature,
    rpc::{Rpc, RpcError, SimulatedCall},
};

/// The gas limit for a foreign contract that checks a signature on our node: several times the cost
/// of checking a passkey's curve in the EVM.
const SIGNATURE_CHECK_GAS: U64 = U64::from_limbs([1_000_000]);
/// The gas limit if the wallet is deployed first.
const DEPLOY_AND_CHECK_GAS: U64 = U64::from_limbs([2_000_000]);

sol! {
    /// The part of ERC-1271 that this crate uses.
    interface Wallet {
        /// Returns its own selector if the signature is valid.
        function isValidSignature(bytes32 hash, bytes signature) external view returns (bytes4);
    }
}

/// Whether the account made the signature of `hash`.
pub(super) async fn proves(
    rpc: &Rpc,
    account: Address,
    hash: B256,
    signature: &[u8],
) -> Result<bool, RpcError> {
    let Ok(wrapped) = WrappedSignature::read(signature) else {
        return Ok(false);
    };
    let code = rpc.code(account).await?;
    let inner = wrapped
        .as_ref()
        .map_or(signature, |wrapped| &wrapped.signature);
    let question = Wallet::isValidSignatureCall {
        hash,
        signature: Bytes::copy_from_slice(inner),
    };
    let question = Bytes::from(question.abi_encode());
    let call = match wrapped {
        Some(wrapped) if code.is_empty() => {
            if !wrapped.allowed() {
                return Ok(false);
            }
            SimulatedCall {
                gas: Some(DEPLOY_AND_CHECK_GAS),
                ..SimulatedCall::create(wrapped.deploy_and_call(account, &question, 32))
            }
        }
        None if code.is_empty() => return Ok(recovers(account, hash, signature)),
        _ => SimulatedCall {
            gas: Some(SIGNATURE_CHECK_GAS),
            ..SimulatedCall::to(account, question)
        },
    };
    match rpc.call(&call).await {
        Ok(answer) => Ok(is_yes(&answer)),
        Err(error) if error.failed_in_evm() => Ok(false),
        Err(error) => Err(error),
    }
}

fn recovers(account: Address, hash: B256, signature: &[u8]) -> bool {
    let signer = Signature::from_raw(signature)
        .ok()
        .and_then(|signature| signature.recover_address_from_prehash(&hash).ok());
    signer == Some(account)
}

/// An account without code returns nothing, and a contract that is no wallet may return anything.
fn is_yes(answer: &[u8]) -> bool {
    let magic = FixedBytes::from(Wallet::isValidSignatureCall::SELECTOR);
    answer.len() >= 32 && answer[..4] == magic[..] && answer[4..32].iter().all(|byte| *byte == 0)
}

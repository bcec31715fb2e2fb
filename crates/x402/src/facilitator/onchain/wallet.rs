//! Signatures of wallets that are contracts (ERC-1271): the contract itself says whether one is its own.

use alloy::{
    primitives::{Address, B256, Bytes, FixedBytes},
    sol,
    sol_types::SolCall as _,
};

use super::rpc::{Rpc, RpcError};

sol! {
    /// The part of ERC-1271 that is used here.
    interface Wallet {
        /// Answers its own selector when the signature is good.
        function isValidSignature(bytes32 hash, bytes signature) external view returns (bytes4);
    }
}

/// Whether the contract at `account` takes the signature for its own. An account without code takes none.
pub(super) async fn accepts(
    rpc: &Rpc,
    account: Address,
    hash: B256,
    signature: Bytes,
) -> Result<bool, RpcError> {
    let call = Wallet::isValidSignatureCall { hash, signature };
    let answer = match rpc.call(account, call.abi_encode().into()).await {
        Ok(answer) => answer,
        Err(error) if error.reverted() => return Ok(false),
        Err(error) => return Err(error),
    };
    // Without code the answer is empty; a contract that is no wallet may answer anything.
    let magic = FixedBytes::from(Wallet::isValidSignatureCall::SELECTOR);
    Ok(answer.len() >= 32
        && answer[..4] == magic[..]
        && answer[4..32].iter().all(|byte| *byte == 0))
}

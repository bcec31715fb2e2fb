//! The token's contract: its calls, queries and logs.

use std::ops::RangeInclusive;

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol,
    sol_types::{SolCall as _, SolEvent as _, SolValue as _},
};

use serde_json::json;

use super::rpc::{Log, Rpc, RpcError, SimulatedCall};
use crate::{facilitator::terms::TransferTerms, network::Network, wire::exact::Authorization};

sol! {
    /// The part of Circle's FiatTokenV2_2 that this crate uses.
    interface Token {
        /// Money moved.
        event Transfer(address indexed from, address indexed to, uint256 value);
        /// An authorization was carried out.
        event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);
        /// An authorization was canceled by its authorizer.
        event AuthorizationCanceled(address indexed authorizer, bytes32 indexed nonce);
        /// The balance of an account in atomic units.
        function balanceOf(address account) external view returns (uint256);
        /// Whether an authorization was used or canceled.
        function authorizationState(address authorizer, bytes32 nonce) external view returns (bool);
        /// Whether the issuer has paused all transfers.
        function paused() external view returns (bool);
        /// Whether the issuer has blacklisted an account.
        function isBlacklisted(address account) external view returns (bool);
        /// Carries out an authorization signed by an ordinary account.
        function transferWithAuthorization(
            address from, address to, uint256 value, uint256 validAfter, uint256 validBefore,
            bytes32 nonce, uint8 v, bytes32 r, bytes32 s
        ) external;
        /// Carries out an authorization signed by a contract, which checks the signature itself.
        function transferWithAuthorization(
            address from, address to, uint256 value, uint256 validAfter, uint256 validBefore,
            bytes32 nonce, bytes signature
        ) external;
    }
}

/// The call data for the transfer of an account that signed with its key.
pub(super) fn transfer_by_key(message: &Authorization, rsv: &[u8; 65]) -> Bytes {
    let call = Token::transferWithAuthorization_0Call {
        from: message.from,
        to: message.to,
        value: message.value,
        validAfter: message.valid_after,
        validBefore: message.valid_before,
        nonce: message.nonce,
        // Some signers write 0 and 1, which the token's ecrecover does not accept.
        v: if rsv[64] < 27 { rsv[64] + 27 } else { rsv[64] },
        r: B256::from_slice(&rsv[..32]),
        s: B256::from_slice(&rsv[32..64]),
    };
    call.abi_encode().into()
}

/// The call data for the transfer of a contract, which gets its signature unchanged.
pub(super) fn transfer_by_contract(message: &Authorization, signature: &Bytes) -> Bytes {
    let call = Token::transferWithAuthorization_1Call {
        from: message.from,
        to: message.to,
        value: message.value,
        validAfter: message.valid_after,
        validBefore: message.valid_before,
        nonce: message.nonce,
        signature: signature.clone(),
    };
    call.abi_encode().into()
}

/// The issuer's restrictions on a transfer.
pub(super) struct Blocks {
    pub(super) paused: bool,
    pub(super) payer: bool,
    pub(super) payee: bool,
}

/// The issuer's restrictions on this transfer, in the state after a block.
pub(super) async fn blocks(
    rpc: &Rpc,
    terms: &TransferTerms,
    block: u64,
) -> Result<Blocks, RpcError> {
    let listed = |account| Token::isBlacklistedCall { account }.abi_encode();
    let ask = async |call: Vec<u8>| {
        let call = SimulatedCall {
            block: Some(block),
            ..SimulatedCall::to(terms.network.usdc.address, call.into())
        };
        match rpc.call(&call).await {
            Ok(answer) => Ok(bool::abi_decode(&answer).unwrap_or(false)),
            // A token without this function has no such restriction.
            Err(error) if error.failed_in_evm() => Ok(false),
            Err(error) => Err(error),
        }
    };
    let (paused, payer, payee) = tokio::try_join!(
        ask(Token::pausedCall {}.abi_encode()),
        ask(listed(terms.authorization.from)),
        ask(listed(terms.authorization.to)),
    )?;
    Ok(Blocks {
        paused,
        payer,
        payee,
    })
}

/// Whether the authorization was used or canceled, in the state after a block.
pub(super) async fn authorization_spent(
    rpc: &Rpc,
    terms: &TransferTerms,
    block: u64,
) -> Result<bool, RpcError> {
    let call = Token::authorizationStateCall {
        authorizer: terms.authorization.from,
        nonce: terms.authorization.nonce,
    };
    let call = SimulatedCall {
        block: Some(block),
        ..SimulatedCall::to(terms.network.usdc.address, call.abi_encode().into())
    };
    let answer = rpc.call(&call).await?;
    bool::abi_decode(&answer).map_err(|_| RpcError::Nonsense("authorizationState".into()))
}

/// The balance of an account, in the state after a block.
pub(super) async fn balance(
    rpc: &Rpc,
    asset: Address,
    account: Address,
    block: u64,
) -> Result<U256, RpcError> {
    let call = Token::balanceOfCall { account };
    let call = SimulatedCall {
        block: Some(block),
        ..SimulatedCall::to(asset, call.abi_encode().into())
    };
    let answer = rpc.call(&call).await?;
    U256::abi_decode(&answer).map_err(|_| RpcError::Nonsense("balanceOf".into()))
}

/// The logs of the authorization's use or cancellation, in these blocks.
pub(super) async fn uses(
    rpc: &Rpc,
    terms: &TransferTerms,
    blocks: RangeInclusive<u64>,
) -> Result<Vec<Log>, RpcError> {
    let either = [
        Token::AuthorizationUsed::SIGNATURE_HASH,
        Token::AuthorizationCanceled::SIGNATURE_HASH,
    ];
    let (from, nonce) = (
        terms.authorization.from.into_word(),
        terms.authorization.nonce,
    );
    let topics = json!([either, from, nonce]);
    rpc.logs(terms.network.usdc.address, &topics, blocks).await
}

/// The transfers to an account, in these blocks.
pub(super) async fn transfers(
    rpc: &Rpc,
    network: &Network,
    to: Address,
    blocks: RangeInclusive<u64>,
) -> Result<Vec<Log>, RpcError> {
    let topics = json!([Token::Transfer::SIGNATURE_HASH, null, to.into_word()]);
    rpc.logs(network.usdc.address, &topics, blocks).await
}

/// Whether the log is a cancellation.
pub(super) fn is_cancellation(log: &Log) -> bool {
    log.topics.first() == Some(&Token::AuthorizationCanceled::SIGNATURE_HASH)
}

/// Whether the log is the use of this authorization.
pub(super) fn is_use(log: &Log, terms: &TransferTerms) -> bool {
    let topics = [
        Token::AuthorizationUsed::SIGNATURE_HASH,
        terms.authorization.from.into_word(),
        terms.authorization.nonce,
    ];
    !log.removed && log.address == terms.network.usdc.address && log.topics == topics
}

/// Whether the log is exactly the agreed transfer.
pub(super) fn is_transfer(log: &Log, terms: &TransferTerms) -> bool {
    let topics = [
        Token::Transfer::SIGNATURE_HASH,
        terms.authorization.from.into_word(),
        terms.authorization.to.into_word(),
    ];
    let value = terms.authorization.value.abi_encode();
    !log.removed
        && log.address == terms.network.usdc.address
        && log.topics == topics
        && log.data == value
}

/// Whether the log is a transfer of the token.
pub(super) fn is_any_transfer(log: &Log, token: Address) -> bool {
    !log.removed
        && log.address == token
        && log.topics.first() == Some(&Token::Transfer::SIGNATURE_HASH)
}

/// The payer and the amount of a transfer.
pub(super) fn read_transfer(log: &Log) -> Option<(Address, u64)> {
    let from = Address::from_word(*log.topics.get(1)?);
    let value = U256::abi_decode(&log.data).ok()?;
    Some((from, u64::try_from(value).ok()?))
}

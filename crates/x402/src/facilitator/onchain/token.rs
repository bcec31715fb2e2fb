//! The token's contract: what it is sent, what it is asked, what it says in its logs.

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol,
    sol_types::{SolCall as _, SolEvent as _, SolValue as _},
};

use super::rpc::{Log, Rpc, RpcError, TransactionReceipt};
use crate::facilitator::terms::Terms;

sol! {
    /// The part of Circle's FiatTokenV2_2 that is used here.
    interface Token {
        /// Money moved.
        event Transfer(address indexed from, address indexed to, uint256 value);
        /// An authorization was carried out.
        event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);
        /// An authorization was taken back by its author.
        event AuthorizationCanceled(address indexed authorizer, bytes32 indexed nonce);
        /// Atomic units that an account has.
        function balanceOf(address account) external view returns (uint256);
        /// Whether an authorization was used or taken back.
        function authorizationState(address authorizer, bytes32 nonce) external view returns (bool);
        /// Carries out an authorization signed by an ordinary account.
        function transferWithAuthorization(
            address from, address to, uint256 value, uint256 validAfter, uint256 validBefore,
            bytes32 nonce, uint8 v, bytes32 r, bytes32 s
        ) external;
        /// Carries out an authorization signed by a contract, as the contract judges.
        function transferWithAuthorization(
            address from, address to, uint256 value, uint256 validAfter, uint256 validBefore,
            bytes32 nonce, bytes signature
        ) external;
    }
}

/// The call that carries out the transfer.
pub(super) fn transfer_call(terms: &Terms) -> Bytes {
    let message = &terms.authorization;
    let call = match <&[u8; 65]>::try_from(terms.signature.as_ref()) {
        Ok(rsv) => Token::transferWithAuthorization_0Call {
            from: message.from,
            to: message.to,
            value: message.value,
            validAfter: message.valid_after,
            validBefore: message.valid_before,
            nonce: message.nonce,
            // Some signers write 0 and 1, which the token's ecrecover does not take.
            v: if rsv[64] < 27 { rsv[64] + 27 } else { rsv[64] },
            r: B256::from_slice(&rsv[..32]),
            s: B256::from_slice(&rsv[32..64]),
        }
        .abi_encode(),
        Err(_) => Token::transferWithAuthorization_1Call {
            from: message.from,
            to: message.to,
            value: message.value,
            validAfter: message.valid_after,
            validBefore: message.valid_before,
            nonce: message.nonce,
            signature: terms.signature.clone(),
        }
        .abi_encode(),
    };
    call.into()
}

/// Whether the authorization was used or taken back.
pub(super) async fn authorization_spent(rpc: &Rpc, terms: &Terms) -> Result<bool, RpcError> {
    let call = Token::authorizationStateCall {
        authorizer: terms.authorization.from,
        nonce: terms.authorization.nonce,
    };
    let answer = rpc
        .call(terms.network.usdc.address, call.abi_encode().into())
        .await?;
    bool::abi_decode(&answer).map_err(|_| RpcError::Nonsense("authorizationState".into()))
}

/// What the payer has.
pub(super) async fn balance(rpc: &Rpc, asset: Address, account: Address) -> Result<U256, RpcError> {
    let call = Token::balanceOfCall { account };
    let answer = rpc.call(asset, call.abi_encode().into()).await?;
    U256::abi_decode(&answer).map_err(|_| RpcError::Nonsense("balanceOf".into()))
}

/// Whether the transaction moved exactly this money.
pub(super) fn moved(receipt: &TransactionReceipt, terms: &Terms) -> bool {
    let topics = [
        Token::Transfer::SIGNATURE_HASH,
        terms.authorization.from.into_word(),
        terms.authorization.to.into_word(),
    ];
    let value = terms.authorization.value.abi_encode();
    receipt.logs.iter().any(|log| {
        log.address == terms.network.usdc.address && log.topics == topics && log.data == value
    })
}

/// How an authorization came to be spent.
pub(super) enum Spent {
    /// This transaction carried it out, whoever sent it.
    Used(B256),
    /// Its author took it back.
    Canceled,
}

/// Looks for how the authorization was spent, from a block on.
pub(super) async fn how_spent(
    rpc: &Rpc,
    terms: &Terms,
    from_block: u64,
) -> Result<Option<Spent>, RpcError> {
    let asset = terms.network.usdc.address;
    let of = |event: B256| {
        [
            event,
            terms.authorization.from.into_word(),
            terms.authorization.nonce,
        ]
    };
    let first = |logs: Vec<Log>| logs.first().map(|log| log.transaction_hash);
    let used = of(Token::AuthorizationUsed::SIGNATURE_HASH);
    if let Some(transaction) = first(rpc.logs(asset, &used, from_block).await?) {
        return Ok(Some(Spent::Used(transaction)));
    }
    let canceled = of(Token::AuthorizationCanceled::SIGNATURE_HASH);
    let canceled = first(rpc.logs(asset, &canceled, from_block).await?);
    Ok(canceled.map(|_| Spent::Canceled))
}

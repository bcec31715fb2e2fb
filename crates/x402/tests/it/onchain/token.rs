//! Calls of the token that a payer makes, not the facilitator: other uses of a payment's nonce.

use alloy::{
    primitives::{Address, B256, U256},
    signers::{SignerSync as _, local::PrivateKeySigner},
    sol,
    sol_types::{SolCall as _, SolStruct, eip712_domain},
};
use x402::{facilitator::FacilitatorRequest, wire::exact::Authorization};

use crate::anvil::usdc;

sol! {
    struct TransferWithAuthorization {
        address from; address to; uint256 value; uint256 validAfter; uint256 validBefore; bytes32 nonce;
    }
    struct ReceiveWithAuthorization {
        address from; address to; uint256 value; uint256 validAfter; uint256 validBefore; bytes32 nonce;
    }
    struct CancelAuthorization {
        address authorizer; bytes32 nonce;
    }
    function transferWithAuthorization(
        address from, address to, uint256 value, uint256 validAfter, uint256 validBefore,
        bytes32 nonce, bytes signature
    );
    function receiveWithAuthorization(
        address from, address to, uint256 value, uint256 validAfter, uint256 validBefore,
        bytes32 nonce, bytes signature
    );
    function cancelAuthorization(address authorizer, bytes32 nonce, bytes signature);
    function transfer(address to, uint256 value);
    function pause();
    function blacklist(address account);
    function batch(address to, bytes[] calls);
    function deploy(address key);
    function at(address key) view returns (address);
}

fn sign(signer: &PrivateKeySigner, message: &impl SolStruct) -> Vec<u8> {
    let domain = eip712_domain! {
        name: "USDC", version: "2", chain_id: 84532, verifying_contract: usdc(),
    };
    let hash = message.eip712_signing_hash(&domain);
    signer.sign_hash_sync(&hash).unwrap().as_bytes().to_vec()
}

/// The authorization of a request.
pub fn authorization(request: &FacilitatorRequest) -> Authorization {
    request.payment_payload.authorization().clone()
}

/// Uses the nonce of a payment for a transfer of another amount to another account.
pub fn transfer_elsewhere(
    signer: &PrivateKeySigner,
    request: &FacilitatorRequest,
    to: Address,
    value: u64,
) -> Vec<u8> {
    let message = TransferWithAuthorization {
        from: signer.address(),
        to,
        value: U256::from(value),
        validAfter: U256::ZERO,
        validBefore: U256::MAX,
        nonce: authorization(request).nonce,
    };
    transferWithAuthorizationCall {
        from: message.from,
        to: message.to,
        value: message.value,
        validAfter: message.validAfter,
        validBefore: message.validBefore,
        nonce: message.nonce,
        signature: sign(signer, &message).into(),
    }
    .abi_encode()
}

/// The transfer of an authorization by a contract that accepts every signature.
pub fn transfer_of_contract(from: Address, to: Address, value: u64, nonce: B256) -> Vec<u8> {
    transferWithAuthorizationCall {
        from,
        to,
        value: U256::from(value),
        validAfter: U256::ZERO,
        validBefore: U256::MAX,
        nonce,
        signature: vec![7; 70].into(),
    }
    .abi_encode()
}

/// Lets the payee, who has to send it, receive this amount with the nonce of a payment.
pub fn receive(
    signer: &PrivateKeySigner,
    request: &FacilitatorRequest,
    to: Address,
    value: u64,
) -> Vec<u8> {
    let message = ReceiveWithAuthorization {
        from: signer.address(),
        to,
        value: U256::from(value),
        validAfter: U256::ZERO,
        validBefore: U256::MAX,
        nonce: authorization(request).nonce,
    };
    receiveWithAuthorizationCall {
        from: message.from,
        to: message.to,
        value: message.value,
        validAfter: message.validAfter,
        validBefore: message.validBefore,
        nonce: message.nonce,
        signature: sign(signer, &message).into(),
    }
    .abi_encode()
}

/// Cancels the authorization of a payment.
pub fn cancel(signer: &PrivateKeySigner, request: &FacilitatorRequest) -> Vec<u8> {
    let message = CancelAuthorization {
        authorizer: signer.address(),
        nonce: authorization(request).nonce,
    };
    cancelAuthorizationCall {
        authorizer: message.authorizer,
        nonce: message.nonce,
        signature: sign(signer, &message).into(),
    }
    .abi_encode()
}

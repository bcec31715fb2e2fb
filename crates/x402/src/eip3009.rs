//! EIP-3009 `TransferWithAuthorization`: the message that a wallet signs, the signature, and the
//! recovery of the signer.
//!
//! Signatures are read as the token contract reads them: 65 bytes r, s, v, with v 27 or 28 (0 and 1
//! are converted), and s in the lower half of the curve's order (EIP-2).

use std::{
    collections::{HashMap, VecDeque},
    sync::{LazyLock, Mutex, PoisonError, RwLock},
};

use alloy::{
    primitives::{Address, B256, Signature, U256, hex},
    signers::{SignerSync as _, local::PrivateKeySigner},
    sol,
    sol_types::{Eip712Domain, SolStruct as _},
};
use serde_json::{Value, json};

use crate::{
    network::{Asset, Network},
    reason::{Reason, code},
    wire::exact::Authorization,
};

sol! {
    /// The message of EIP-3009.
    struct TransferWithAuthorization {
        address from;
        address to;
        uint256 value;
        uint256 validAfter;
        uint256 validBefore;
        bytes32 nonce;
    }
}

/// Half the order of secp256k1. A larger s is the malleable counterpart of a smaller one.
const HALF_ORDER: U256 = U256::from_be_slice(&hex!(
    "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0"
));

fn domain(network: &Network, asset: &Asset) -> Eip712Domain {
    Eip712Domain::new(
        Some(asset.name.into()),
        Some(asset.version.into()),
        Some(U256::from(network.chain_id)),
        Some(asset.address),
        None,
    )
}

/// The separator is cached, because it is the same for every payment in one asset and half the cost
/// of a hash.
fn separator(network: &Network, asset: &Asset) -> B256 {
    type Separators = RwLock<HashMap<(u64, Address, &'static str), B256>>;
    static KNOWN: LazyLock<Separators> = LazyLock::new(RwLock::default);
    let key = (network.chain_id, asset.address, asset.name);
    if let Some(known) = KNOWN
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&key)
    {
        return *known;
    }
    let made = domain(network, asset).separator();
    KNOWN
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(key, made);
    made
}

/// The 32-byte hash that is signed.
#[must_use]
pub fn signing_hash(network: &Network, asset: &Asset, authorization: &Authorization) -> B256 {
    let message = TransferWithAuthorization {
        from: authorization.from,
        to: authorization.to,
        value: authorization.value,
        validAfter: authorization.valid_after,
        validBefore: authorization.valid_before,
        nonce: authorization.nonce,
    };
    let mut preimage = [0_u8; 66];
    preimage[..2].copy_from_slice(&[0x19, 0x01]);
    preimage[2..34].copy_from_slice(separator(network, asset).as_slice());
    preimage[34..].copy_from_slice(message.eip712_hash_struct().as_slice());
    alloy::primitives::keccak256(preimage)
}

/// A random nonce from the generator of the operating system or the browser.
#[must_use]
pub fn random_nonce() -> B256 {
    B256::random()
}

/// Signs with a key held in this process.
///
/// # Errors
/// The signer's own error; a key in memory never fails.
pub fn sign(
    signer: &PrivateKeySigner,
    network: &Network,
    asset: &Asset,
    authorization: &Authorization,
) -> Result<String, alloy::signers::Error> {
    let signature = signer.sign_hash_sync(&signing_hash(network, asset, authorization))?;
    Ok(hex::encode_prefixed(signature.as_bytes()))
}

/// Recovers the signer from a 65-byte signature.
///
/// # Errors
/// `invalid_exact_evm_signature`: the length is not 65 bytes, v is invalid, s is in the upper half,
/// or no such point exists.
pub fn recover(
    network: &Network,
    asset: &Asset,
    authorization: &Authorization,
    signature: &[u8],
) -> Result<Address, Reason> {
    let refuse = |why: &str| Reason::new(code::SIGNATURE, why.to_owned());
    let bytes: &[u8; 65] = signature
        .try_into()
        .map_err(|_| refuse("it is not 65 bytes long"))?;
    if !matches!(bytes[64], 0 | 1 | 27 | 28) {
        return Err(refuse("its last byte, v, is none of 27, 28, 0 and 1"));
    }
    let signature =
        Signature::from_raw_array(bytes).map_err(|_| refuse("it is not a signature"))?;
    if signature.s() > HALF_ORDER {
        return Err(refuse(
            "its s is in the upper half, which the token refuses",
        ));
    }
    let hash = signing_hash(network, asset, authorization);
    recover_once(hash, bytes, &signature).ok_or_else(|| refuse("no key can have made it"))
}

/// The number of recoveries that are cached, which is more than the payments in progress.
const REMEMBERED: usize = 1024;

/// The signers of signatures, by hash and signature. The signer depends on these two only, so an
/// entry never becomes wrong.
#[derive(Default)]
struct Recovered {
    signers: HashMap<(B256, [u8; 65]), Address>,
    oldest_first: VecDeque<(B256, [u8; 65])>,
}

/// Recovers a signer once. A payment's signature is checked when it arrives, when it is verified
/// and when it is settled, and recovery is the most expensive step of its processing.
fn recover_once(hash: B256, bytes: &[u8; 65], signature: &Signature) -> Option<Address> {
    static RECOVERED: LazyLock<Mutex<Recovered>> = LazyLock::new(Mutex::default);
    let known = || RECOVERED.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (hash, *bytes);
    if let Some(signer) = known().signers.get(&key) {
        return Some(*signer);
    }
    let signer = signature.recover_address_from_prehash(&hash).ok()?;
    let mut recovered = known();
    if recovered.signers.insert(key, signer).is_none() {
        recovered.oldest_first.push_back(key);
        if recovered.oldest_first.len() > REMEMBERED
            && let Some(oldest) = recovered.oldest_first.pop_front()
        {
            recovered.signers.remove(&oldest);
        }
    }
    Some(signer)
}

/// The argument of `eth_signTypedData_v4`, with `EIP712Domain` included in `types`, because some
/// wallets require it.
#[must_use]
pub fn typed_data(network: &Network, asset: &Asset, authorization: &Authorization) -> Value {
    let field = |name: &str, kind: &str| json!({"name": name, "type": kind});
    json!({
        "types": {
            "EIP712Domain": [
                field("name", "string"), field("version", "string"),
                field("chainId", "uint256"), field("verifyingContract", "address"),
            ],
            "TransferWithAuthorization": [
                field("from", "address"), field("to", "address"), field("value", "uint256"),
                field("validAfter", "uint256"), field("validBefore", "uint256"), field("nonce", "bytes32"),
            ],
        },
        "primaryType": "TransferWithAuthorization",
        "domain": {
            "name": asset.name, "version": asset.version,
            "chainId": network.chain_id, "verifyingContract": asset.address.to_checksum(None),
        },
        "message": authorization,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{authorization, payer};

    #[test]
    fn the_signer_is_recovered_with_either_spelling_of_v() {
        let network = Network::by_name("base-sepolia").unwrap();
        let message = authorization(8900);
        let signature = sign(&payer(), network, &network.usdc, &message).unwrap();
        let mut bytes = hex::decode(signature).unwrap();
        assert_eq!(
            recover(network, &network.usdc, &message, &bytes).unwrap(),
            payer().address()
        );
        bytes[64] -= 27;
        assert_eq!(
            recover(network, &network.usdc, &message, &bytes).unwrap(),
            payer().address()
        );
    }

    #[test]
    fn a_cached_signature_is_valid_for_its_own_message_only() {
        let network = Network::by_name("base-sepolia").unwrap();
        let message = authorization(8900);
        let bytes = hex::decode(sign(&payer(), network, &network.usdc, &message).unwrap()).unwrap();
        let signer = |message: &Authorization| recover(network, &network.usdc, message, &bytes);
        for _ in 0..2 {
            assert_eq!(signer(&message).unwrap(), payer().address());
        }
        assert_ne!(signer(&authorization(8901)), Ok(payer().address()));
    }

    #[test]
    fn the_malleable_twin_a_bad_v_and_a_wrong_length_are_refused() {
        let network = Network::by_name("base-sepolia").unwrap();
        let message = authorization(8900);
        let good = hex::decode(sign(&payer(), network, &network.usdc, &message).unwrap()).unwrap();
        let order = U256::from_be_slice(&hex!(
            "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
        ));
        let mut high = good.clone();
        let s = U256::from_be_slice(&good[32..64]);
        high[32..64].copy_from_slice(&(order - s).to_be_bytes::<32>());
        high[64] = 55 - good[64];
        let mut bad_v = good.clone();
        bad_v[64] = 35;
        for (bytes, expected) in [
            (&high[..], "upper half"),
            (&bad_v, "last byte"),
            (&good[..64], "65 bytes"),
        ] {
            let reason = recover(network, &network.usdc, &message, bytes).unwrap_err();
            assert_eq!(reason.code, code::SIGNATURE);
            assert!(reason.message.contains(expected), "{}", reason.message);
        }
    }

    #[test]
    fn the_signed_hash_is_that_of_the_typed_data_and_differs_between_networks() {
        let [sepolia, base] = ["base-sepolia", "base"].map(|n| Network::by_name(n).unwrap());
        let message = authorization(1);
        // alloy's own hash, without the cached separator.
        let reference = TransferWithAuthorization {
            from: message.from,
            to: message.to,
            value: message.value,
            validAfter: message.valid_after,
            validBefore: message.valid_before,
            nonce: message.nonce,
        };
        assert_eq!(
            signing_hash(sepolia, &sepolia.usdc, &message),
            reference.eip712_signing_hash(&domain(sepolia, &sepolia.usdc))
        );
        assert_ne!(
            signing_hash(sepolia, &sepolia.usdc, &message),
            signing_hash(base, &base.usdc, &message)
        );
    }

    #[test]
    fn signatures_equal_those_of_viem() {
        let expected = [
            (
                "base-sepolia",
                "0xe66c1964128928ece36d728b976efc8fc2a7b99a382472ba925cf2f8338385c575a360ab4a921f6ec2c958db6d04a8ea9cc3129a89de3d12046dc9cbb2d87d491b",
            ),
            (
                "base",
                "0x764ac45fc8db2f14c8cc38f8ef901046dce1b3daf4836adb606cdea5c94158c32b7dec471f4068a9ab2bf07d31e3bbbcb55d2ca8d544f3b29220db1b12af643d1c",
            ),
        ];
        for (name, expected) in expected {
            let network = Network::by_name(name).unwrap();
            let made = sign(&payer(), network, &network.usdc, &authorization(8900)).unwrap();
            assert_eq!(made, expected);
        }
    }
}

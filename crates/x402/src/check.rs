//! What can be said of a payment without asking a chain.
//!
//! It costs microseconds, so garbage goes no further: no row is written for it and no facilitator
//! hears of it.

use alloy::primitives::{Address, U256, hex};

use crate::{
    eip3009,
    offer::Offer,
    payment::{Payment, Version},
    reason::{Reason, code},
};

/// The longest signature taken, in bytes; contract wallets wrap theirs in a few hundred.
pub const MAX_SIGNATURE: usize = 3 * 1024;

/// How much longer than the offer an authorization may be good for, in seconds. Until it has run out, an outcome that
/// nobody knows has to be kept open.
pub const MAX_EXTRA_TIME: u64 = 24 * 60 * 60;

/// Who can vouch for the signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// An ordinary account signed; it was recovered and is the payer.
    Ordinary(Address),
    /// A contract's, which only the chain can check.
    Contract,
}

/// How strict to be.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Seconds that must be left to settle.
    pub min_time_left: u64,
    /// Whether the facilitator can check a contract's signature. If so, whatever is no signature
    /// of the payer's own key is left to it; if not, it is refused here.
    pub contracts_possible: bool,
}

/// Checks amount, payee, window and, for an ordinary account, the signature. `now` is in Unix
/// seconds. Match the payment with [`Offer::match_payment`] first.
///
/// # Errors
/// The first reason found.
pub fn local(
    payment: &Payment,
    offer: &Offer,
    now: u64,
    policy: Policy,
) -> Result<Signature, Reason> {
    let authorization = payment.authorization();
    if authorization.to != offer.pay_to {
        let message = format!("the authorization has to pay {}", offer.pay_to);
        return Err(Reason::new(code::RECIPIENT, message));
    }
    let amount = U256::from(offer.amount);
    let enough = match payment.version() {
        Version::V1 => authorization.value >= amount,
        Version::V2 => authorization.value == amount,
    };
    if !enough {
        let message = format!("the price is {} atomic units", offer.amount);
        return Err(Reason::new(code::VALUE, message));
    }
    if authorization.valid_after > U256::from(now) {
        return Err(Reason::new(
            code::VALID_AFTER,
            "the authorization is not valid yet",
        ));
    }
    if authorization.valid_before < U256::from(now.saturating_add(policy.min_time_left)) {
        let message = format!(
            "fewer than {} seconds are left to settle",
            policy.min_time_left
        );
        return Err(Reason::new(code::VALID_BEFORE, message));
    }
    let latest = now
        .saturating_add(offer.max_timeout_seconds)
        .saturating_add(MAX_EXTRA_TIME);
    if authorization.valid_before > U256::from(latest) {
        let message = format!("the authorization must not be good for longer than until {latest}");
        return Err(Reason::new(code::VALID_BEFORE, message));
    }
    signature(payment, offer, policy)
}

fn signature(payment: &Payment, offer: &Offer, policy: Policy) -> Result<Signature, Reason> {
    let text = &payment.exact().signature;
    let refuse = |why: &str| Reason::new(code::SIGNATURE, why.to_owned());
    if text.len() > 2 + 2 * MAX_SIGNATURE {
        return Err(refuse("the signature is too long"));
    }
    let digits = text
        .strip_prefix("0x")
        .ok_or_else(|| refuse("the signature lacks 0x"))?;
    let bytes = hex::decode(digits).map_err(|_| refuse("the signature is not hexadecimal"))?;
    if bytes.is_empty() {
        return Err(refuse("the signature is empty"));
    }
    let authorization = payment.authorization();
    let recovered = eip3009::recover(offer.network, &offer.network.usdc, authorization, &bytes);
    match recovered {
        Ok(signer) if signer == authorization.from => Ok(Signature::Ordinary(signer)),
        _ if policy.contracts_possible => Ok(Signature::Contract),
        Ok(_) => Err(refuse(
            "another account than the payer signed, or something else was signed",
        )),
        Err(reason) => Err(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        testing::{NOW, offer, paid_v1, paid_v2, payer, sign_again},
        wire::exact::ExactPayload,
    };

    const STRICT: Policy = Policy {
        min_time_left: 20,
        contracts_possible: false,
    };

    fn changed(payment: &Payment, change: impl Fn(&mut ExactPayload)) -> Payment {
        let mut payment = payment.clone();
        match &mut payment {
            Payment::V1(p) => change(&mut p.payload),
            Payment::V2(p) => change(&mut p.payload),
        }
        payment
    }

    #[test]
    fn a_good_payment_of_either_version_passes() {
        let offer = offer();
        for payment in [paid_v1(&offer), paid_v2(&offer)] {
            assert_eq!(
                local(&payment, &offer, NOW, STRICT),
                Ok(Signature::Ordinary(payer().address()))
            );
        }
    }

    #[test]
    fn each_tampering_is_named() {
        let offer = offer();
        type Change = fn(&mut ExactPayload);
        let cases: [(&str, Change); 9] = [
            (code::RECIPIENT, |p| p.authorization.to = Address::ZERO),
            (code::VALUE, |p| p.authorization.value -= U256::from(1)),
            (code::VALID_AFTER, |p| {
                p.authorization.valid_after = U256::from(NOW + 1)
            }),
            (code::VALID_BEFORE, |p| {
                p.authorization.valid_before = U256::from(NOW + 19)
            }),
            (code::VALID_BEFORE, |p| {
                p.authorization.valid_before = U256::from(NOW + 300 + MAX_EXTRA_TIME + 1)
            }),
            (code::SIGNATURE, |p| p.authorization.nonce.0[0] ^= 1),
            (code::SIGNATURE, |p| p.signature = "0x".into()),
            (code::SIGNATURE, |p| {
                p.signature = format!("0x{}", "zz".repeat(65))
            }),
            (code::SIGNATURE, |p| {
                p.signature = format!("0x{}", "00".repeat(MAX_SIGNATURE + 1))
            }),
        ];
        for payment in [paid_v1(&offer), paid_v2(&offer)] {
            for (expected, change) in cases {
                let reason = local(&changed(&payment, change), &offer, NOW, STRICT).unwrap_err();
                assert_eq!(reason.code, expected);
            }
        }
    }

    #[test]
    fn v1_may_pay_more_and_v2_must_pay_exactly() {
        let offer = offer();
        let more =
            |p: &Payment| sign_again(&changed(p, |p| p.authorization.value += U256::from(1)));
        assert!(local(&more(&paid_v1(&offer)), &offer, NOW, STRICT).is_ok());
        let reason = local(&more(&paid_v2(&offer)), &offer, NOW, STRICT).unwrap_err();
        assert_eq!(reason.code, code::VALUE);
    }

    #[test]
    fn a_contract_wallet_is_left_to_the_facilitator_only_where_it_can_judge() {
        let offer = offer();
        let lenient = Policy {
            contracts_possible: true,
            ..STRICT
        };
        let wrapped = changed(&paid_v2(&offer), |p| {
            p.signature = format!("0x{}", "ab".repeat(200))
        });
        assert_eq!(
            local(&wrapped, &offer, NOW, lenient),
            Ok(Signature::Contract)
        );
        assert_eq!(
            local(&wrapped, &offer, NOW, STRICT).unwrap_err().code,
            code::SIGNATURE
        );
    }

    #[test]
    fn numbers_at_the_edge_of_the_type_do_not_overflow() {
        let offer = offer();
        let rich = changed(&paid_v1(&offer), |p| p.authorization.value = U256::MAX);
        assert!(local(&sign_again(&rich), &offer, NOW, STRICT).is_ok());
        let endless = changed(&rich, |p| p.authorization.valid_before = U256::MAX);
        let far = Policy {
            min_time_left: u64::MAX,
            ..STRICT
        };
        for (now, policy) in [(NOW, STRICT), (NOW, far), (u64::MAX, STRICT)] {
            let reason = local(&sign_again(&endless), &offer, now, policy).unwrap_err();
            assert_eq!(reason.code, code::VALID_BEFORE);
        }
    }
}

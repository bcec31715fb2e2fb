//! Checks of a payment that need no chain.
//!
//! They take microseconds and come first, so that for an invalid payment no row is written and no
//! facilitator is asked.

use alloy::primitives::{Address, U256, hex};

use crate::{
    eip3009,
    network::Network,
    offer::Offer,
    payment::{Payment, Version},
    reason::{Reason, code},
};

/// The maximum length of a signature, in bytes. Contract wallets wrap theirs in a few hundred.
pub const MAX_SIGNATURE: usize = 3 * 1024;

/// How much longer than the offer an authorization may be valid, in seconds. Clocks differ by a few
/// minutes. The value is small, because a payment with an unknown outcome stays open until its
/// authorization expires.
pub const MAX_EXTRA_TIME: u64 = 300;

/// The signer, as far as it can be recovered without a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// An ordinary account signed. It was recovered from the signature and is the payer.
    Account(Address),
    /// The signature was not made by the payer's own key: it is a contract's, or invalid. Only the
    /// chain can decide.
    Unproven,
}

/// Recovers the signer. Nothing else of the payment is checked, except that it is for `network`,
/// whose USDC is in the signed domain.
///
/// # Errors
/// The signature cannot be valid for any payer.
pub fn signer(payment: &Payment, network: &'static Network) -> Result<Signer, Reason> {
    let bytes = signature_bytes(payment)?;
    let authorization = payment.authorization();
    let recovered = eip3009::recover(network, &network.usdc, authorization, &bytes);
    Ok(match recovered {
        Ok(account) if account == authorization.from => Signer::Account(account),
        _ => Signer::Unproven,
    })
}

/// The signature's bytes.
///
/// # Errors
/// The signature is empty, too long, or not hexadecimal.
pub fn signature_bytes(payment: &Payment) -> Result<Vec<u8>, Reason> {
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
    Ok(bytes)
}

/// The refusal of a signature that is not the payer's.
#[must_use]
pub fn not_the_payers() -> Reason {
    let why = "another account than the payer signed, or something else was signed";
    Reason::new(code::SIGNATURE, why)
}

/// Checks payee, amount, window and resource, but not the signature. `now` is in Unix seconds; at
/// least `min_time_left` seconds of the window must remain for the settlement. Match the payment
/// with [`Offer::match_payment`] first.
///
/// # Errors
/// The first reason found. For the window it names the apparent difference of the two clocks.
pub fn terms(payment: &Payment, offer: &Offer, now: u64, min_time_left: u64) -> Result<(), Reason> {
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
    window(payment, offer, now, min_time_left)?;
    offer.match_resource(payment)
}

fn window(payment: &Payment, offer: &Offer, now: u64, min_time_left: u64) -> Result<(), Reason> {
    let authorization = payment.authorization();
    let after = seconds(authorization.valid_after);
    if after > now {
        let message = format!(
            "the authorization is not valid yet: it begins in {} s by this service's clock, so the clock that signed it \
             seems to be ahead by that much",
            after - now
        );
        return Err(Reason::new(code::VALID_AFTER, message));
    }
    let before = seconds(authorization.valid_before);
    if before < now.saturating_add(min_time_left) {
        let message = if before < now {
            format!(
                "the authorization ended {} s ago by this service's clock: sign a new one, and if it was signed just now, \
                 the clock that signed it is about {} s behind",
                now - before,
                (now - before).saturating_add(offer.max_timeout_seconds)
            )
        } else {
            format!(
                "{} s are left of the authorization and {min_time_left} are needed to settle; if it was signed just now, \
                 the clock that signed it is about {} s behind",
                before - now,
                offer.max_timeout_seconds.saturating_sub(before - now)
            )
        };
        return Err(Reason::new(code::VALID_BEFORE, message));
    }
    let longest = offer.max_timeout_seconds.saturating_add(MAX_EXTRA_TIME);
    if before > now.saturating_add(longest) {
        let message = format!(
            "the authorization is good for {} s by this service's clock and may be for {longest} at most: sign for \
             {} s; if it was signed for that, the clock that signed it is about {} s ahead",
            before - now,
            offer.max_timeout_seconds,
            (before - now).saturating_sub(offer.max_timeout_seconds)
        );
        return Err(Reason::new(code::VALID_BEFORE, message));
    }
    Ok(())
}

/// Times beyond the range of `u64` become its maximum.
fn seconds(time: U256) -> u64 {
    u64::try_from(time).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        testing::{NOW, offer, paid_v1, paid_v2, payer, sign_again},
        wire::exact::ExactPayload,
    };

    /// All checks without a chain, in the order in which a service makes them.
    fn check(payment: &Payment, offer: &Offer, now: u64, min_time_left: u64) -> Result<(), Reason> {
        match signer(payment, offer.network)? {
            Signer::Account(_) => terms(payment, offer, now, min_time_left),
            Signer::Unproven => Err(not_the_payers()),
        }
    }

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
            assert_eq!(check(&payment, &offer, NOW, 20), Ok(()));
            let found = signer(&payment, offer.network);
            assert_eq!(found, Ok(Signer::Account(payer().address())));
        }
    }

    #[test]
    fn each_term_that_is_not_met_has_its_reason() {
        let offer = offer();
        type Change = fn(&mut ExactPayload);
        let cases: [(&str, &str, Change); 7] = [
            (code::RECIPIENT, "has to pay", |p| {
                p.authorization.to = Address::ZERO
            }),
            (code::VALUE, "the price is 8900", |p| {
                p.authorization.value -= U256::from(1)
            }),
            (code::VALID_AFTER, "ahead", |p| {
                p.authorization.valid_after = U256::from(NOW + 1)
            }),
            (code::VALID_BEFORE, "about 281 s behind", |p| {
                p.authorization.valid_before = U256::from(NOW + 19)
            }),
            (code::VALID_BEFORE, "ended 86400 s ago", |p| {
                p.authorization.valid_before = U256::from(NOW - 86_400)
            }),
            (code::VALID_BEFORE, "about 600 s ahead", |p| {
                p.authorization.valid_before = U256::from(NOW + 900)
            }),
            (code::VALID_BEFORE, "may be for 600 at most", |p| {
                p.authorization.valid_before = U256::from(NOW + 300 + MAX_EXTRA_TIME + 1)
            }),
        ];
        for payment in [paid_v1(&offer), paid_v2(&offer)] {
            for (expected, says, change) in cases {
                let signed = sign_again(&changed(&payment, change));
                let reason = check(&signed, &offer, NOW, 20).unwrap_err();
                assert_eq!(reason.code, expected);
                assert!(reason.message.contains(says), "{}", reason.message);
            }
            let latest = sign_again(&changed(&payment, |p| {
                p.authorization.valid_before = U256::from(NOW + 300 + MAX_EXTRA_TIME)
            }));
            assert_eq!(check(&latest, &offer, NOW, 20), Ok(()));
        }
    }

    #[test]
    fn an_impossible_signature_is_refused_for_every_payer() {
        let offer = offer();
        let cases = [
            String::new(),
            "0x".into(),
            "ab".repeat(65),
            format!("0x{}", "zz".repeat(65)),
            format!("0x{}", "00".repeat(MAX_SIGNATURE + 1)),
        ];
        for payment in [paid_v1(&offer), paid_v2(&offer)] {
            for text in &cases {
                let signed = changed(&payment, |p| p.signature.clone_from(text));
                let reason = signer(&signed, offer.network).unwrap_err();
                assert_eq!(reason.code, code::SIGNATURE, "{text}");
            }
        }
    }

    #[test]
    fn a_signature_by_another_key_than_the_payers_stays_unproven() {
        let offer = offer();
        type Change = fn(&mut ExactPayload);
        let changes: [Change; 4] = [
            |p| p.authorization.nonce.0[0] ^= 1,
            |p| p.authorization.from = Address::repeat_byte(9),
            |p| p.signature = format!("0x{}", "ab".repeat(65)),
            |p| p.signature = format!("0x{}", "ab".repeat(200)),
        ];
        for payment in [paid_v1(&offer), paid_v2(&offer)] {
            for change in changes {
                let found = signer(&changed(&payment, change), offer.network);
                assert_eq!(found, Ok(Signer::Unproven));
            }
        }
    }

    #[test]
    fn v1_may_pay_more_and_v2_must_pay_exactly() {
        let offer = offer();
        let more =
            |p: &Payment| sign_again(&changed(p, |p| p.authorization.value += U256::from(1)));
        assert!(check(&more(&paid_v1(&offer)), &offer, NOW, 20).is_ok());
        let reason = check(&more(&paid_v2(&offer)), &offer, NOW, 20).unwrap_err();
        assert_eq!(reason.code, code::VALUE);
    }

    #[test]
    fn a_payment_names_this_resource_or_none() {
        let offer = offer();
        let Payment::V2(good) = paid_v2(&offer) else {
            unreachable!()
        };
        let with = |url: &str| {
            let mut payload = good.clone();
            payload.resource.as_mut().unwrap().url = url.into();
            terms(&Payment::V2(payload), &offer, NOW, 20).map_err(|reason| reason.code)
        };
        for same in [
            "https://host.example/lease/container",
            "http://127.0.0.1:4021/lease/container?from=a-client#top",
            "/lease/container",
            "mcp://tool/lease_container",
            "",
        ] {
            assert_eq!(with(same), Ok(()), "{same}");
        }
        for other in [
            "https://host.example/lease/40200/renew",
            "https://host.example/",
            "https://host.example",
            "/management/list",
        ] {
            assert_eq!(with(other), Err(code::NO_MATCH.into()), "{other}");
        }
        let mut payload = good.clone();
        payload.resource = None;
        assert_eq!(terms(&Payment::V2(payload), &offer, NOW, 20), Ok(()));
    }

    #[test]
    fn numbers_at_the_limits_of_the_type_do_not_overflow() {
        let offer = offer();
        let rich = changed(&paid_v1(&offer), |p| p.authorization.value = U256::MAX);
        assert!(check(&sign_again(&rich), &offer, NOW, 20).is_ok());
        let endless = changed(&rich, |p| p.authorization.valid_before = U256::MAX);
        for (now, left) in [(NOW, 20), (NOW, u64::MAX), (u64::MAX, 20)] {
            let found = check(&sign_again(&endless), &offer, now, left);
            if now == NOW && left == 20 {
                assert_eq!(found.unwrap_err().code, code::VALID_BEFORE);
            }
        }
    }
}

//! Chooses one of the offered ways to pay, or says why none is acceptable.

use alloy::primitives::Address;
use serde_json::Value;

use super::{Challenge, Chosen, WayToPay};
use crate::{
    network::Network,
    wire::{Rest, v1, v2},
};

/// The buyer's limits.
#[derive(Clone, Copy, Debug)]
pub struct SpendingLimits<'a> {
    /// The maximum price of one request, in atomic units.
    pub max_amount: u64,
    /// The networks to pay on, by either name.
    pub networks: &'a [&'a str],
}

/// Why nothing is paid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// None of the offered ways to pay is supported and allowed.
    #[error("none of the ways to pay is acceptable: {}", seen.join("; "))]
    Unacceptable {
        /// Each offered way to pay, with the reason against it.
        seen: Vec<String>,
    },
    /// The cheapest acceptable way costs more than the limit.
    #[error("the price of {amount} atomic units is over the limit of {maximum}")]
    TooExpensive {
        /// The price.
        amount: u64,
        /// The limit.
        maximum: u64,
    },
}

impl Challenge {
    /// Chooses the cheapest way to pay within the limits: scheme `exact`, an allowed network, and
    /// that network's USDC as this crate knows it, under its true name.
    ///
    /// # Errors
    /// No way is acceptable, or all acceptable ways are too expensive.
    pub fn choose(&self, limits: &SpendingLimits<'_>) -> Result<Chosen, ChoiceError> {
        let candidates: Vec<Result<Chosen, String>> = match self {
            Self::V1(required) => required.accepts.iter().map(|o| v1_way(o, limits)).collect(),
            Self::V2(required) => {
                let way = |option| v2_way(option, required, limits);
                required.accepts.iter().map(way).collect()
            }
        };
        let mut seen = Vec::new();
        let mut cheapest: Option<Chosen> = None;
        for candidate in candidates {
            match candidate {
                Ok(way) if cheapest.as_ref().is_none_or(|c| way.amount < c.amount) => {
                    cheapest = Some(way);
                }
                Ok(_) => {}
                Err(why) => seen.push(why),
            }
        }
        match cheapest {
            Some(way) if way.amount <= limits.max_amount => Ok(way),
            Some(way) => Err(ChoiceError::TooExpensive {
                amount: way.amount,
                maximum: limits.max_amount,
            }),
            None if seen.is_empty() => Err(ChoiceError::Unacceptable {
                seen: vec!["none was offered".into()],
            }),
            None => Err(ChoiceError::Unacceptable { seen }),
        }
    }
}

fn v1_way(option: &v1::PaymentRequirements, limits: &SpendingLimits<'_>) -> Result<Chosen, String> {
    let empty = Rest::new();
    let terms = ChallengeTerms {
        scheme: &option.scheme,
        network: &option.network,
        amount: &option.max_amount_required,
        asset: &option.asset,
        pay_to: &option.pay_to,
        max_timeout_seconds: option.max_timeout_seconds,
        extra: option
            .extra
            .as_ref()
            .and_then(Value::as_object)
            .unwrap_or(&empty),
    };
    terms.read(limits, || WayToPay::V1(Box::new(option.clone())))
}

fn v2_way(
    option: &v2::PaymentRequirements,
    required: &v2::PaymentRequired,
    limits: &SpendingLimits<'_>,
) -> Result<Chosen, String> {
    let terms = ChallengeTerms {
        scheme: &option.scheme,
        network: &option.network,
        amount: &option.amount,
        asset: &option.asset,
        pay_to: &option.pay_to,
        max_timeout_seconds: option.max_timeout_seconds,
        extra: &option.extra,
    };
    terms.read(limits, || WayToPay::V2 {
        accepted: Box::new(option.clone()),
        resource: Box::new(required.resource.clone()),
        extensions: required.extensions.clone(),
    })
}

/// The members that both versions have, under different names.
struct ChallengeTerms<'a> {
    scheme: &'a str,
    network: &'a str,
    amount: &'a str,
    asset: &'a str,
    pay_to: &'a str,
    max_timeout_seconds: u64,
    extra: &'a Rest,
}

impl ChallengeTerms<'_> {
    fn read(
        &self,
        limits: &SpendingLimits<'_>,
        option: impl FnOnce() -> WayToPay,
    ) -> Result<Chosen, String> {
        let refuse = |why: &str| {
            // Both words come from the server and go into an error text, so they are shortened.
            let short = |word: &str| word.chars().take(40).collect::<String>();
            let (scheme, network) = (short(self.scheme), short(self.network));
            format!("{scheme:?} on {network:?}: {why}")
        };
        if self.scheme != "exact" {
            return Err(refuse("the scheme is not known here"));
        }
        let network = Network::by_name(self.network)
            .ok_or_else(|| refuse("the network is not known here"))?;
        let allowed = |name: &&str| Network::by_name(name) == Some(network);
        if !limits.networks.iter().any(allowed) {
            return Err(refuse("the network is not among those allowed"));
        }
        if self.asset.parse() != Ok(network.usdc.address) {
            return Err(refuse("the asset is not that network's USDC"));
        }
        let says = |key| self.extra.get(key).and_then(Value::as_str);
        // If the member is absent, the token's known value is used, as in version 1's clients.
        let is_or_absent = |key, known| says(key).is_none_or(|said| said == known);
        if !is_or_absent("name", network.usdc.name)
            || !is_or_absent("version", network.usdc.version)
        {
            return Err(refuse("the token's name or version is not USDC's"));
        }
        if !is_or_absent("assetTransferMethod", "eip3009") {
            return Err(refuse("the transfer method is not EIP-3009"));
        }
        // An unknown payment flow may promise less than the two known ones.
        if !is_or_absent("paymentFlow", "upfront") && !is_or_absent("paymentFlow", "authorization")
        {
            return Err(refuse("the payment flow is not known here"));
        }
        let amount: u64 = Some(self.amount)
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| refuse("the amount is no number of atomic units"))?;
        let pay_to: Address = self
            .pay_to
            .parse()
            .map_err(|_| refuse("the payee is no address"))?;
        Ok(Chosen {
            network,
            amount,
            pay_to,
            max_timeout_seconds: self.max_timeout_seconds,
            option: option(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{payment::Version, testing::offer};

    const LIMITS: SpendingLimits<'static> = SpendingLimits {
        max_amount: 1_000_000,
        networks: &["eip155:84532"],
    };

    fn with(change: impl FnOnce(&mut v2::PaymentRequirements)) -> Result<Chosen, ChoiceError> {
        let mut required = offer().v2("pay");
        change(&mut required.accepts[0]);
        Challenge::V2(required).choose(&LIMITS)
    }

    #[test]
    fn either_version_of_our_own_challenge_is_acceptable() {
        let v1 = Challenge::V1(offer().v1_body("pay")).choose(&LIMITS);
        let v2 = Challenge::V2(offer().v2("pay")).choose(&LIMITS);
        for (way, version) in [(v1, Version::V1), (v2, Version::V2)] {
            let way = way.unwrap();
            assert_eq!(way.version(), version);
            assert_eq!((way.amount, way.pay_to), (8900, offer().pay_to));
            assert_eq!(way.resource().0, "https://host.example/lease/container");
        }
    }

    #[test]
    fn a_token_other_than_known_usdc_is_never_signed_for() {
        type Change = fn(&mut v2::PaymentRequirements);
        let changes: [(&str, Change); 9] = [
            ("scheme", |o| o.scheme = "upto".into()),
            ("network is not known", |o| o.network = "eip155:1337".into()),
            ("not among", |o| o.network = "eip155:8453".into()),
            ("asset", |o| o.asset = Address::ZERO.to_string()),
            ("name", |o| {
                drop(o.extra.insert("name".into(), "Tether".into()))
            }),
            ("method", |o| {
                drop(
                    o.extra
                        .insert("assetTransferMethod".into(), "permit2".into()),
                );
            }),
            ("flow", |o| {
                drop(o.extra.insert("paymentFlow".into(), "escrow".into()));
            }),
            ("amount", |o| o.amount = "+5".into()),
            ("payee", |o| o.pay_to = "0x12".into()),
        ];
        for (expected, change) in changes {
            let Err(ChoiceError::Unacceptable { seen }) = with(change) else {
                panic!("{expected} was accepted");
            };
            assert!(seen[0].contains(expected), "{seen:?}");
        }
        assert!(with(|o| drop(o.extra.insert("paymentFlow".into(), "upfront".into()))).is_ok());
    }

    #[test]
    fn the_cheapest_acceptable_way_is_taken_and_the_limit_holds() {
        let mut required = offer().v2("pay");
        let mut cheaper = required.accepts[0].clone();
        cheaper.amount = "100".into();
        let mut unknown = cheaper.clone();
        (unknown.network, unknown.amount) = ("solana:mainnet".into(), "1".into());
        required.accepts.extend([unknown, cheaper]);
        let challenge = Challenge::V2(required);
        assert_eq!(challenge.choose(&LIMITS).unwrap().amount, 100);
        let poor = SpendingLimits {
            max_amount: 99,
            ..LIMITS
        };
        let error = ChoiceError::TooExpensive {
            amount: 100,
            maximum: 99,
        };
        assert_eq!(challenge.choose(&poor), Err(error));
    }

    #[test]
    fn an_empty_list_has_its_own_error() {
        let mut required = offer().v1_body("pay");
        required.accepts.clear();
        let error = Challenge::V1(required).choose(&LIMITS).unwrap_err();
        assert!(error.to_string().contains("none was offered"));
    }
}

//! The buyer's side without a transport: read a challenge, choose a way to pay, prepare the message
//! to sign, and make the payment from the signature.
//!
//! The caller provides the signature: from a key in this process ([`crate::eip3009::sign`]), from a
//! wallet in a browser ([`Chosen::typed_data`]), or from a person elsewhere. This module sends
//! nothing.

mod challenge;
mod choose;

pub use challenge::Challenge;
pub use choose::{ChoiceError, SpendingLimits};

use alloy::primitives::{Address, B256, U256};
use serde_json::Value;

use crate::{
    eip3009,
    network::Network,
    payment::{Payment, Version},
    wire::{
        Rest,
        exact::{Authorization, ExactPayload},
        v1, v2,
    },
};

/// Seconds before now from which an authorization is valid, because clocks differ.
pub const CLOCK_SKEW: u64 = 600;
/// The maximum validity of an authorization, in seconds, even if the server asks for more. Until it
/// ends, the authorization can be settled.
pub const MAX_VALIDITY: u64 = 3600;
/// The extension by which a version 2 client names its request.
const PAYMENT_IDENTIFIER: &str = "payment-identifier";

/// An offered way to pay that is acceptable to the buyer.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// The network to pay on.
    pub network: &'static Network,
    /// The price, in atomic units of the network's USDC.
    pub amount: u64,
    /// The payee.
    pub pay_to: Address,
    /// Seconds that the server asks for its settlement.
    pub max_timeout_seconds: u64,
    option: WayToPay,
}

#[derive(Clone, Debug, PartialEq)]
enum WayToPay {
    V1(Box<v1::PaymentRequirements>),
    V2 {
        accepted: Box<v2::PaymentRequirements>,
        resource: Box<v2::ResourceInfo>,
        extensions: Rest,
    },
}

impl Chosen {
    /// The protocol version in which the payment will be sent.
    #[must_use]
    pub fn version(&self) -> Version {
        match self.option {
            WayToPay::V1(_) => Version::V1,
            WayToPay::V2 { .. } => Version::V2,
        }
    }

    /// The paid resource as the server describes it: URL and description.
    #[must_use]
    pub fn resource(&self) -> (&str, Option<&str>) {
        match &self.option {
            WayToPay::V1(option) => (&option.resource, Some(&option.description)),
            WayToPay::V2 { resource, .. } => (&resource.url, resource.description.as_deref()),
        }
    }

    /// The message to sign. `now` is in Unix seconds; the nonce comes from
    /// [`eip3009::random_nonce`] and is used for this payment only.
    #[must_use]
    pub fn authorization(&self, from: Address, now: u64, nonce: B256) -> Authorization {
        let validity = self.max_timeout_seconds.min(MAX_VALIDITY);
        Authorization {
            from,
            to: self.pay_to,
            value: U256::from(self.amount),
            valid_after: U256::from(now.saturating_sub(CLOCK_SKEW)),
            valid_before: U256::from(now.saturating_add(validity)),
            nonce,
        }
    }

    /// The argument of a wallet's `eth_signTypedData_v4`.
    #[must_use]
    pub fn typed_data(&self, authorization: &Authorization) -> Value {
        eip3009::typed_data(self.network, &self.network.usdc, authorization)
    }

    /// Makes the payment. The signature is `0x` and hexadecimal digits, as the wallet returned it.
    /// Version 2's extensions are echoed. If the server supports a `payment-identifier`, the given
    /// id (16 to 128 characters) is added; a retry has to use the same id.
    #[must_use]
    pub fn payment(
        &self,
        authorization: Authorization,
        signature: String,
        payment_identifier: Option<&str>,
    ) -> Payment {
        let payload = ExactPayload {
            signature,
            authorization,
            rest: Rest::new(),
        };
        match &self.option {
            WayToPay::V1(option) => Payment::V1(Box::new(v1::PaymentPayload {
                x402_version: 1,
                scheme: option.scheme.clone(),
                network: option.network.clone(),
                payload,
                rest: Rest::new(),
            })),
            WayToPay::V2 {
                accepted,
                resource,
                extensions,
            } => Payment::V2(Box::new(v2::PaymentPayload {
                x402_version: 2,
                resource: Some((**resource).clone()),
                accepted: (**accepted).clone(),
                payload,
                extensions: echo(extensions, payment_identifier),
                rest: Rest::new(),
            })),
        }
    }
}

/// The server's extensions as the client returns them: unchanged except for the identifier.
fn echo(extensions: &Rest, payment_identifier: Option<&str>) -> Option<Rest> {
    let mut echo = extensions.clone();
    if let (Some(id), Some(Value::Object(extension))) =
        (payment_identifier, echo.get_mut(PAYMENT_IDENTIFIER))
        && let Value::Object(info) = extension
            .entry("info")
            .or_insert_with(|| Value::Object(Rest::new()))
    {
        info.insert("id".into(), id.into());
    }
    (!echo.is_empty()).then_some(echo)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        check,
        offer::Offer,
        testing::{NOW, offer, payer},
    };

    const LIMITS: SpendingLimits<'static> = SpendingLimits {
        max_amount: 10_000,
        networks: &["base-sepolia"],
    };

    fn pay(challenge: &Challenge, id: Option<&str>) -> Payment {
        let chosen = challenge.choose(&LIMITS).unwrap();
        let message = chosen.authorization(payer().address(), NOW, B256::repeat_byte(9));
        let signature =
            eip3009::sign(&payer(), chosen.network, &chosen.network.usdc, &message).unwrap();
        chosen.payment(message, signature, id)
    }

    #[test]
    fn a_payment_made_from_our_challenge_passes_our_checks() {
        let offer = offer();
        let challenges = [
            Challenge::V1(offer.v1_body("pay")),
            Challenge::V2(offer.v2("pay")),
        ];
        for challenge in challenges {
            let sent = pay(&challenge, None);
            let (name, value) = sent.to_header();
            let read = if name == "x-payment" {
                Payment::from_headers(&[], &[value.as_bytes()])
            } else {
                Payment::from_headers(&[value.as_bytes()], &[])
            };
            let read = read.unwrap().unwrap();
            assert_eq!(offer.match_payment(&read), Ok(()));
            assert_eq!(check::terms(&read, &offer, NOW, 20), Ok(()));
            let signer = check::signer(&read, offer.network);
            assert_eq!(signer, Ok(check::Signer::Account(payer().address())));
        }
    }

    #[test]
    fn extensions_are_echoed_and_a_supported_identifier_is_added() {
        let mut offer = offer();
        let declared = json!({"info": {"required": false}, "schema": {"type": "object"}});
        offer
            .extensions
            .insert("payment-identifier".into(), declared);
        offer.extensions.insert("other".into(), json!({"info": 1}));
        let id = "pay_0123456789abcdef";
        let payment = pay(&Challenge::V2(offer.v2("pay")), Some(id));
        assert_eq!(payment.payment_identifier(), Ok(Some(id)));
        let Payment::V2(payload) = payment else {
            unreachable!()
        };
        assert_eq!(
            Value::Object(payload.extensions.unwrap()),
            json!({
                "payment-identifier":
                    {"info": {"required": false, "id": id}, "schema": {"type": "object"}},
                "other": {"info": 1},
            })
        );
    }

    #[test]
    fn an_identifier_is_not_sent_to_a_server_that_does_not_support_it() {
        let payment = pay(
            &Challenge::V2(offer().v2("pay")),
            Some("pay_0123456789abcdef"),
        );
        assert_eq!(payment.payment_identifier(), Ok(None));
    }

    #[test]
    fn an_authorization_is_never_valid_for_days() {
        let greedy = Offer {
            max_timeout_seconds: u64::MAX,
            ..offer()
        };
        let chosen = Challenge::V2(greedy.v2("pay")).choose(&LIMITS).unwrap();
        let message = chosen.authorization(payer().address(), NOW, B256::ZERO);
        assert_eq!(message.valid_before, U256::from(NOW + MAX_VALIDITY));
        assert_eq!(message.valid_after, U256::from(NOW - CLOCK_SKEW));
    }
}

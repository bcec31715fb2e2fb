//! A payment as the customer's wallet signed it, and the terms that it has to match. The header
//! goes to the lease API unchanged. It is read here only to check whether it matches the suspended
//! call, so that a payment is never used for another call.

use std::{collections::BTreeMap, fmt};

use api_types::{PaymentRequest, Secret, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use x402::{
    network::Network,
    payment,
    purchase::{Challenge, SpendingLimits},
    wire::header as wire,
};

use crate::tools::CallPlan;

/// The terms of one call's payment, which the customer is asked to sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentTerms {
    /// Atomic units.
    pub amount: u64,
    /// The network's CAIP-2 id.
    pub network: String,
    /// The token's address.
    pub asset: String,
    /// The payee's address.
    pub pay_to: String,
    /// The absolute URL of the paid resource.
    pub resource: String,
    /// The end of the offer, in Unix seconds.
    pub valid_until: u64,
}

/// Why a payment cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PaymentMisfit {
    /// The header cannot be read.
    #[error("The payment header cannot be read.")]
    Unreadable,
    /// The payment is for another network.
    #[error("The payment is signed for another network than the call asks for.")]
    Network,
    /// The payment is for another payee.
    #[error("The payment is signed for another payee than the call names.")]
    Payee,
    /// The amount differs from the price.
    #[error("The payment's amount is not what the call costs.")]
    Amount,
    /// The payment is for another resource or token.
    #[error("The payment is signed for another call.")]
    Resource,
}

/// A payment header.
#[derive(Clone)]
pub struct SignedHeader {
    name: &'static str,
    value: Secret,
    payment: payment::Payment,
}

impl fmt::Debug for SignedHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedHeader")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl SignedHeader {
    /// Takes the payment from the headers that the interface sends; the case of their names does
    /// not matter. If the headers of both versions are present, version 2 is used, as in the lease
    /// API.
    ///
    /// # Errors
    /// A payment header is present but cannot be read.
    pub fn from_headers(headers: &BTreeMap<String, Secret>) -> Result<Option<Self>, PaymentMisfit> {
        for name in [wire::PAYMENT_SIGNATURE, wire::X_PAYMENT] {
            let found = headers
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name));
            let Some((_, value)) = found else { continue };
            let bytes = value.expose().trim().as_bytes();
            let printable = bytes.iter().all(u8::is_ascii_graphic);
            let payment = payment::Payment::from_headers(&[], &[bytes]).ok().flatten();
            let (true, Some(payment)) = (printable, payment) else {
                return Err(PaymentMisfit::Unreadable);
            };
            return Ok(Some(Self {
                name,
                value: Secret::new(value.expose().trim()),
                payment,
            }));
        }
        if headers.is_empty() {
            return Ok(None);
        }
        Err(PaymentMisfit::Unreadable)
    }

    /// The header's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The header's value.
    pub fn value(&self) -> &str {
        self.value.expose()
    }

    /// The payer's address, lower case.
    pub fn payer(&self) -> String {
        self.payment.payer().to_string().to_lowercase()
    }

    /// Checks whether the payment matches these terms.
    ///
    /// # Errors
    /// The payment does not match; the error says why.
    pub fn fits(&self, terms: &PaymentTerms) -> Result<(), PaymentMisfit> {
        let network = Network::by_name(&terms.network).ok_or(PaymentMisfit::Network)?;
        if Network::by_name(self.payment.network()) != Some(network) {
            return Err(PaymentMisfit::Network);
        }
        let authorization = self.payment.authorization();
        if !authorization
            .to
            .to_string()
            .eq_ignore_ascii_case(&terms.pay_to)
        {
            return Err(PaymentMisfit::Payee);
        }
        // Version 1 allows more than the price. A wallet that follows the challenge never signs
        // more, so more is refused here.
        if authorization.value.to_string() != terms.amount.to_string() {
            return Err(PaymentMisfit::Amount);
        }
        match &self.payment {
            payment::Payment::V2(payload) => {
                let resource = payload.resource.as_ref();
                let other = resource.is_some_and(|resource| resource.url != terms.resource);
                let asset = payload.accepted.asset.eq_ignore_ascii_case(&terms.asset);
                if other || !asset {
                    Err(PaymentMisfit::Resource)
                } else {
                    Ok(())
                }
            }
            payment::Payment::V1(_) => Ok(()),
        }
    }
}

/// The 402 response of a call, parsed.
#[derive(Debug, Clone, PartialEq)]
pub struct PaymentChallenge {
    /// The terms of the payment.
    pub terms: PaymentTerms,
    /// The payment request for the interface.
    pub request: PaymentRequest,
}

impl PaymentChallenge {
    /// Parses a 402 response from its `PAYMENT-REQUIRED` header and its body. `now` is in Unix
    /// seconds.
    ///
    /// # Errors
    /// The response offers no supported way to pay; the error is in words for people.
    pub fn read(
        payment_required: Option<&str>,
        body: &Value,
        plan: &CallPlan,
        now: u64,
    ) -> Result<Self, String> {
        let text = body.to_string();
        let unreadable = || "The lease API asks for a payment that cannot be read.".to_owned();
        let challenge = Challenge::from_response(payment_required, text.as_bytes())
            .map_err(|_| unreadable())?;
        let networks: Vec<&str> = x402::network::NETWORKS
            .iter()
            .map(|known| known.caip2)
            .collect();
        let every = SpendingLimits {
            max_amount: u64::MAX,
            networks: &networks,
        };
        let chosen = challenge.choose(&every).map_err(|_| {
            "The lease API asks for a payment in a way that is not known here.".to_owned()
        })?;
        let terms = PaymentTerms {
            amount: chosen.amount,
            network: chosen.network.caip2.to_owned(),
            asset: chosen.network.usdc.address.to_checksum(None),
            pay_to: chosen.pay_to.to_checksum(None),
            resource: chosen.resource().0.to_owned(),
            valid_until: now.saturating_add(chosen.max_timeout_seconds),
        };
        let accepts = body["accepts"].as_array().into_iter().flatten();
        let request = PaymentRequest {
            x402_version: 1,
            error: challenge.error().unwrap_or_default().to_owned(),
            accepts: accepts.cloned().collect(),
            payment_required: payment_required.map(str::to_owned),
            call: plan.suspended(),
            amount: terms.amount.to_string(),
            network: chosen
                .network
                .v1_name
                .unwrap_or(chosen.network.caip2)
                .to_owned(),
            asset: terms.asset.clone(),
            pay_to: terms.pay_to.clone(),
            valid_until: Timestamp(terms.valid_until),
            price: None,
            needs_credential: plan.takes_credential,
            price_changed: false,
        };
        Ok(Self { terms, request })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use x402::wire::header::encode;

    use super::*;

    const PAYEE: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
    const ASSET: &str = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";

    fn terms() -> PaymentTerms {
        PaymentTerms {
            amount: 8900,
            network: "eip155:84532".into(),
            asset: ASSET.into(),
            pay_to: PAYEE.into(),
            resource: "http://host/lease/container".into(),
            valid_until: 1,
        }
    }

    fn authorization(to: &str, value: &str) -> serde_json::Value {
        json!({
            "signature": "0xsigned",
            "authorization": {
                "from": "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "to": to, "value": value,
                "validAfter": "0", "validBefore": "9", "nonce": format!("0x{}", "07".repeat(32)),
            },
        })
    }

    fn v1(network: &str, to: &str, value: &str) -> SignedHeader {
        let payload = json!({
            "x402Version": 1, "scheme": "exact", "network": network, "payload": authorization(to, value),
        });
        signed("X-PAYMENT", &payload)
    }

    fn v2(resource: &str) -> SignedHeader {
        let payload = json!({
            "x402Version": 2, "resource": {"url": resource},
            "accepted": {
                "scheme": "exact", "network": "eip155:84532", "amount": "8900", "asset": ASSET, "payTo": PAYEE,
                "maxTimeoutSeconds": 300,
            },
            "payload": authorization(PAYEE, "8900"),
        });
        signed("Payment-Signature", &payload)
    }

    fn signed(name: &str, payload: &serde_json::Value) -> SignedHeader {
        let headers = BTreeMap::from([(name.to_owned(), Secret::new(encode(payload)))]);
        SignedHeader::from_headers(&headers).unwrap().unwrap()
    }

    #[test]
    fn a_payment_matches_only_the_call_that_it_was_signed_for() {
        let cases = [
            (v1("base-sepolia", PAYEE, "8900"), Ok(())),
            (v1("base", PAYEE, "8900"), Err(PaymentMisfit::Network)),
            (v1("base-sepolia", ASSET, "8900"), Err(PaymentMisfit::Payee)),
            (
                v1("base-sepolia", PAYEE, "8899"),
                Err(PaymentMisfit::Amount),
            ),
            (
                v1("base-sepolia", PAYEE, "9000"),
                Err(PaymentMisfit::Amount),
            ),
            (v2("http://host/lease/container"), Ok(())),
            (
                v2("http://host/management/list"),
                Err(PaymentMisfit::Resource),
            ),
        ];
        for (number, (header, expected)) in cases.into_iter().enumerate() {
            assert_eq!(header.fits(&terms()), expected, "case {number}");
        }
    }

    #[test]
    fn an_unreadable_header_is_refused_and_not_logged() {
        for (name, value) in [
            ("X-PAYMENT", "garbage!"),
            ("x-payment", "e30="),
            ("Authorization", "Bearer t"),
        ] {
            let headers = BTreeMap::from([(name.to_owned(), Secret::new(value))]);
            assert_eq!(
                SignedHeader::from_headers(&headers).unwrap_err(),
                PaymentMisfit::Unreadable
            );
        }
        assert!(
            SignedHeader::from_headers(&BTreeMap::new())
                .unwrap()
                .is_none()
        );
        let text = format!("{:?}", v1("base", PAYEE, "1"));
        assert!(!text.contains("0xsigned"), "{text}");
    }

    #[test]
    fn a_402_of_either_version_is_parsed_into_terms_and_a_request() {
        let body = json!({"x402Version": 1, "error": "Payment required", "accepts": [{
            "scheme": "exact", "network": "base-sepolia", "maxAmountRequired": "8900", "resource": "http://host/lease/container",
            "description": "LXC lease", "mimeType": "application/json", "payTo": PAYEE, "maxTimeoutSeconds": 300,
            "asset": ASSET, "extra": {"name": "USDC", "version": "2"},
        }]});
        let plan = crate::tools::find("lease_container")
            .unwrap()
            .plan(&crate::conversation::ToolCall {
                id: "c".into(),
                tool: "lease_container".into(),
                arguments: r#"{"runtimeMinutes": 60}"#.into(),
            })
            .unwrap();
        let challenge = PaymentChallenge::read(None, &body, &plan, 1000).unwrap();
        assert_eq!(
            challenge.terms,
            PaymentTerms {
                valid_until: 1300,
                ..terms()
            }
        );
        assert_eq!(challenge.request.network, "base-sepolia");
        assert!(challenge.request.needs_credential);
        assert_eq!(challenge.request.accepts.len(), 1);
        assert!(PaymentChallenge::read(None, &json!({}), &plan, 0).is_err());
    }
}

//! A server's offer: both versions' challenges are made from it, and payments are matched against
//! it.

use alloy::primitives::Address;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    network::Network,
    payment::{Payment, Version},
    reason::{Reason, code},
    wire::{Rest, header, v1, v2},
};

/// A price for one request, in the USDC of one network, by the scheme `exact`.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The network to pay on.
    pub network: &'static Network,
    /// The price in atomic units.
    pub amount: u64,
    /// The payee.
    pub pay_to: Address,
    /// Seconds that a payment stays valid, which is the time for its settlement.
    pub max_timeout_seconds: u64,
    /// The absolute URL of the paid resource.
    pub resource: String,
    /// The description for people.
    pub description: String,
    /// The MIME type of the response.
    pub mime_type: String,
    /// HTTP method, for catalogues of paid services.
    pub method: String,
    /// Whether the challenge announces that settlement comes before delivery.
    pub upfront: bool,
    /// Version 2 extensions.
    pub extensions: Rest,
}

/// The body of `/verify` and `/settle`. It is stored as text and sent again byte for byte.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FacilitatorRequest {
    /// The protocol version of both members.
    pub x402_version: u32,
    /// The payment as the client sent it.
    pub payment_payload: Payment,
    /// The server's requirements, in the same version.
    pub payment_requirements: Value,
}

impl Offer {
    /// The body of the 402, which version 1 clients read. On a network outside their closed list
    /// `accepts` is empty, because one unknown entry makes them fail.
    #[must_use]
    pub fn v1_body(&self, error: &str) -> v1::PaymentRequirementsResponse {
        v1::PaymentRequirementsResponse {
            x402_version: 1,
            error: error.to_owned(),
            accepts: self.v1_requirements().into_iter().collect(),
            rest: Rest::new(),
        }
    }

    fn v1_requirements(&self) -> Option<v1::PaymentRequirements> {
        Some(v1::PaymentRequirements {
            scheme: "exact".into(),
            network: self.network.v1_name?.into(),
            max_amount_required: self.amount.to_string(),
            resource: self.resource.clone(),
            description: self.description.clone(),
            mime_type: self.mime_type.clone(),
            pay_to: self.pay_to.to_checksum(None),
            max_timeout_seconds: self.max_timeout_seconds,
            asset: self.network.usdc.address.to_checksum(None),
            output_schema: Some(json!({
                "input": {"type": "http", "method": self.method, "discoverable": true}
            })),
            extra: Some(Value::Object(self.domain())),
            rest: Rest::new(),
        })
    }

    /// The challenge that version 2 clients read.
    #[must_use]
    pub fn v2(&self, error: &str) -> v2::PaymentRequired {
        v2::PaymentRequired {
            x402_version: 2,
            error: Some(error.to_owned()),
            resource: v2::ResourceInfo {
                url: self.resource.clone(),
                description: Some(self.description.clone()),
                mime_type: Some(self.mime_type.clone()),
                rest: Rest::new(),
            },
            accepts: vec![self.v2_requirements()],
            extensions: self.extensions.clone(),
            rest: Rest::new(),
        }
    }

    /// The value of `PAYMENT-REQUIRED`.
    #[must_use]
    pub fn v2_header(&self, error: &str) -> String {
        header::encode(&self.v2(error))
    }

    fn v2_requirements(&self) -> v2::PaymentRequirements {
        let mut extra = self.domain();
        if self.upfront {
            extra.insert("paymentFlow".into(), "upfront".into());
        }
        v2::PaymentRequirements {
            scheme: "exact".into(),
            network: self.network.caip2.into(),
            amount: self.amount.to_string(),
            asset: self.network.usdc.address.to_checksum(None),
            pay_to: self.pay_to.to_checksum(None),
            max_timeout_seconds: self.max_timeout_seconds,
            extra,
            rest: Rest::new(),
        }
    }

    fn domain(&self) -> Rest {
        let asset = &self.network.usdc;
        [("name", asset.name), ("version", asset.version)]
            .map(|(key, value)| (key.to_owned(), Value::from(value)))
            .into_iter()
            .collect()
    }

    /// Checks whether the payment is for this offer. In version 2, every core member of `accepted`
    /// equals the offer's, and the client's `extra` contains ours and may contain more. In version
    /// 1, only scheme and network are compared, because the payload names nothing else.
    ///
    /// # Errors
    /// The reason, in the reference servers' words.
    pub fn match_payment(&self, payment: &Payment) -> Result<(), Reason> {
        match payment {
            Payment::V1(payload) if payload.scheme != "exact" => Err(Reason::new(
                code::UNSUPPORTED_SCHEME,
                "the scheme offered is exact",
            )),
            Payment::V1(payload) if Network::by_name(&payload.network) != Some(self.network) => {
                let message = format!("the network offered is {}", self.network.caip2);
                Err(Reason::new(code::INVALID_NETWORK, message))
            }
            Payment::V1(_) => Ok(()),
            Payment::V2(payload) => self.match_accepted(&payload.accepted),
        }
    }

    fn match_accepted(&self, accepted: &v2::PaymentRequirements) -> Result<(), Reason> {
        let offered = self.v2_requirements();
        let differs = [
            ("scheme", accepted.scheme != offered.scheme),
            ("network", accepted.network != offered.network),
            ("amount", accepted.amount != offered.amount),
            (
                "asset",
                !accepted.asset.eq_ignore_ascii_case(&offered.asset),
            ),
            (
                "payTo",
                !accepted.pay_to.eq_ignore_ascii_case(&offered.pay_to),
            ),
            (
                "maxTimeoutSeconds",
                accepted.max_timeout_seconds != offered.max_timeout_seconds,
            ),
            (
                "extra",
                offered
                    .extra
                    .iter()
                    .any(|(key, value)| accepted.extra.get(key) != Some(value)),
            ),
        ];
        match differs.iter().find(|(_, differs)| *differs) {
            None => Ok(()),
            Some((member, _)) => Err(Reason::new(
                code::NO_MATCH,
                format!("accepted.{member} is not as offered"),
            )),
        }
    }

    /// Checks whether the payment's resource is this one. Hosts may differ, because services have
    /// several names. A client may name no resource, and `mcp://tool/…` names a tool that uses this
    /// one.
    ///
    /// # Errors
    /// The payment names the path of another resource.
    pub fn match_resource(&self, payment: &Payment) -> Result<(), Reason> {
        let Payment::V2(payload) = payment else {
            return Ok(());
        };
        let Some(named) = payload.resource.as_ref().map(|resource| &*resource.url) else {
            return Ok(());
        };
        let path = url_path(named);
        // Behind a proxy the public path may be longer than the path that the client requested.
        let same = path.is_none_or(|path| {
            url_path(&self.resource).is_some_and(|ours| ours == path || ours.ends_with(path))
        });
        if same {
            return Ok(());
        }
        let message = format!("the payment names another resource than {}", self.resource);
        Err(Reason::new(code::NO_MATCH, message))
    }

    /// The request to a facilitator.
    ///
    /// # Errors
    /// `invalid_network` for a version 1 payment on a network without a name in version 1.
    pub fn facilitator_request(&self, payment: &Payment) -> Result<FacilitatorRequest, Reason> {
        let requirements = match payment.version() {
            Version::V1 => self.v1_requirements().map(|r| json!(r)),
            Version::V2 => Some(json!(self.v2_requirements())),
        };
        let payment_requirements = requirements.ok_or_else(|| {
            Reason::new(
                code::INVALID_NETWORK,
                "version 1 has no name for this network",
            )
        })?;
        Ok(FacilitatorRequest {
            x402_version: if payment.version() == Version::V1 {
                1
            } else {
                2
            },
            payment_payload: payment.clone(),
            payment_requirements,
        })
    }
}

/// The path of an HTTP URL or of a bare path, without query and fragment. `None` for other schemes
/// and for an empty text.
fn url_path(url: &str) -> Option<&str> {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    if url.starts_with('/') {
        return Some(url);
    }
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))?;
    Some(rest.find('/').map_or("/", |at| &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{offer, paid_v1, paid_v2};

    #[test]
    fn the_v1_body_holds_what_every_v1_client_needs_and_no_null() {
        let body = serde_json::to_value(offer().v1_body("X-PAYMENT header is required")).unwrap();
        assert_eq!(
            body,
            json!({
                "x402Version": 1,
                "error": "X-PAYMENT header is required",
                "accepts": [{
                    "scheme": "exact", "network": "base-sepolia", "maxAmountRequired": "8900",
                    "resource": "https://host.example/lease/container", "description": "LXC lease",
                    "mimeType": "application/json",
                    "payTo": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
                    "maxTimeoutSeconds": 300,
                    "asset": "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
                    "outputSchema": {"input": {"type": "http", "method": "POST", "discoverable": true}},
                    "extra": {"name": "USDC", "version": "2"},
                }],
            })
        );
    }

    #[test]
    fn the_v2_header_stays_small_and_announces_the_flow() {
        let offer = Offer {
            upfront: true,
            ..offer()
        };
        let header = offer.v2_header("Payment required");
        assert!(header.len() < 3 * 1024);
        let read: v2::PaymentRequired = header::decode(header.as_bytes()).unwrap();
        assert_eq!(read, offer.v2("Payment required"));
        assert_eq!(read.accepts[0].extra["paymentFlow"], "upfront");
    }

    #[test]
    fn a_client_may_only_add_members_to_extra() {
        let offer = offer();
        assert_eq!(offer.match_payment(&paid_v1(&offer)), Ok(()));
        let Payment::V2(good) = paid_v2(&offer) else {
            unreachable!()
        };
        let with = |change: fn(&mut v2::PaymentRequirements)| {
            let mut payload = good.clone();
            change(&mut payload.accepted);
            offer
                .match_payment(&Payment::V2(payload))
                .map_err(|r| (r.code, r.message))
        };
        assert_eq!(
            with(|a| drop(a.extra.insert("clientSays".into(), "hi".into()))),
            Ok(())
        );
        assert_eq!(with(|a| a.asset = a.asset.to_lowercase()), Ok(()));
        type Change = fn(&mut v2::PaymentRequirements);
        let changes: [(&str, Change); 7] = [
            ("scheme", |a| a.scheme = "upto".into()),
            ("network", |a| a.network = "eip155:8453".into()),
            ("amount", |a| a.amount = "1".into()),
            ("asset", |a| a.asset = Address::ZERO.to_string()),
            ("payTo", |a| a.pay_to = Address::ZERO.to_string()),
            ("maxTimeoutSeconds", |a| a.max_timeout_seconds += 1),
            ("extra", |a| {
                drop(a.extra.insert("name".into(), "Tether".into()))
            }),
        ];
        for (member, change) in changes {
            let (code, message) = with(change).unwrap_err();
            assert_eq!(code, code::NO_MATCH);
            assert!(message.contains(member), "{message}");
        }
    }

    #[test]
    fn a_facilitator_request_is_unchanged_after_storage_as_text() {
        let offer = offer();
        for payment in [paid_v1(&offer), paid_v2(&offer)] {
            let request = offer.facilitator_request(&payment).unwrap();
            let text = serde_json::to_string(&request).unwrap();
            let read: FacilitatorRequest = serde_json::from_str(&text).unwrap();
            assert_eq!(read, request);
            assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
    }
}

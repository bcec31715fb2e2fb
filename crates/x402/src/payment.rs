//! A payment of either version, as it was received.

use alloy::primitives::Address;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    reason::{Reason, code},
    wire::{
        exact::{Authorization, ExactPayload},
        header, v1, v2,
    },
};

/// The two versions of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// The challenge is in the body, the payment in `X-PAYMENT`.
    V1,
    /// The challenge is in a header, the payment in `PAYMENT-SIGNATURE`.
    V2,
}

/// A payment that was parsed but not checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, try_from = "Value")]
pub enum Payment {
    /// Version 1.
    V1(Box<v1::PaymentPayload>),
    /// Version 2.
    V2(Box<v2::PaymentPayload>),
}

/// `x402Version` decides the version; the members that are present do not.
impl TryFrom<Value> for Payment {
    type Error = Reason;

    fn try_from(value: Value) -> Result<Self, Reason> {
        let version = value.get("x402Version").and_then(Value::as_u64);
        let read = match version {
            Some(1) => serde_json::from_value(value).map(Self::V1),
            Some(2) => serde_json::from_value(value).map(Self::V2),
            Some(other) => {
                let message = format!("x402Version {other} is not known; 1 and 2 are");
                return Err(Reason::new(code::INVALID_VERSION, message));
            }
            None => return Err(Reason::payload("x402Version is missing or no number")),
        };
        // serde's error may quote the value, which may be a signature.
        read.map_err(|_| Reason::payload("the payment lacks a member or has one of the wrong type"))
    }
}

impl Payment {
    /// Reads the payment from the values of the two headers. `PAYMENT-SIGNATURE` is preferred. The
    /// version is taken from the payload, because some clients send one payload under both names.
    ///
    /// # Errors
    /// `invalid_payload` or `invalid_x402_version`.
    pub fn from_headers(
        payment_signature: &[&[u8]],
        x_payment: &[&[u8]],
    ) -> Result<Option<Self>, Reason> {
        let values = if payment_signature.is_empty() {
            x_payment
        } else {
            payment_signature
        };
        match values {
            [] => Ok(None),
            [one] => Self::decode(one).map(Some),
            many => Err(Reason::payload(format!(
                "the payment header came {} times",
                many.len()
            ))),
        }
    }

    fn decode(encoded: &[u8]) -> Result<Self, Reason> {
        let value = header::decode::<Value>(encoded)?;
        known_authority_only(&value)?;
        value.try_into()
    }

    /// The name and the value of the header that carries this payment.
    #[must_use]
    pub fn to_header(&self) -> (&'static str, String) {
        match self {
            Self::V1(payload) => (header::X_PAYMENT, header::encode(payload)),
            Self::V2(payload) => (header::PAYMENT_SIGNATURE, header::encode(payload)),
        }
    }

    /// The protocol version.
    #[must_use]
    pub fn version(&self) -> Version {
        match self {
            Self::V1(_) => Version::V1,
            Self::V2(_) => Version::V2,
        }
    }

    /// The network in the client's spelling.
    #[must_use]
    pub fn network(&self) -> &str {
        match self {
            Self::V1(payload) => &payload.network,
            Self::V2(payload) => &payload.accepted.network,
        }
    }

    /// The signed authorization and its signature.
    #[must_use]
    pub fn exact(&self) -> &ExactPayload {
        match self {
            Self::V1(payload) => &payload.payload,
            Self::V2(payload) => &payload.payload,
        }
    }

    /// The signed message.
    #[must_use]
    pub fn authorization(&self) -> &Authorization {
        &self.exact().authorization
    }

    /// The payer that the payment names. It is not proven until the signature is checked.
    #[must_use]
    pub fn payer(&self) -> Address {
        self.authorization().from
    }

    /// The id of the extension `payment-identifier`, if the client sends one.
    ///
    /// # Errors
    /// The id is not 16 to 128 visible ASCII characters. It is refused and not ignored, because
    /// ignoring it would charge twice for one id.
    pub fn payment_identifier(&self) -> Result<Option<&str>, Reason> {
        let Self::V2(payload) = self else {
            return Ok(None);
        };
        let extension = payload
            .extensions
            .as_ref()
            .and_then(|extensions| extensions.get("payment-identifier"));
        let info = extension.map(|extension| extension.get("info").unwrap_or(extension));
        let Some(id) = info.and_then(|info| info.get("id")) else {
            return Ok(None);
        };
        id.as_str()
            .filter(|id| (16..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic()))
            .map(Some)
            .ok_or_else(|| {
                Reason::payload(
                    "the id of payment-identifier has to be 16 to 128 visible ASCII characters",
                )
            })
    }
}

/// Refuses members of `payload` other than the signature and the authorization. A facilitator could
/// settle one of them, for instance `permit2Authorization`, and that was not checked here.
fn known_authority_only(value: &Value) -> Result<(), Reason> {
    const PAYLOAD: [&str; 2] = ["signature", "authorization"];
    const AUTHORIZATION: [&str; 6] = ["from", "to", "value", "validAfter", "validBefore", "nonce"];
    let only = |object: Option<&Value>, known: &[&str]| {
        let members = object.and_then(Value::as_object);
        members.is_none_or(|members| members.keys().all(|name| known.contains(&&**name)))
    };
    let payload = value.get("payload");
    if only(payload, &PAYLOAD)
        && only(
            payload.and_then(|it| it.get("authorization")),
            &AUTHORIZATION,
        )
    {
        return Ok(());
    }
    let message =
        "payload may hold signature and authorization only, and authorization its six members";
    Err(Reason::payload(message))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{offer, paid_v1, paid_v2};

    #[test]
    fn both_versions_round_trip_without_losing_a_member() {
        for payment in [paid_v1(&offer()), paid_v2(&offer())] {
            let mut value = serde_json::to_value(&payment).unwrap();
            value["fromTheFuture"] = json!({"deep": [1, null]});
            value["payload"]["authorization"]["from"] = json!(payment.payer());
            value["accepted"]["extra"]["alsoNew"] = json!("kept");
            let header = header::encode(&value);
            let read = Payment::from_headers(&[], &[header.as_bytes()])
                .unwrap()
                .unwrap();
            assert_eq!(read.version(), payment.version());
            assert_eq!(serde_json::to_value(&read).unwrap(), value);
        }
    }

    #[test]
    fn the_version_is_read_from_the_payload_and_not_from_the_headers_name() {
        let (_, v1) = paid_v1(&offer()).to_header();
        let (_, v2) = paid_v2(&offer()).to_header();
        let read = |signature: &[&[u8]], payment: &[&[u8]]| {
            Payment::from_headers(signature, payment)
                .unwrap()
                .map(|p| p.version())
        };
        assert_eq!(read(&[v1.as_bytes()], &[]), Some(Version::V1));
        assert_eq!(read(&[], &[v2.as_bytes()]), Some(Version::V2));
        assert_eq!(read(&[v2.as_bytes()], &[v1.as_bytes()]), Some(Version::V2));
        assert_eq!(read(&[], &[]), None);
    }

    #[test]
    fn a_v1_payment_with_members_of_v2_stays_v1_when_it_is_read_again() {
        let mut value = serde_json::to_value(paid_v1(&offer())).unwrap();
        let v2 = serde_json::to_value(paid_v2(&offer())).unwrap();
        value["accepted"] = v2["accepted"].clone();
        let stored = serde_json::to_string(&Payment::try_from(value).unwrap()).unwrap();
        let read: Payment = serde_json::from_str(&stored).unwrap();
        assert_eq!(read.version(), Version::V1);
    }

    #[test]
    fn a_second_authorization_in_the_payload_is_refused() {
        for payment in [paid_v1(&offer()), paid_v2(&offer())] {
            for place in ["/payload", "/payload/authorization"] {
                let mut value = serde_json::to_value(&payment).unwrap();
                let object = value.pointer_mut(place).unwrap();
                object["permit2Authorization"] = json!({"from": payment.payer()});
                let header = header::encode(&value);
                let refused = Payment::from_headers(&[header.as_bytes()], &[]).unwrap_err();
                assert_eq!(refused.code, code::INVALID_PAYLOAD, "{place}");
            }
        }
    }

    #[test]
    fn an_invalid_identifier_is_refused_and_not_ignored() {
        let Payment::V2(good) = paid_v2(&offer()) else {
            unreachable!()
        };
        let with = |id: Value| {
            let mut payload = good.clone();
            let extension = json!({"info": {"id": id}});
            payload.extensions = Some(
                [("payment-identifier".to_owned(), extension)]
                    .into_iter()
                    .collect(),
            );
            let payment = Payment::V2(payload);
            payment.payment_identifier().map(|id| id.map(str::to_owned))
        };
        let id = "0123456789abcdef";
        assert_eq!(with(json!(id)), Ok(Some(id.into())));
        for bad in [
            json!("short"),
            json!(7),
            json!("0123456789 abcdef"),
            json!("x".repeat(129)),
        ] {
            assert!(with(bad).is_err());
        }
        assert_eq!(Payment::V2(good.clone()).payment_identifier(), Ok(None));
    }

    #[test]
    fn duplicate_headers_and_unknown_versions_are_refused() {
        let (_, good) = paid_v1(&offer()).to_header();
        let twice = Payment::from_headers(&[], &[good.as_bytes(), good.as_bytes()]).unwrap_err();
        assert_eq!(twice.code, code::INVALID_PAYLOAD);
        assert!(twice.message.contains("2 times"));
        let three = header::encode(&json!({"x402Version": 3}));
        let unknown = Payment::from_headers(&[three.as_bytes()], &[]).unwrap_err();
        assert_eq!(unknown.code, code::INVALID_VERSION);
    }
}

//! A 402 as the buyer reads it.

use crate::{
    reason::{Reason, code},
    wire::{header, v1, v2},
};

/// A server's challenge, in the version in which it will be paid.
#[derive(Clone, Debug, PartialEq)]
pub enum Challenge {
    /// Version 1, from the body.
    V1(v1::PaymentRequirementsResponse),
    /// Version 2, from the header `PAYMENT-REQUIRED`.
    V2(v2::PaymentRequired),
}

impl Challenge {
    /// Reads a 402: version 2 from its header, or else version 1 from its body. The caller limits
    /// the body's size.
    ///
    /// # Errors
    /// `invalid_payment_requirements` if neither can be read.
    pub fn from_response(payment_required: Option<&str>, body: &[u8]) -> Result<Self, Reason> {
        let header = payment_required.map(|h| header::decode::<v2::PaymentRequired>(h.as_bytes()));
        if let Some(Ok(required)) = header
            && required.x402_version == 2
        {
            return Ok(Self::V2(required));
        }
        match serde_json::from_slice::<v1::PaymentRequirementsResponse>(body) {
            Ok(required) if required.x402_version == 1 => Ok(Self::V1(required)),
            _ => Err(Reason::new(
                code::INVALID_REQUIREMENTS,
                "neither the header PAYMENT-REQUIRED nor the body says how to pay",
            )),
        }
    }

    /// Why the server asks for a payment, or for another one.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::V1(required) => Some(&required.error),
            Self::V2(required) => required.error.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::offer;

    #[test]
    fn the_header_is_preferred_and_the_body_is_read_without_a_valid_header() {
        let (header, body) = (
            offer().v2_header("two"),
            serde_json::to_vec(&offer().v1_body("one")).unwrap(),
        );
        let read = |header, body| {
            Challenge::from_response(header, body).map(|c| c.error().map(str::to_owned))
        };
        assert_eq!(read(Some(&header), &body), Ok(Some("two".into())));
        assert_eq!(read(Some(&header), b"{}"), Ok(Some("two".into())));
        assert_eq!(read(None, &body), Ok(Some("one".into())));
        assert_eq!(read(Some("%%%"), &body), Ok(Some("one".into())));
    }

    #[test]
    fn a_402_without_a_challenge_is_an_error() {
        for body in [&b""[..], b"<html>", b"{\"x402Version\":2,\"accepts\":[]}"] {
            let reason = Challenge::from_response(None, body).unwrap_err();
            assert_eq!(reason.code, "invalid_payment_requirements");
        }
    }
}

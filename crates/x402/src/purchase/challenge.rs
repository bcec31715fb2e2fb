//! A 402 as the buyer reads it.

use crate::{
    reason::{Reason, code},
    wire::{header, v1, v2},
};

/// What a server asks for, in the version in which it will be answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Challenge {
    /// From the body.
    V1(v1::PaymentRequirementsResponse),
    /// From the header `PAYMENT-REQUIRED`.
    V2(v2::PaymentRequired),
}

impl Challenge {
    /// Reads a 402: version 2 from its header, else version 1 from its body. Bound the body before
    /// calling.
    ///
    /// # Errors
    /// `invalid_payment_requirements` where neither can be read.
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

    /// Why the server wants a payment (again).
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
    fn the_header_comes_first_and_the_body_when_there_is_no_good_header() {
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
    fn a_402_that_says_nothing_is_named_so() {
        for body in [&b""[..], b"<html>", b"{\"x402Version\":2,\"accepts\":[]}"] {
            let reason = Challenge::from_response(None, body).unwrap_err();
            assert_eq!(reason.code, "invalid_payment_requirements");
        }
    }
}

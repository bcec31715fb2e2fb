//! Why a request failed.

use api_types::{ErrorBody, ErrorEnvelope};

use crate::text::service;

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RequestError {
    /// No response: the service or the network is down, or the browser blocked the response.
    #[error("{}", service::UNREACHABLE)]
    Unreachable,
    /// The customer stopped it.
    #[error("{}", service::STOPPED)]
    Aborted,
    /// A response that is not in the service's format.
    #[error("{}", service::unreadable(*status))]
    Unreadable {
        /// The HTTP status.
        status: u16,
    },
    /// The service refused, with a reason.
    #[error("{}", error.message)]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The reason.
        error: Box<ErrorBody>,
    },
}

impl RequestError {
    /// Reads a response with a status of 400 or above.
    pub fn from_response(status: u16, body: &str) -> Self {
        match serde_json::from_str::<ErrorEnvelope>(body) {
            Ok(envelope) => Self::Refused {
                status,
                error: Box::new(envelope.error),
            },
            Err(_) => Self::Unreadable { status },
        }
    }
}

#[cfg(test)]
mod tests {
    use api_types::ErrorCode;

    use super::*;

    #[test]
    fn a_refusal_has_the_message_of_the_service() {
        let envelope = ErrorEnvelope::new(ErrorCode::CapacityExhausted, "No room.", "r-1");
        let error = RequestError::from_response(503, &serde_json::to_string(&envelope).unwrap());
        assert_eq!(error.to_string(), "No room.");
    }

    #[test]
    fn a_response_of_a_proxy_is_reported_and_never_shown() {
        let error = RequestError::from_response(502, "<h1>Bad gateway at 10.0.0.7</h1>");
        assert_eq!(error, RequestError::Unreadable { status: 502 });
        assert!(!error.to_string().contains("10.0.0.7"));
    }
}

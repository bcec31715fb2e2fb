//! Why a call gave nothing.

use api_types::{ErrorBody, ErrorCode, ErrorEnvelope};

use crate::text::service;

/// Why a call gave nothing.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ApiError {
    /// No answer: the service is down, the network is, or the browser did not let the answer through.
    #[error("{}", service::UNREACHABLE)]
    Unreachable,
    /// The customer stopped it, or it took too long.
    #[error("{}", service::STOPPED)]
    Aborted,
    /// An answer that is none of the service's words.
    #[error("{}", service::unreadable(*status))]
    Unreadable {
        /// The HTTP status.
        status: u16,
    },
    /// The service refused, and says why.
    #[error("{}", error.message)]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Its reason.
        error: Box<ErrorBody>,
    },
}

impl ApiError {
    /// Reads the answer of a status of 400 or above.
    pub fn from_answer(status: u16, body: &str) -> Self {
        match serde_json::from_str::<ErrorEnvelope>(body) {
            Ok(envelope) => Self::Refused {
                status,
                error: Box::new(envelope.error),
            },
            Err(_) => Self::Unreadable { status },
        }
    }

    /// The service's code for it, where the service gave one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { error, .. } => Some(error.code),
            _ => None,
        }
    }

    /// Whether the same call may succeed later.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Unreachable | Self::Aborted => true,
            Self::Unreadable { status } => *status >= 500,
            Self::Refused { error, .. } => error.retryable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_keeps_the_services_words() {
        let envelope = ErrorEnvelope::new(ErrorCode::CapacityExhausted, "No room.", "r-1");
        let error = ApiError::from_answer(503, &serde_json::to_string(&envelope).unwrap());
        assert_eq!(error.to_string(), "No room.");
        assert_eq!(error.code(), Some(ErrorCode::CapacityExhausted));
        assert!(error.retryable());
    }

    #[test]
    fn an_answer_of_somebody_else_is_named_so_and_never_shown() {
        let error = ApiError::from_answer(502, "<h1>Bad gateway at 10.0.0.7</h1>");
        assert_eq!(error, ApiError::Unreadable { status: 502 });
        assert!(!error.to_string().contains("10.0.0.7"));
        assert!(error.retryable() && !ApiError::from_answer(404, "").retryable());
    }
}

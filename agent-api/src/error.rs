//! The error type of this service: the response to the customer, in the contract's words. Causes
//! are logged where the error occurs.

use std::time::Duration;

use api_types::{ErrorBody, ErrorCode, ErrorDetails, ErrorEnvelope, FieldError};
use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use service::request_id::RequestId;

use crate::{
    limits, payment::PaymentMisfit, pending::PendingError, policy::PolicyViolation,
    turn::TurnFailure,
};

/// A refusal or failure. The request's id is added when it is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiError {
    body: Box<ErrorBody>,
    /// Seconds after which a retry may succeed.
    retry_after: Option<u64>,
}

impl ApiError {
    /// An error with this code.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        ErrorEnvelope::new(code, message, "").error.into()
    }

    /// Fields that are not valid.
    pub fn invalid(fields: Vec<FieldError>) -> Self {
        ErrorEnvelope::invalid(fields, "").error.into()
    }

    /// One field that is not valid.
    pub fn field(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError::new(name, message)])
    }

    /// The same with advice.
    #[must_use]
    pub fn advise(mut self, action: impl Into<String>) -> Self {
        self.body.next_actions.push(action.into());
        self
    }

    /// The same with the seconds after which a retry may succeed.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.retry_after = Some(whole.max(1));
        self
    }

    /// The same with a turn's id, under which the logs of both services have the details.
    #[must_use]
    pub fn in_turn(mut self, id: &str) -> Self {
        let details = self.body.details.get_or_insert_with(ErrorDetails::default);
        details.values.insert("turnId".to_owned(), id.into());
        self
    }

    /// The error's code.
    pub fn code(&self) -> ErrorCode {
        self.body.code
    }

    /// The error's body as it is sent.
    pub fn body(&self, id: &RequestId) -> ErrorBody {
        ErrorBody {
            request_id: id.as_str().to_owned(),
            ..(*self.body).clone()
        }
    }

    /// The whole response.
    pub fn respond(&self, id: &RequestId) -> Response {
        let status =
            StatusCode::from_u16(self.body.code.status()).expect("codes have HTTP statuses");
        let envelope = ErrorEnvelope {
            error: self.body(id),
        };
        let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
        let mut response = (status, no_store, Json(envelope)).into_response();
        if let Some(seconds) = self.retry_after {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<ErrorBody> for ApiError {
    fn from(error: ErrorBody) -> Self {
        Self {
            body: Box::new(error),
            retry_after: None,
        }
    }
}

impl From<PendingError> for ApiError {
    fn from(error: PendingError) -> Self {
        Self::new(error.code(), error.to_string()).advise("ask for it again")
    }
}

impl From<PaymentMisfit> for ApiError {
    fn from(misfit: PaymentMisfit) -> Self {
        let code = match misfit {
            PaymentMisfit::Unreadable => ErrorCode::MalformedPayment,
            _ => ErrorCode::PaymentInvalid,
        };
        Self::new(code, format!("{misfit} Nothing was sent."))
            .advise("sign the payment that was asked for")
    }
}

impl From<limits::ChatLimitExceeded> for ApiError {
    fn from(refused: limits::ChatLimitExceeded) -> Self {
        // About the length of a turn.
        let soon = Duration::from_secs(5);
        let (code, message, wait) = match refused {
            limits::ChatLimitExceeded::TooMany(wait) => {
                let message =
                    "Too many requests from your address; wait a moment. Nothing was sent.";
                (ErrorCode::RateLimited, message, wait)
            }
            limits::ChatLimitExceeded::AtATime => {
                let message = "Your address has too many turns under way; wait for one to end. \
                               Nothing was sent.";
                (ErrorCode::RateLimited, message, soon)
            }
            limits::ChatLimitExceeded::Full => {
                let message = "The agent is busy; try again in a moment. Nothing was sent.";
                (ErrorCode::Unavailable, message, soon)
            }
        };
        Self::new(code, message).retry_after(wait)
    }
}

impl From<PolicyViolation> for ApiError {
    fn from(refused: PolicyViolation) -> Self {
        Self::new(ErrorCode::Forbidden, format!("{refused} Nothing was sent."))
    }
}

impl From<TurnFailure> for ApiError {
    fn from(failure: TurnFailure) -> Self {
        let code = match failure {
            TurnFailure::Silent | TurnFailure::Model(_) => ErrorCode::ModelError,
            TurnFailure::OutOfTime => ErrorCode::Timeout,
            TurnFailure::Unexpected(event) => {
                tracing::error!(
                    turn.event = event,
                    "a turn got an event that its state does not know"
                );
                ErrorCode::Internal
            }
        };
        Self::new(code, failure.to_string())
    }
}

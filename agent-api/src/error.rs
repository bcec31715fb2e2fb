//! The one error of this service: what the customer is told, in the contract's words. Causes are logged where they are seen.

use api_types::{ErrorBody, ErrorCode, ErrorDetails, ErrorEnvelope, FieldError};
use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use service::request_id::RequestId;

use crate::{payment::Misfit, pending::PendingError, policy::Refused, turn::Failure};

/// A refusal or failure; the request's id is added when it is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiError(Box<ErrorBody>);

impl ApiError {
    /// An error of this kind.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(Box::new(ErrorEnvelope::new(code, message, "").error))
    }

    /// Fields that are not acceptable.
    pub fn invalid(fields: Vec<FieldError>) -> Self {
        Self(Box::new(ErrorEnvelope::invalid(fields, "").error))
    }

    /// One field that is not acceptable.
    pub fn field(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError::new(name, message)])
    }

    /// The same with advice.
    #[must_use]
    pub fn advise(mut self, action: impl Into<String>) -> Self {
        self.0.next_actions.push(action.into());
        self
    }

    /// The same with a turn's id, under which the logs of both services have the rest.
    #[must_use]
    pub fn in_turn(mut self, id: &str) -> Self {
        let details = self.0.details.get_or_insert_with(ErrorDetails::default);
        details.values.insert("turnId".to_owned(), id.into());
        self
    }

    /// Its kind.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// The error as it is sent.
    pub fn body(&self, id: &RequestId) -> ErrorBody {
        ErrorBody {
            request_id: id.as_str().to_owned(),
            ..(*self.0).clone()
        }
    }

    /// The whole answer.
    pub fn respond(&self, id: &RequestId) -> Response {
        let status = StatusCode::from_u16(self.0.code.status()).expect("codes have HTTP statuses");
        let envelope = ErrorEnvelope {
            error: self.body(id),
        };
        let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
        (status, no_store, Json(envelope)).into_response()
    }
}

impl From<ErrorBody> for ApiError {
    fn from(error: ErrorBody) -> Self {
        Self(Box::new(error))
    }
}

impl From<PendingError> for ApiError {
    fn from(error: PendingError) -> Self {
        Self::new(error.code(), error.to_string()).advise("ask for it again")
    }
}

impl From<Misfit> for ApiError {
    fn from(misfit: Misfit) -> Self {
        let code = match misfit {
            Misfit::Unreadable => ErrorCode::MalformedPayment,
            _ => ErrorCode::PaymentInvalid,
        };
        Self::new(code, format!("{misfit} Nothing was sent."))
            .advise("sign the payment that was asked for")
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        Self::new(ErrorCode::Forbidden, format!("{refused} Nothing was sent."))
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        let code = match failure {
            Failure::Silent | Failure::Model(_) => ErrorCode::ModelError,
            Failure::OutOfTime => ErrorCode::Timeout,
            Failure::Unexpected(event) => {
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

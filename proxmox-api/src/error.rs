//! The error of all routes: what the customer is told, in the words of the API. The cause is logged
//! once, where the error is made, and is no part of it. `routes` and `paywall` send it.

use api_types::{ErrorBody, ErrorCode, ErrorDetails, ErrorEnvelope, FieldError};
use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use pve::{ExecError, TerminalError};
use serde_json::Value;
use service::request_id::RequestId;

/// A refusal or failure, ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiError {
    /// The kind.
    pub code: ErrorCode,
    /// One sentence for people.
    pub message: String,
    /// Every refused field.
    pub fields: Vec<FieldError>,
    /// Further values, such as `statusUrl`.
    pub values: Vec<(&'static str, Value)>,
    /// Advice to the caller.
    pub next_actions: Vec<String>,
    /// Seconds after which the same request may succeed.
    pub retry_after: Option<u64>,
}

impl ApiError {
    /// An error of this kind.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            fields: Vec::new(),
            values: Vec::new(),
            next_actions: Vec::new(),
            retry_after: None,
        }
    }

    /// Fields that are not acceptable.
    pub fn invalid(fields: Vec<FieldError>) -> Self {
        Self {
            fields,
            ..Self::new(ErrorCode::InvalidRequest, "Some fields are not acceptable.")
        }
    }

    /// The same about a field.
    #[must_use]
    pub fn with_field(mut self, field: FieldError) -> Self {
        self.fields.push(field);
        self
    }

    /// The same, worth another try after some seconds.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        Self {
            retry_after: Some(seconds),
            ..self
        }
    }

    /// The same with a further value in its details.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.values.push((name, value.into()));
        self
    }

    /// The same with advice.
    #[must_use]
    pub fn advise(mut self, action: impl Into<String>) -> Self {
        self.next_actions.push(action.into());
        self
    }

    /// The body that goes with it.
    pub fn envelope(&self, request_id: &str) -> ErrorEnvelope {
        let values = self
            .values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        let details = ErrorDetails {
            fields: self.fields.clone(),
            values,
        };
        let empty = details == ErrorDetails::default();
        ErrorEnvelope {
            error: ErrorBody {
                code: self.code,
                message: self.message.clone(),
                retryable: self.code.retryable() || self.retry_after.is_some(),
                next_actions: self.next_actions.clone(),
                details: (!empty).then_some(details),
                request_id: request_id.to_owned(),
            },
        }
    }

    /// The whole answer.
    pub fn respond(&self, id: &RequestId) -> Response {
        let status = StatusCode::from_u16(self.code.status())
            .expect("every code has an HTTP status, by its own table");
        let mut response = (status, Json(self.envelope(id.as_str()))).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.code == ErrorCode::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// What Proxmox's failure means for the customer; its words go to the log.
impl From<pve::Error> for ApiError {
    fn from(error: pve::Error) -> Self {
        let cause = error.safe_text();
        metrics::counter!("proxmox_errors_total", "call" => error.call().method.to_string())
            .increment(1);
        // An answer that is late, cut off or another's may be a good one next time.
        let unusable = matches!(error, pve::Error::Ambiguous { .. });
        if error.is_transient() && !unusable {
            tracing::warn!(error = cause, "Proxmox did not answer");
            let message = "The container's host cannot be reached just now.";
            return Self::new(ErrorCode::HypervisorUnavailable, message).retry_after(10);
        }
        tracing::error!(
            error = cause,
            "Proxmox refused or sent an unusable response"
        );
        let error = Self::new(
            ErrorCode::HypervisorError,
            "The container's host answered something that cannot be used.",
        );
        if unusable {
            error.retry_after(10)
        } else {
            error
        }
    }
}

/// Why there is no terminal, for the customer.
impl From<TerminalError> for ApiError {
    fn from(error: TerminalError) -> Self {
        match error {
            TerminalError::Api(error) => error.into(),
            TerminalError::InUse(in_use) => {
                let message = format!("The container's terminal is in use by {}.", in_use.by);
                Self::new(ErrorCode::ConsoleInUse, message)
                    .retry_after(in_use.retry_after.as_secs())
            }
            TerminalError::NotRunning => {
                let message = "The container does not run.";
                Self::new(ErrorCode::LeaseConflict, message)
                    .advise("start it: POST /lease/{ctid}/start, free with a session")
                    .advise("or renew the lease, which starts it as well")
            }
            TerminalError::AuthUnsupported { .. } => {
                tracing::error!(error = %error, "no account of the service may open terminals");
                let message = "The container's host lets this service open no terminals; its operator \
                    has to change that.";
                Self::new(ErrorCode::ConsoleAuthUnsupported, message)
            }
            TerminalError::NoUpgrade { .. } => {
                tracing::error!(error = %error, "the WebSocket of a terminal was not upgraded; `proxmox-api doctor` shows the settings of the proxy");
                let message = "The container's terminal cannot be reached; the operator has to change a setting.";
                Self::new(ErrorCode::HypervisorUnavailable, message).retry_after(60)
            }
            TerminalError::Protocol(_) | TerminalError::Lost(_) | TerminalError::Timeout(_) => {
                tracing::warn!(error = %error, "the terminal of a container cannot be opened");
                let message = "The container's terminal cannot be reached just now.";
                Self::new(ErrorCode::HypervisorUnavailable, message).retry_after(5)
            }
        }
    }
}

/// Why a command has no outcome, for the customer.
impl From<ExecError> for ApiError {
    fn from(error: ExecError) -> Self {
        match error {
            ExecError::Terminal(error) => error.into(),
            ExecError::Busy => {
                let message = "A program that was left running has the container's terminal.";
                Self::new(ErrorCode::ConsoleInUse, message)
                    .retry_after(30)
                    .advise("end it in a console, or send the command with \"force\": true, which ends it")
            }
            ExecError::Flooded => {
                let message =
                    "The container floods its terminal, so that no command can run in it.";
                Self::new(ErrorCode::ConsoleInUse, message)
                    .retry_after(30)
                    .advise("end in a console what writes there, or stop and start the container")
            }
            ExecError::NotShell => {
                tracing::error!(
                    "the console of a container asks for a login: its `cmode` is not `shell`"
                );
                let message = "The container's terminal asks for a login, so that no command can be run in it.";
                Self::new(ErrorCode::HypervisorError, message)
            }
            ExecError::Setup => {
                let message = "The container cannot take the command: its disk is full or cannot be \
                    written, or base64 or sha256sum is missing.";
                Self::new(ErrorCode::LeaseConflict, message)
                    .advise("make room on its disk, from a console")
            }
            ExecError::TooLarge(_) => {
                Self::invalid(vec![FieldError::new("command", "is too long")])
            }
            ExecError::Lost(cause) => {
                tracing::warn!(error = cause, "the outcome of a command is unknown");
                let message = "The connection to the container was lost while the command may have been running, \
                    and what became of it cannot be found out.";
                Self::new(ErrorCode::HypervisorError, message).with("mayHaveRun", true)
            }
        }
    }
}

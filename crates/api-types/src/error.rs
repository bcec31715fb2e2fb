//! What a refusal looks like, on every service: one envelope, a closed set of codes, and for bad
//! input every field problem at once. Causes from other systems stay in the log; only these words
//! leave the service.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The body of every answer with a status of 400 or above.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorEnvelope {
    /// The error itself.
    pub error: ErrorBody,
}

/// What went wrong, and what can be done about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// The kind of error, for programs.
    pub code: ErrorCode,
    /// One sentence for people.
    pub message: String,
    /// Whether the same request may succeed later, unchanged.
    pub retryable: bool,
    /// What the caller can do now, in order of preference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next_actions: Vec<String>,
    /// Particulars, such as the fields that were refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<ErrorDetails>,
    /// The id under which the log has the rest.
    pub request_id: String,
}

/// Particulars of an error.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ErrorDetails {
    /// Every field that was refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldError>,
    /// Further values that belong to the code, such as `transaction` or `statusUrl`.
    #[serde(flatten)]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "BTreeMap<String, crate::any_json::AnyJson>")
    )]
    pub values: BTreeMap<String, Value>,
}

/// One refused field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FieldError {
    /// The field's name on the wire: `memoryMB`.
    pub field: String,
    /// What it has to be.
    pub message: String,
}

impl FieldError {
    /// A refused field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

impl ErrorEnvelope {
    /// An error with its code's own retry advice and no particulars.
    pub fn new(code: ErrorCode, message: impl Into<String>, request_id: impl Into<String>) -> Self {
        Self {
            error: ErrorBody {
                code,
                message: message.into(),
                retryable: code.retryable(),
                next_actions: Vec::new(),
                details: None,
                request_id: request_id.into(),
            },
        }
    }

    /// The answer to a body whose fields were refused.
    pub fn invalid(fields: Vec<FieldError>, request_id: impl Into<String>) -> Self {
        let mut envelope = Self::new(
            ErrorCode::InvalidRequest,
            "Some fields are not acceptable.",
            request_id,
        );
        envelope.error.details = Some(ErrorDetails {
            fields,
            ..ErrorDetails::default()
        });
        envelope
    }
}

macro_rules! error_codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $status:literal, $retry:literal;)+) => {
        /// Every kind of error. The set is closed: it is part of the contract.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum ErrorCode {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $variant,)+
        }

        impl ErrorCode {
            /// All codes, in the order of their statuses.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name on the wire, in snake case.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The HTTP status that goes with it.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status),+ }
            }

            /// Whether the same request may usually succeed later.
            pub const fn retryable(self) -> bool {
                match self { $(Self::$variant => $retry),+ }
            }
        }
    };
}

error_codes! {
    /// Fields of the request are out of range, unknown or of the wrong type.
    InvalidRequest = "invalid_request", 400, false;
    /// The body is not JSON of the expected shape.
    MalformedBody = "malformed_body", 400, false;
    /// The payment header cannot be decoded.
    MalformedPayment = "malformed_payment", 400, false;
    /// The suspended call is unknown, altered or too old.
    InvalidPending = "invalid_pending", 400, false;
    /// A wallet session is needed, or it has ended.
    Unauthorized = "unauthorized", 401, false;
    /// The API key was revoked, or is switched off.
    KeyRevoked = "key_revoked", 401, false;
    /// The API key has expired.
    KeyExpired = "key_expired", 401, false;
    /// The route has a price.
    PaymentRequired = "payment_required", 402, false;
    /// The payment does not fit the price, payee, network or time window.
    PaymentInvalid = "payment_invalid", 402, false;
    /// The facilitator refused the payment; nothing was charged.
    PaymentRefused = "payment_refused", 402, false;
    /// The lease belongs to another wallet.
    Forbidden = "forbidden", 403, false;
    /// The API key may not do this.
    KeyScope = "key_scope", 403, false;
    /// The API key may not spend so much: in all, today or in one call.
    KeyLimitExceeded = "key_limit_exceeded", 403, false;
    /// There is nothing at this address.
    NotFound = "not_found", 404, false;
    /// There is no such lease.
    LeaseNotFound = "lease_not_found", 404, false;
    /// The container has no such file.
    FileNotFound = "file_not_found", 404, false;
    /// The container has no such background command.
    CommandNotFound = "command_not_found", 404, false;
    /// The route does not know this method.
    MethodNotAllowed = "method_not_allowed", 405, false;
    /// The client took too long to send its request.
    RequestTimeout = "request_timeout", 408, true;
    /// The lease is in a state that does not allow this.
    LeaseConflict = "lease_conflict", 409, false;
    /// The wallet has as many leases as it may have.
    LeaseLimitReached = "lease_limit_reached", 409, false;
    /// The signed payment was already used.
    PaymentReplayed = "payment_replayed", 409, false;
    /// The payment moved money, and what it paid for cannot be delivered: it is owed to the payer. Do not pay again.
    PaymentOwed = "payment_owed", 409, false;
    /// The same payment is being worked on at this moment.
    PaymentInProgress = "payment_in_progress", 409, true;
    /// The container's terminal is in use: by a command, by an open console, or by a program that was left running in it.
    ConsoleInUse = "console_in_use", 409, true;
    /// The file at the path, or the one above it, is not of a kind that allows this.
    FileConflict = "file_conflict", 409, false;
    /// This needs SSH into the container, which it does not offer; the lease's `access` says why.
    SshUnavailable = "ssh_unavailable", 409, false;
    /// The lease is over and its container is gone.
    LeaseEnded = "lease_ended", 410, false;
    /// The body is larger than is read.
    BodyTooLarge = "body_too_large", 413, false;
    /// The body is not announced as JSON.
    UnsupportedMediaType = "unsupported_media_type", 415, false;
    /// Too many requests from this caller.
    RateLimited = "rate_limited", 429, true;
    /// The headers are larger than is read.
    HeadersTooLarge = "headers_too_large", 431, false;
    /// A fault of this service.
    Internal = "internal", 500, false;
    /// The container could not be made; nothing was charged.
    ProvisioningFailed = "provisioning_failed", 502, true;
    /// Proxmox answered with something unusable.
    HypervisorError = "hypervisor_error", 502, true;
    /// Proxmox lets the service's account open no terminals; the operator has to give it one that may.
    ConsoleAuthUnsupported = "console_auth_unsupported", 502, false;
    /// The language model answered with something unusable.
    ModelError = "model_error", 502, true;
    /// Proxmox does not answer.
    HypervisorUnavailable = "hypervisor_unavailable", 503, true;
    /// The payment facilitator does not answer; nothing was charged.
    FacilitatorUnavailable = "facilitator_unavailable", 503, true;
    /// It is not yet known whether the payment moved money; the service keeps finding out.
    PaymentUnresolved = "payment_unresolved", 503, true;
    /// No node has room for this size.
    CapacityExhausted = "capacity_exhausted", 503, true;
    /// The service is starting, stopping or lacks a setting.
    Unavailable = "unavailable", 503, true;
    /// The work took longer than is waited for.
    Timeout = "timeout", 504, true;
    /// The container's disk is full.
    DiskFull = "disk_full", 507, false;
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_snake_case_and_has_an_error_status() {
        for code in ErrorCode::ALL {
            let name = code.as_str();
            assert_eq!(serde_json::to_value(code).unwrap(), name);
            assert!(
                name.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                "{name}"
            );
            assert!((400..600).contains(&code.status()), "{name}");
        }
        let unique: std::collections::HashSet<_> =
            ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(unique.len(), ErrorCode::ALL.len());
    }

    #[test]
    fn an_envelope_has_the_documented_shape() {
        let plain = ErrorEnvelope::new(ErrorCode::CapacityExhausted, "No room.", "r-1");
        assert_eq!(
            serde_json::to_value(plain).unwrap(),
            serde_json::json!({"error": {
                "code": "capacity_exhausted", "message": "No room.", "retryable": true, "requestId": "r-1",
            }})
        );

        let mut full = ErrorEnvelope::invalid(vec![FieldError::new("cores", "1 to 8")], "r-2");
        full.error.next_actions.push("POST /lease/quote".to_owned());
        let details = full.error.details.get_or_insert_default();
        details
            .values
            .insert("statusUrl".to_owned(), "/leases/1".into());
        let json = serde_json::to_value(&full).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"error": {
                "code": "invalid_request", "message": "Some fields are not acceptable.", "retryable": false,
                "nextActions": ["POST /lease/quote"],
                "details": {"fields": [{"field": "cores", "message": "1 to 8"}], "statusUrl": "/leases/1"},
                "requestId": "r-2",
            }})
        );
        assert_eq!(serde_json::from_value::<ErrorEnvelope>(json).unwrap(), full);
    }
}

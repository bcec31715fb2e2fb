//! What several routes of this service share: the session, and a container's number in the path.

use api_types::ErrorCode;
use serde_json::{Value, json};
use service::openapi::Endpoint;

/// A container's number in a path.
pub(super) const CTID: &str = "The container's number.";
/// Error codes of routes with a container in the path.
pub(super) const ABOUT_LEASE: &[ErrorCode] = &[
    ErrorCode::Forbidden,
    ErrorCode::LeaseNotFound,
    ErrorCode::LeaseConflict,
    ErrorCode::LeaseEnded,
];

/// The schema of a container's number.
pub(super) fn ctid() -> Value {
    json!({"type": "integer", "minimum": 100, "maximum": 999_999_999})
}

/// How a route uses a wallet's session.
pub(super) trait WalletSession {
    /// A request without a session is refused.
    fn with_session(self) -> Self;

    /// The route gives more with a session.
    fn better_with_session(self) -> Self;
}

impl WalletSession for Endpoint {
    fn with_session(self) -> Self {
        self.member("security", json!([{"walletSession": []}]))
            .refuses(&[ErrorCode::Unauthorized, ErrorCode::Unavailable])
    }

    fn better_with_session(self) -> Self {
        self.member("security", json!([{}, {"walletSession": []}]))
    }
}

/// A route that takes an API key of the wallet as well.
pub(super) fn with_key(endpoint: Endpoint) -> Endpoint {
    endpoint.member("x-takes-api-key", json!(true))
}

/// The schemes that the routes refer to, for the components.
pub(super) fn security_schemes() -> Value {
    json!({
        "walletSession": {
            "type": "http",
            "scheme": "bearer",
            "description": "The token of `POST /session`.",
        },
    })
}

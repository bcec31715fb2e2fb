//! Responses of API methods: an error has the status, the text for the status line and the field
//! errors; a success has the data and, for some lists, the total.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// An error, as the status line and the JSON body show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ErrorResponse {
    pub(crate) status: u16,
    /// Without the trailing newline.
    pub(crate) message: String,
    pub(crate) errors: BTreeMap<String, String>,
    /// Whether the body stays empty, as it does where pveproxy itself refuses.
    pub(crate) bare: bool,
}

impl ErrorResponse {
    fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            errors: BTreeMap::new(),
            bare: false,
        }
    }

    /// The handler died: 500.
    pub(crate) fn died(message: impl Into<String>) -> Self {
        Self::new(500, message)
    }

    /// Several parameters are wrong: 400.
    pub(crate) fn parameters(errors: BTreeMap<String, String>) -> Self {
        Self {
            errors,
            ..Self::new(400, "Parameter verification failed.")
        }
    }

    /// One parameter is wrong: 400.
    pub(crate) fn parameter(name: &str, text: impl Into<String>) -> Self {
        Self::parameters(BTreeMap::from([(name.to_owned(), text.into())]))
    }

    /// 403; `what` is usually `path, privilege`.
    pub(crate) fn forbidden(what: &str) -> Self {
        Self::new(403, format!("Permission check failed ({what})"))
    }

    /// 403 for a path that is closed to tokens; the parenthesis stays open, as it does on the real
    /// node.
    pub(crate) fn forbidden_with(what: &str) -> Self {
        Self::new(403, format!("Permission check failed ({what}"))
    }

    /// 403 without saying what is missing.
    pub(crate) fn forbidden_plainly() -> Self {
        Self::new(403, "Permission check failed")
    }

    /// 401 from the authentication of a request: no body.
    pub(crate) fn unauthorized(message: &str) -> Self {
        Self::bare(401, message)
    }

    /// 401 from the login itself: with a body.
    pub(crate) fn login_failed() -> Self {
        Self::new(401, "authentication failure")
    }

    /// 401 for a terminal ticket that is wrong, old or another account's.
    pub(crate) fn bad_terminal_ticket() -> Self {
        Self::new(401, "permission denied - invalid PVEVNC ticket")
    }

    /// 501 with Proxmox's text for an unknown path or method.
    pub(crate) fn not_implemented(method: &str, path: &str) -> Self {
        Self::new(501, format!("Method '{method} {path}' not implemented"))
    }

    /// An error without a body.
    pub(crate) fn bare(status: u16, message: impl Into<String>) -> Self {
        Self {
            bare: true,
            ..Self::new(status, message)
        }
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        if self.bare {
            return Vec::new();
        }
        let mut body = json!({"data": null, "message": format!("{}\n", self.message)});
        if !self.errors.is_empty() {
            body["errors"] = json!(self.errors);
        }
        body.to_string().into_bytes()
    }
}

/// A handler's data.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DataResponse {
    pub(crate) data: Value,
    pub(crate) total: Option<usize>,
}

impl DataResponse {
    pub(crate) fn body(&self) -> Vec<u8> {
        let mut body = json!({"data": self.data});
        if let Some(total) = self.total {
            body["total"] = json!(total);
        }
        body.to_string().into_bytes()
    }
}

impl From<Value> for DataResponse {
    fn from(data: Value) -> Self {
        Self { data, total: None }
    }
}

/// The result of a handler.
pub(crate) type HandlerResult = Result<DataResponse, ErrorResponse>;

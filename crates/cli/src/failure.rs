//! Why a command did not succeed: a code for programs, a sentence for people, what to do next, and
//! the exit status.

use api_types::{ErrorCode, FieldError};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::printed::printable;

/// The exit statuses; [`crate::arguments::EXIT_STATUSES`] describes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// Something failed.
    Failed,
    /// The program was used wrongly.
    Usage,
    /// There is no such container, file or command.
    NotFound,
    /// The payment was refused, declined or too expensive; nothing was charged.
    NotPaid,
    /// The wallet has too little; nothing was charged.
    NotEnoughMoney,
    /// Nothing answers.
    Unreachable,
    /// A payment was sent and its answer is missing.
    Unanswered,
}

impl ExitStatus {
    /// The number.
    pub fn number(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::NotPaid => 4,
            Self::NotEnoughMoney => 5,
            Self::Unreachable => 6,
            Self::Unanswered => 7,
        }
    }
}

/// A failure.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The exit status.
    pub status: ExitStatus,
    /// The kind of failure: the service's code, or one of this program.
    pub code: String,
    /// One sentence for people.
    pub message: String,
    /// What can be done now.
    pub next_actions: Vec<String>,
    /// Particulars, as the service gave them.
    pub details: Option<Box<Value>>,
    /// The id under which the service's log has the rest.
    pub request_id: Option<String>,
}

/// The envelope of a refusal. The code is a text, because a later service may have codes that are
/// not known here.
#[derive(Debug, Deserialize)]
struct Envelope {
    error: EnvelopeBody,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EnvelopeBody {
    code: String,
    message: String,
    #[serde(default)]
    next_actions: Vec<String>,
    #[serde(default)]
    details: Option<Box<Value>>,
    #[serde(default)]
    request_id: Option<String>,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(status: ExitStatus, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.into(),
            next_actions: Vec::new(),
            details: None,
            request_id: None,
        }
    }

    /// The program was used wrongly.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitStatus::Usage, "usage", message)
    }

    /// Something on this host failed.
    pub fn local(message: impl Into<String>) -> Self {
        Self::new(ExitStatus::Failed, "failed", message)
    }

    /// An operation on a local file failed.
    pub fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        let status = match error.kind() {
            std::io::ErrorKind::NotFound => ExitStatus::NotFound,
            _ => ExitStatus::Failed,
        };
        Self::new(status, "local_file", format!("{}: {error}", path.display()))
    }

    /// The service's answer was not understood.
    pub fn not_understood(what: &str) -> Self {
        let message = format!("the answer of the service is not understood: {what}");
        Self::new(ExitStatus::Failed, "not_understood", message)
            .advise("update this program, if the service is of a later release")
    }

    /// The same with something that can be done.
    #[must_use]
    pub fn advise(mut self, action: impl Into<String>) -> Self {
        self.next_actions.push(action.into());
        self
    }

    /// The failure that a response of status 400 and above tells of.
    pub fn from_response(status: u16, body: &[u8]) -> Self {
        let Ok(Envelope { error }) = serde_json::from_slice::<Envelope>(body) else {
            // Not the service's own words: a proxy's, or another server's.
            let message = format!("the answer is {status}, and not one of the lease API");
            let exit = match status {
                502..=504 => ExitStatus::Unreachable,
                404 => ExitStatus::NotFound,
                _ => ExitStatus::Failed,
            };
            return Self::new(exit, "http", message)
                .advise("check the address: --api, or INFRA402_API");
        };
        let code: Option<ErrorCode> = serde_json::from_value(json!(error.code)).ok();
        Self {
            status: code.map_or(ExitStatus::Failed, exit_status),
            code: error.code,
            message: error.message,
            next_actions: error.next_actions,
            details: error.details,
            request_id: error.request_id,
        }
    }

    /// No response came.
    pub fn unreachable(api: &str, error: &reqwest::Error) -> Self {
        let message = format!("nothing answers at {api}: {}", causes(error));
        Self::new(ExitStatus::Unreachable, "unreachable", message)
            .advise("check the address: --api, or INFRA402_API")
    }

    /// The text for people, several lines.
    pub fn text(&self) -> String {
        let mut lines = vec![format!("error: {}", self.message)];
        let details = self.details.as_ref();
        let fields = details.and_then(|details| Vec::deserialize(&details["fields"]).ok());
        let fields: Vec<FieldError> = fields.unwrap_or_default();
        let fields = fields.iter();
        lines.extend(fields.map(|field| format!("  {}: {}", field.field, field.message)));
        lines.extend(
            self.next_actions
                .iter()
                .map(|next| format!("  next: {next}")),
        );
        lines.extend(
            self.request_id
                .iter()
                .map(|id| format!("  request id: {id}")),
        );
        let lines: Vec<_> = lines.iter().map(|line| printable(line)).collect();
        lines.join("\n")
    }

    /// The JSON document for programs.
    pub fn json(&self) -> Value {
        let mut error = json!({
            "code": self.code, "message": self.message, "exitStatus": self.status.number(),
        });
        if !self.next_actions.is_empty() {
            error["nextActions"] = json!(self.next_actions);
        }
        if let Some(details) = &self.details {
            error["details"] = (**details).clone();
        }
        if let Some(id) = &self.request_id {
            error["requestId"] = json!(id);
        }
        json!({ "error": error })
    }
}

fn exit_status(code: ErrorCode) -> ExitStatus {
    match code {
        ErrorCode::NotFound
        | ErrorCode::LeaseNotFound
        | ErrorCode::FileNotFound
        | ErrorCode::CommandNotFound
        | ErrorCode::LeaseEnded => ExitStatus::NotFound,
        ErrorCode::PaymentRequired
        | ErrorCode::PaymentInvalid
        | ErrorCode::PaymentRefused
        | ErrorCode::MalformedPayment => ExitStatus::NotPaid,
        ErrorCode::PaymentInProgress | ErrorCode::PaymentUnresolved => ExitStatus::Unanswered,
        _ => ExitStatus::Failed,
    }
}

/// The innermost cause, which says what happened: connection refused, name not found.
fn causes(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_service_keeps_its_words_and_gets_an_exit_status() {
        let body = json!({"error": {
            "code": "invalid_request", "message": "Some fields are not acceptable.", "retryable": false,
            "details": {"fields": [{"field": "cores", "message": "has to be from 1 to 8"}]}, "requestId": "r1",
        }});
        let failure = Failure::from_response(400, body.to_string().as_bytes());
        assert_eq!(failure.status, ExitStatus::Failed);
        let text = "error: Some fields are not acceptable.\n  cores: has to be from 1 to 8\n  request id: r1";
        assert_eq!(failure.text(), text);
        assert_eq!(failure.json()["error"]["details"], body["error"]["details"]);

        let later = json!({"error": {"code": "of_a_later_release", "message": "No."}});
        let failure = Failure::from_response(418, later.to_string().as_bytes());
        assert_eq!(
            (failure.status.number(), failure.message.as_str()),
            (1, "No.")
        );
        let gateway = Failure::from_response(502, b"<html>");
        assert_eq!(gateway.status, ExitStatus::Unreachable);
    }

    #[test]
    fn what_the_service_says_cannot_act_on_the_terminal() {
        let body =
            json!({"error": {"code": "internal", "message": "\u{1b}]0;x\u{7}\nerror: fake"}});
        let text = Failure::from_response(500, body.to_string().as_bytes()).text();
        assert_eq!(text, "error: \\u{1b}]0;x\\u{7}\\nerror: fake");
    }
}

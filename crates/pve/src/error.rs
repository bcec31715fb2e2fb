//! What can go wrong with a call, told apart by the one thing that decides what a caller may do next: whether the
//! request can have been executed. Repeating a create that was executed makes a second container.

use std::collections::BTreeMap;
use std::fmt;

use http::Method;

use crate::certificate::Distrust;
use crate::refusal::Refusal;

/// The call an error belongs to: its method and path, without the query, which can hold tickets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The HTTP method.
    pub method: Method,
    /// The path below `/api2/json`.
    pub path: String,
}

impl Call {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            method,
            path: path.into(),
        })
    }

    fn is_read(&self) -> bool {
        self.method == Method::GET
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// Why a call gave no result.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Guaranteed never executed: the connection was refused, the name unknown, TLS failed, or Proxmox says that it
    /// could not reach the node (status 595).
    #[error("{call}: not sent: {cause}")]
    Unsent {
        /// What was attempted.
        call: Box<Call>,
        /// Why it could not be sent.
        cause: String,
    },
    /// May have been executed: the answer is late, cut off, or not Proxmox's.
    #[error("{call}: no usable answer: {cause}")]
    Ambiguous {
        /// What was attempted.
        call: Box<Call>,
        /// The status, when one came.
        status: Option<u16>,
        /// What came instead of an answer.
        cause: String,
    },
    /// Proxmox said no.
    #[error("{call}: refused with {status}: {message}")]
    Refused {
        /// What was attempted.
        call: Box<Call>,
        /// The HTTP status.
        status: u16,
        /// What the refusal means.
        kind: Refusal,
        /// Proxmox's words.
        message: String,
        /// Validation errors by parameter.
        fields: BTreeMap<String, String>,
    },
    /// Executed, but the result has a shape this client does not understand.
    #[error("{call}: unexpected result: {cause}")]
    Decode {
        /// What was attempted.
        call: Box<Call>,
        /// What does not fit.
        cause: String,
    },
}

impl Error {
    /// The call that failed.
    pub fn call(&self) -> &Call {
        match self {
            Self::Unsent { call, .. }
            | Self::Ambiguous { call, .. }
            | Self::Refused { call, .. }
            | Self::Decode { call, .. } => call,
        }
    }

    /// The kind of a refusal.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused { kind, .. } => Some(kind),
            _ => None,
        }
    }

    /// True if the call may have changed something. Reads never do. A refusal counts when its text does not prove that
    /// nothing was done, and a lock timeout does because an earlier copy of the same request may hold that lock.
    pub fn may_have_executed(&self) -> bool {
        if self.call().is_read() {
            return false;
        }
        match self {
            Self::Unsent { .. } => false,
            Self::Ambiguous { .. } | Self::Decode { .. } => true,
            Self::Refused { status, kind, .. } => match kind {
                Refusal::LockTimeout => true,
                Refusal::Other => *status >= 500,
                _ => false,
            },
        }
    }

    /// Why the host is not trusted, if that is why the call was not sent.
    pub fn distrust(&self) -> Option<Distrust> {
        match self {
            Self::Unsent { cause, .. } => Distrust::read(cause),
            _ => None,
        }
    }

    /// True if the guest or task does not exist. A token whose rights come from a pool gets
    /// [`Refusal::Forbidden`] for a destroyed guest instead; confirm that by a list.
    pub fn is_missing(&self) -> bool {
        self.refusal() == Some(&Refusal::Missing)
    }

    /// True if the cause may pass by itself, so that a later attempt is reasonable. Check
    /// [`Error::may_have_executed`] before repeating anything but a read.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unsent { .. } | Self::Ambiguous { .. } => true,
            Self::Refused { kind, .. } => {
                matches!(
                    kind,
                    Refusal::LockTimeout | Refusal::Locked(_) | Refusal::NoQuorum
                )
            }
            Self::Decode { .. } => false,
        }
    }

    /// The error in one bounded line for operators. Credentials were removed when the error was made.
    pub fn safe_text(&self) -> String {
        let mut text = self.to_string();
        if let Self::Refused { fields, .. } = self {
            for (name, problem) in fields {
                text.push_str("; ");
                text.push_str(name);
                text.push_str(": ");
                text.push_str(problem);
            }
        }
        one_line(&text, 600)
    }
}

/// Makes a foreign text fit for a log: one line, no control characters, at most `limit` characters.
pub(crate) fn one_line(text: &str, limit: usize) -> String {
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if !line.is_empty() && !word.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    match line.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(method: Method, status: u16, kind: Refusal) -> Error {
        Error::Refused {
            call: Call::new(method, "/nodes/pve/lxc"),
            status,
            kind,
            message: "m".into(),
            fields: BTreeMap::new(),
        }
    }

    #[test]
    fn only_a_recognised_refusal_proves_that_a_create_was_not_executed() {
        let post = |status, kind| refused(Method::POST, status, kind).may_have_executed();
        assert!(post(500, Refusal::Other));
        assert!(post(500, Refusal::LockTimeout));
        assert!(!post(500, Refusal::VmidTaken));
        assert!(!post(400, Refusal::Validation));
        assert!(!post(413, Refusal::Other));
        assert!(!post(401, Refusal::Unauthorized));
        assert!(!refused(Method::GET, 500, Refusal::Other).may_have_executed());
    }

    #[test]
    fn a_foreign_text_is_one_bounded_line() {
        assert_eq!(one_line("a\r\n\x1b[31mb\t c\n", 100), "a [31mb c");
        assert_eq!(
            one_line(&"é".repeat(50), 10),
            format!("{}…", "é".repeat(10))
        );
    }
}

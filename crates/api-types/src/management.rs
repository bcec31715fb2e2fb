//! Bodies of the management routes: running a command in a container, and opening its console.

use serde::{Deserialize, Serialize};

use crate::{secret::Secret, time::Timestamp};

/// The body of `POST /management/exec/{ctid}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExecRequest {
    /// The command line, read by the container's shell.
    pub command: String,
    /// Further arguments; each is passed as one word, whatever it contains.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_args: Vec<String>,
    /// How long the command may run, in seconds; the server's default where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u32>,
    /// Ends whatever was left running in the container's session before, when it is found busy.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
}

/// The answer of `POST /management/exec/{ctid}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ExecResponse {
    /// The container's number on Proxmox (VMID).
    pub ctid: u32,
    /// The Proxmox task that carried the command.
    pub upid: String,
    /// Standard output followed by standard error.
    pub output: String,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// The exit status; absent when the command did not end in time.
    pub exit_code: Option<i32>,
    /// Whether the command was stopped because its time was over.
    pub timed_out: bool,
    /// Whether output was left out because there was too much of it.
    pub truncated: bool,
}

/// The kind of console that is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ConsoleType {
    /// A text terminal over a WebSocket.
    Terminal,
}

/// The answer of `POST /management/console/{ctid}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConsoleResponse {
    /// The container's number on Proxmox (VMID).
    pub ctid: u32,
    /// A page with a terminal, ready to be opened. It carries the ticket, hence a secret.
    pub console_url: Secret,
    /// The WebSocket for a terminal of one's own. It carries the ticket, hence a secret.
    pub websocket_url: Secret,
    /// The single-use ticket of this service; never a credential of Proxmox.
    pub ticket: Secret,
    /// Until when the ticket can be used.
    pub expires_at: Timestamp,
    /// The kind of console.
    #[serde(rename = "type")]
    pub kind: ConsoleType,
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

    #[test]
    fn a_command_needs_nothing_but_itself() {
        let request: ExecRequest = from_value(json!({"command": "uptime"})).unwrap();
        assert_eq!(to_value(&request).unwrap(), json!({"command": "uptime"}));
        let body = json!({"command": "ls", "extraArgs": ["-l", "a b"], "timeoutSeconds": 5});
        let request: ExecRequest = from_value(body.clone()).unwrap();
        assert_eq!(to_value(&request).unwrap(), body);
        assert!(from_value::<ExecRequest>(json!({"command": "ls", "shell": "sh"})).is_err());
    }

    #[test]
    fn a_result_says_what_was_printed_and_how_it_ended() {
        let body = json!({
            "ctid": 7, "upid": "UPID:x", "output": "ab", "stdout": "a", "stderr": "b", "exitCode": null,
            "timedOut": true, "truncated": false,
        });
        let response: ExecResponse = from_value(body.clone()).unwrap();
        assert_eq!(response.exit_code, None);
        assert_eq!(to_value(&response).unwrap(), body);
    }

    #[test]
    fn a_console_shows_its_ticket_to_the_client_only() {
        let body = json!({
            "ctid": 7, "consoleUrl": "http://h/console/7?t=abc", "websocketUrl": "ws://h/ws?t=abc",
            "ticket": "abc", "expiresAt": "2026-01-01T00:00:00Z", "type": "terminal",
        });
        let response: ConsoleResponse = from_value(body.clone()).unwrap();
        assert!(!format!("{response:?}").contains("abc"));
        assert_eq!(to_value(&response).unwrap(), body);
    }
}

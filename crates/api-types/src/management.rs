//! Bodies of the management routes: running a command in a container, and opening its console.

use std::collections::BTreeMap;

use secret::Secret;
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The body of `POST /management/exec/{ctid}`.
///
/// Its [`Default`] is what an absent body is priced as; it runs nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Ends whatever was left running in the container's terminal before, when it is found busy.
    /// It changes nothing where commands run over SSH.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// Text for the command's standard input; needs SSH, see the lease's `access`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// The same as bytes in base64, in place of `stdin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin_base64: Option<String>,
    /// Variables of the command's environment; needs SSH.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The folder in which the command runs, an absolute path; needs SSH.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// The user of the container as which the command runs, root where absent; needs SSH.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Leaves the command running in the container and answers at once with its `commandId`; needs
    /// SSH. It has no time limit, and its output is kept in the container.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub background: bool,
}

/// The way into a container that a command or a console took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum GuestRoute {
    /// The container's own SSH server: many commands and consoles at once, and files.
    Ssh,
    /// The container's terminal, which is one for all.
    Terminal,
}

/// The answer of `POST /management/exec/{ctid}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ExecResponse {
    /// The container's number on Proxmox (VMID).
    pub ctid: u32,
    /// The Proxmox task that carried the command, without the account in it; empty over SSH.
    pub upid: String,
    /// The way into the container that the command took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<GuestRoute>,
    /// The id of a command that was left running in the background.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<String>,
    /// Standard output followed by standard error.
    pub output: String,
    /// Standard output as text; what is no UTF-8 is replaced.
    pub stdout: String,
    /// Standard error as text; what is no UTF-8 is replaced.
    pub stderr: String,
    /// Standard output in base64, where it is no UTF-8 text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout_base64: Option<String>,
    /// Standard error in base64, where it is no UTF-8 text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr_base64: Option<String>,
    /// Length of the whole standard output in bytes, with what was left out.
    #[serde(default)]
    pub stdout_bytes: u64,
    /// Length of the whole standard error in bytes, with what was left out.
    #[serde(default)]
    pub stderr_bytes: u64,
    /// The exit status; absent when the command did not end in time.
    pub exit_code: Option<i32>,
    /// Whether the command was stopped because its time was over.
    pub timed_out: bool,
    /// Whether output was left out because there was too much of it.
    pub truncated: bool,
    /// From when the container's network can be used, where that is not yet.
    #[cfg(not(target_family = "wasm"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_ready_at: Option<Timestamp>,
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
    /// A page with a terminal, ready to be opened. It carries the ticket in its fragment, hence a secret.
    #[serde(serialize_with = "secret::serialize_exposed")]
    pub console_url: Secret,
    /// The WebSocket for a terminal of one's own. The ticket is not in it: it goes in the first message, see
    /// [`ConsoleOpening`].
    #[serde(serialize_with = "secret::serialize_exposed")]
    pub websocket_url: Secret,
    /// The single-use ticket of this service; never a credential of Proxmox.
    #[serde(serialize_with = "secret::serialize_exposed")]
    pub ticket: Secret,
    /// Until when the ticket can be used.
    pub expires_at: Timestamp,
    /// The kind of console.
    #[serde(rename = "type")]
    pub kind: ConsoleType,
}

/// The first message on a console's WebSocket, as text, within three seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConsoleOpening {
    /// A ticket: from `POST /management/console/{ctid}`, or the `resume` of a connection that was lost.
    #[serde(serialize_with = "secret::serialize_exposed")]
    pub ticket: Secret,
    /// Columns and rows of the screen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resize: Option<(u16, u16)>,
}

/// Any later text message of the client. Bytes that are typed go in binary messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConsoleControl {
    /// New columns and rows of the screen, from 1 to 1000.
    pub resize: (u16, u16),
}

/// The server's one text message; from then on it sends the terminal's bytes, in binary messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConsoleOpened {
    /// What was opened.
    pub opened: OpenConsole,
}

/// An open console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OpenConsole {
    /// The container's number on Proxmox (VMID).
    pub ctid: u32,
    /// The container's name.
    pub hostname: String,
    /// When the lease ends, and the console with it unless it is renewed.
    pub expires_at: Timestamp,
    /// A ticket to come back with when this connection is lost.
    #[serde(serialize_with = "secret::serialize_exposed")]
    pub resume: Secret,
    /// The way into the container: over SSH each console is a shell of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<GuestRoute>,
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
            "timedOut": true, "truncated": false, "stdoutBytes": 1, "stderrBytes": 1,
        });
        let response: ExecResponse = from_value(body.clone()).unwrap();
        assert_eq!(response.exit_code, None);
        assert_eq!(to_value(&response).unwrap(), body);
    }

    #[test]
    fn a_console_shows_its_ticket_to_the_client_only() {
        let body = json!({
            "ctid": 7, "consoleUrl": "http://h/console#ticket=abc", "websocketUrl": "ws://h/console/ws",
            "ticket": "abc", "expiresAt": "2026-01-01T00:00:00Z", "type": "terminal",
        });
        let response: ConsoleResponse = from_value(body.clone()).unwrap();
        assert!(!format!("{response:?}").contains("abc"));
        assert_eq!(to_value(&response).unwrap(), body);
    }

    #[test]
    fn a_console_is_opened_with_a_ticket_and_takes_sizes_only() {
        let opening: ConsoleOpening =
            from_value(json!({"ticket": "abc", "resize": [80, 24]})).unwrap();
        assert_eq!(opening.resize, Some((80, 24)));
        assert!(!format!("{opening:?}").contains("abc"));
        let control: ConsoleControl = from_value(json!({"resize": [1, 2]})).unwrap();
        assert_eq!(control.resize, (1, 2));
        for bad in [
            json!({}),
            json!({"resize": [1]}),
            json!({"resize": [1, 2], "x": 1}),
            json!({"resize": [-1, 2]}),
        ] {
            assert!(from_value::<ConsoleControl>(bad.clone()).is_err(), "{bad}");
        }
    }
}

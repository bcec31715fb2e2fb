//! The routes that reach into a container: commands, and the console with its page and its WebSocket.

use api_types::{
    ConsoleResponse, ConsoleType,
    ErrorCode::{self, *},
    ExecRequest, ExecResponse, Secret, Timestamp,
};
use serde_json::json;

use super::{
    endpoint::Endpoint,
    endpoints::{ABOUT_LEASE, CTID, LEASE_MEANT, about, ctid},
};

/// What a container's one terminal session may answer.
const ABOUT_TERMINAL: &[ErrorCode] = &[ConsoleInUse, ConsoleAuthUnsupported, Timeout];

pub(super) fn endpoints() -> Vec<Endpoint> {
    let text = || json!({"type": "string"});
    vec![
        Endpoint::paid(about("/management/exec/{ctid}"), "Containers", "execCommand")
            .details(
                "Runs in the container's shell as root, without input. With `Accept: text/event-stream` the output is told as it \
                 comes. A container has one session: while it is used, others are told to come back.",
            )
            .in_path("ctid", ctid(), CTID)
            .in_query("leaseId", text(), LEASE_MEANT)
            .takes(&exec_request())
            .answers(200, "The command ended, or its time was over.", &exec_response())
            .refuses(ABOUT_LEASE)
            .refuses(ABOUT_TERMINAL),
        Endpoint::paid(about("/management/console/{ctid}"), "Containers", "openConsole")
            .details("The ticket is good once, for 30 seconds. It goes in the first message on the WebSocket, never in a URL.")
            .in_path("ctid", ctid(), CTID)
            .in_query("leaseId", text(), LEASE_MEANT)
            .answers(200, "A ticket for one terminal.", &console_response())
            .refuses(ABOUT_LEASE)
            .refuses(ABOUT_TERMINAL),
        Endpoint::new("GET", "/console", "Containers", "readConsolePage", "A page with a terminal")
            .details("Reads its ticket from the fragment, which is not sent.")
            .answers_plain(200, "The page.", "text/html", text())
            .answers_plain(501, "This build has no terminal in it.", "text/html", text()),
        Endpoint::new("GET", "/console/{version}/{file}", "Containers", "readConsoleFile", "A file of that page")
            .in_path("version", text(), "Changes with the files.")
            .in_path("file", text(), "Its name.")
            .answers_plain(200, "The file.", "text/javascript", text())
            .refuses(&[NotFound]),
        Endpoint::new("GET", "/console/ws", "Containers", "connectConsole", "The terminal's WebSocket")
            .details(
                "The first message is a `ConsoleOpening` as text; then bytes go both ways in binary messages, and \
                 `{\"resize\": [columns, rows]}` as text. It closes with a reason when the lease ends.",
            )
            .answers_nothing(101, "The protocol is switched.")
            .refuses(&[InvalidRequest, Forbidden])
            .limited(),
    ]
}

fn exec_request() -> ExecRequest {
    ExecRequest {
        command: "uname -a".into(),
        ..ExecRequest::default()
    }
}

fn exec_response() -> ExecResponse {
    let said = "Linux box 6.8.12-4-pve x86_64 GNU/Linux\n";
    ExecResponse {
        ctid: 40200,
        upid: "UPID:pve:0002B5E1:0134A7C2:6AB32D80:vncproxy:40200::".into(),
        output: said.into(),
        stdout: said.into(),
        stderr: String::new(),
        stdout_base64: None,
        stderr_base64: None,
        stdout_bytes: said.len() as u64,
        stderr_bytes: 0,
        exit_code: Some(0),
        timed_out: false,
        truncated: false,
        network_ready_at: None,
    }
}

fn console_response() -> ConsoleResponse {
    ConsoleResponse {
        ctid: 40200,
        console_url: Secret::new("https://lease.example.org/console#ticket"),
        websocket_url: Secret::new("wss://lease.example.org/console/ws"),
        ticket: Secret::new("shown-once"),
        expires_at: Timestamp(1_790_000_030),
        kind: ConsoleType::Terminal,
    }
}

//! How the route is described to its callers.

use api_types::{ExecRequest, ExecResponse, GuestRoute};

use super::Exec;
use crate::openapi::{ABOUT_TERMINAL, Content, Documentation, Documented};

impl Documented for Exec {
    fn documentation() -> Documentation {
        let said = "Linux box 6.8.12-4-pve x86_64 GNU/Linux\n";
        Documentation {
            id: "execCommand",
            tag: "Containers",
            details: "Runs in the container's shell, as root if no `user` is given. With \
                `Accept: text/event-stream` the output is told as it comes. Over SSH, which the \
                lease's `access` shows, many commands run at once, with input, environment, folder \
                and user, also in the background. The terminal takes one command at a time: while \
                it is used, others are told to come back.",
            request: Some(Content::json(&ExecRequest {
                command: "uname -a".into(),
                ..ExecRequest::default()
            })),
            answered: "The command ended, or its time was over.",
            response: Content::json(&ExecResponse {
                ctid: 40200,
                upid: String::new(),
                via: Some(GuestRoute::Ssh),
                command_id: None,
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
            }),
            held: None,
            refusals: ABOUT_TERMINAL,
        }
    }
}

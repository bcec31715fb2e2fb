//! `infra402 commands`, `infra402 logs`: commands that run in the background of a container.

use api_types::{
    CommandList, CommandOutput, CommandSignal, CommandState, CommandView, commands::LONGEST_WAIT,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::Method;
use serde_json::Value;

use super::show;
use crate::{
    api::{Api, now, read},
    arguments::LogsArguments,
    containers::{self, Container},
    failure::{ExitStatus, Failure},
    printed::{bytes, pass_on, span, table},
};

/// What is said of a command whose end nobody saw.
const LOST: &str = "the command is lost: its processes are gone and left no exit status, as after a \
                    stop of the container";

pub(super) async fn list(api: &Api, named: &str) -> Result<u8, Failure> {
    let container = containers::find_for_ssh(api, named).await?;
    let listed = api
        .call(Method::GET, &container.below("commands"), None)
        .await?;
    show(api, &listed, || {
        let list: CommandList = read(&listed)?;
        Ok(text(&list.commands))
    })
}

fn text(commands: &[CommandView]) -> String {
    if commands.is_empty() {
        return "no commands in the background; begin one: infra402 exec -d CONTAINER COMMAND"
            .to_owned();
    }
    let row = |command: &CommandView| {
        let state = match (command.state, command.exit_code) {
            (CommandState::Running, _) => "running".to_owned(),
            (CommandState::Lost, _) => "lost".to_owned(),
            (CommandState::Ended, Some(code)) => format!("exit {code}"),
            (CommandState::Ended, None) => "ended".to_owned(),
        };
        let end = command.ended_at.map_or_else(now, |at| at.unix());
        vec![
            command.command_id.clone(),
            state,
            span(command.started_at.unix(), api_types::Timestamp(end)),
            bytes(command.stdout_bytes.saturating_add(command.stderr_bytes)),
            command.command.clone(),
        ]
    };
    let rows: Vec<_> = commands.iter().map(row).collect();
    table(&["ID", "STATE", "TIME", "OUTPUT", "COMMAND"], &rows)
}

pub(super) async fn kill(
    api: &Api,
    named: &str,
    id: &str,
    signal: CommandSignal,
) -> Result<u8, Failure> {
    let container = containers::find_for_ssh(api, named).await?;
    let path = format!("{}?signal={}", command(&container, id)?, signal.name());
    let told = api.call(Method::DELETE, &path, None).await?;
    show(api, &told, || {
        let view: CommandView = read(&told)?;
        Ok(match (view.state, view.exit_code) {
            (CommandState::Running, _) => format!("SIG{} was sent; it still runs", signal.name()),
            (CommandState::Ended, Some(code)) => format!("it has ended with exit status {code}"),
            (CommandState::Ended, None) => "it has ended".to_owned(),
            (CommandState::Lost, _) => LOST.to_owned(),
        })
    })
}

pub(super) async fn logs(api: &Api, arguments: &LogsArguments) -> Result<u8, Failure> {
    let container = containers::find_for_ssh(api, &arguments.container).await?;
    let id = match &arguments.id {
        Some(id) => id.clone(),
        None => youngest(api, &container).await?,
    };
    let path = command(&container, &id)?;
    let (mut offsets, mut collected) = ((0, 0), Collected::default());
    loop {
        let wait = if arguments.follow { LONGEST_WAIT } else { 0 };
        let query = format!(
            "{path}?stdoutOffset={}&stderrOffset={}&waitSeconds={wait}",
            offsets.0, offsets.1
        );
        let mut told = api.call(Method::GET, &query, None).await?;
        let output: CommandOutput = read(&told)?;
        let came = (output.stdout_offset, output.stderr_offset) != offsets;
        offsets = (output.stdout_offset, output.stderr_offset);
        collected.add(&output, !api.settings.json);
        let view = &output.command;
        let all = offsets.0 >= view.stdout_bytes && offsets.1 >= view.stderr_bytes;
        let over = view.state != CommandState::Running || !arguments.follow;
        // Without progress there is no more to come: a file may have been cut short in the
        // container.
        if over && (all || !came) {
            let lost = view.state == CommandState::Lost;
            collected.into_document(&mut told);
            if api.settings.json {
                show(api, &told, || Ok(String::new()))?;
            } else if lost {
                // Part of the answer, and no progress: output that stops looks like an end.
                eprintln!("{LOST}");
            }
            return Ok(0);
        }
    }
}

/// The output of all answers.
#[derive(Debug, Default)]
struct Collected {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Collected {
    fn add(&mut self, output: &CommandOutput, print: bool) {
        let exact = |text: &str, base64: &Option<String>| {
            let decoded = base64
                .as_ref()
                .and_then(|base64| STANDARD.decode(base64).ok());
            decoded.unwrap_or_else(|| text.as_bytes().to_vec())
        };
        let stdout = exact(&output.stdout, &output.stdout_base64);
        let stderr = exact(&output.stderr, &output.stderr_base64);
        if print {
            pass_on(true, &stdout);
            pass_on(false, &stderr);
        } else {
            self.stdout.extend(stdout);
            self.stderr.extend(stderr);
        }
    }

    /// Puts the whole output into the last answer.
    fn into_document(self, told: &mut Value) {
        for (name, bytes) in [("stdout", self.stdout), ("stderr", self.stderr)] {
            told[name] = String::from_utf8_lossy(&bytes).into();
            if let Some(told) = told.as_object_mut() {
                told.remove(&format!("{name}Base64"));
            }
            if std::str::from_utf8(&bytes).is_err() {
                told[format!("{name}Base64")] = STANDARD.encode(bytes).into();
            }
        }
    }
}

async fn youngest(api: &Api, container: &Container) -> Result<String, Failure> {
    let listed = api
        .call(Method::GET, &container.below("commands"), None)
        .await?;
    let list: CommandList = read(&listed)?;
    list.commands
        .into_iter()
        .next()
        .map(|command| command.command_id)
        .ok_or_else(|| {
            let message = "the container has no commands in the background";
            Failure::new(ExitStatus::NotFound, "command_not_found", message)
                .advise("begin one: infra402 exec -d CONTAINER COMMAND")
        })
}

/// The path of a command. An id is letters and digits, and never a path.
fn command(container: &Container, id: &str) -> Result<String, Failure> {
    let is_id = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    match !id.is_empty() && id.bytes().all(is_id) {
        true => Ok(container.below(&format!("commands/{id}"))),
        false => Err(Failure::usage("that is no id of a command")
            .advise("see them: infra402 commands ls CONTAINER")),
    }
}

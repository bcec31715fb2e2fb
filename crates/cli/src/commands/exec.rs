//! `infra402 exec`: runs a command in a container, prints its output as it comes and ends with its
//! exit status.

use std::io::Read as _;

use api_types::{ExecRequest, ExecResponse};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::Method;

use super::show;
use crate::{
    api::{Api, read},
    arguments::ExecArguments,
    containers::{self, Container},
    failure::{ExitStatus, Failure},
    printed::{pass_on, printable},
    purchase::{self, Bought, Wanted, events::Event},
};

/// A request has at most 256 KiB, and base64 takes four bytes for three.
const LARGEST_INPUT: u64 = 180 * 1024;
/// What `timeout` of coreutils ends with for a command that took too long.
const TIMED_OUT: u8 = 124;

pub(super) async fn run(api: &Api, arguments: ExecArguments) -> Result<u8, Failure> {
    let container = match needs_ssh(&arguments) {
        true => containers::find_for_ssh(api, &arguments.container).await?,
        false => containers::find(api, &arguments.container).await?,
    };
    let request = request(arguments)?;
    let (mut stdout, mut stderr) = (Shown::new(true), Shown::new(false));
    let quiet = api.settings.json;
    let mut listen = |event: &Event| {
        let text = event.data["text"].as_str().unwrap_or_default();
        match event.name.as_str() {
            _ if quiet => {}
            "stdout" => stdout.piece(text),
            "stderr" => stderr.piece(text),
            _ => {}
        }
    };
    let bought = buy(api, &container, &request, &mut listen).await?;
    let answer: ExecResponse = read(&bought.body)?;
    if request.background {
        show(api, &bought.body, || {
            Ok(printable(&answer.command_id.unwrap_or_default()))
        })?;
        return Ok(0);
    }
    if api.settings.json {
        show(api, &bought.body, || Ok(String::new()))?;
        return Ok(status(&answer));
    }
    let left_out = stdout.rest(
        &answer.stdout,
        answer.stdout_base64.as_deref(),
        answer.stdout_bytes,
    ) + stderr.rest(
        &answer.stderr,
        answer.stderr_base64.as_deref(),
        answer.stderr_bytes,
    );
    if left_out > 0 {
        eprintln!(
            "infra402: {left_out} bytes of output are left out; write it to a file in the container \
             and copy that"
        );
    }
    if answer.timed_out {
        eprintln!(
            "infra402: the command took too long and was ended; see --timeout and --background"
        );
    }
    match status(&answer) {
        // A part of the output is no success.
        0 if left_out > 0 => Ok(ExitStatus::Failed.number()),
        status => Ok(status),
    }
}

/// Runs a command whose output is wanted whole.
pub(super) async fn captured(
    api: &Api,
    container: &Container,
    request: &ExecRequest,
) -> Result<ExecResponse, Failure> {
    read(&buy(api, container, request, &mut |_| {}).await?.body)
}

async fn buy(
    api: &Api,
    container: &Container,
    request: &ExecRequest,
    listen: &mut (dyn FnMut(&Event) + Send),
) -> Result<Bought, Failure> {
    let body = serde_json::to_value(request).map_err(|error| Failure::local(error.to_string()))?;
    let wanted = Wanted {
        method: Method::POST,
        path: container.by_number("/management/exec", ""),
        body: Some(body),
        what: "a command".to_owned(),
        streamed: !request.background,
        announced: false,
    };
    purchase::buy(api, &wanted, listen).await
}

/// Whether the terminal cannot do it.
fn needs_ssh(arguments: &ExecArguments) -> bool {
    arguments.stdin
        || arguments.background
        || !arguments.env.is_empty()
        || arguments.cwd.is_some()
        || arguments.user.is_some()
}

fn request(arguments: ExecArguments) -> Result<ExecRequest, Failure> {
    let mut words = arguments.command.into_iter();
    let stdin_base64 = match arguments.stdin {
        true => Some(STANDARD.encode(input()?)),
        false => None,
    };
    let env = arguments.env.into_iter();
    Ok(ExecRequest {
        command: words.next().unwrap_or_default(),
        extra_args: words.collect(),
        timeout_seconds: arguments.timeout,
        force: arguments.force,
        stdin_base64,
        env: env
            .map(|variable| (variable.name, variable.value))
            .collect(),
        cwd: arguments.cwd,
        user: arguments.user,
        background: arguments.background,
        ..ExecRequest::default()
    })
}

fn input() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = std::io::stdin()
        .lock()
        .take(LARGEST_INPUT + 1)
        .read_to_end(&mut bytes);
    read.map_err(|error| Failure::local(format!("standard input cannot be read: {error}")))?;
    if bytes.len() as u64 > LARGEST_INPUT {
        let message = format!("standard input is larger than {} KiB", LARGEST_INPUT / 1024);
        let next = "copy it in first: infra402 cp - CONTAINER:/tmp/input";
        return Err(Failure::usage(message).advise(next));
    }
    Ok(bytes)
}

/// The exit status of a command; above 128 a signal ended it.
fn status(answer: &ExecResponse) -> u8 {
    match answer.exit_code {
        Some(code) => u8::try_from(code & 0xff).unwrap_or(1),
        None => TIMED_OUT,
    }
}

/// One of the outputs. Pieces of a stream are text; the whole at its end has the true bytes, of
/// which only the beginning is told. So what is no text is kept back until then.
#[derive(Debug)]
struct Shown {
    to_stdout: bool,
    bytes: u64,
    kept_back: bool,
}

impl Shown {
    fn new(to_stdout: bool) -> Self {
        Self {
            to_stdout,
            bytes: 0,
            kept_back: false,
        }
    }

    fn piece(&mut self, text: &str) {
        self.kept_back |= text.contains(char::REPLACEMENT_CHARACTER);
        if !self.kept_back {
            self.write(text.as_bytes());
        }
    }

    /// Prints what did not come in pieces, and returns how much of the output is left out.
    fn rest(&mut self, text: &str, base64: Option<&str>, whole: u64) -> u64 {
        let decoded = base64.and_then(|base64| STANDARD.decode(base64).ok());
        let bytes = decoded.as_deref().unwrap_or(text.as_bytes());
        let shown = usize::try_from(self.bytes).unwrap_or(usize::MAX);
        if let Some(rest) = bytes.get(shown..) {
            self.write(rest);
        }
        whole.saturating_sub(self.bytes)
    }

    fn write(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        pass_on(self.to_stdout, bytes);
    }
}

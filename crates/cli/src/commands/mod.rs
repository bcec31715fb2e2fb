//! The commands, a file for each group of them. Each ends with an exit status or a failure.

mod background;
mod call;
mod console;
mod copy;
mod exec;
mod lease;
mod list;
mod payments;
mod ports;
mod power;
mod proxy;
mod quote;
mod remove;
mod renew;
mod ssh;
mod wallet;

use clap::CommandFactory as _;
use clap_complete::Shell;
use serde_json::{Value, json};

use crate::{
    api::Api,
    arguments::{Command, CommandLine, CommandsAction},
    failure::Failure,
    hints,
    printed::{json_line, pass_on, printable_lines, say},
    settings::Settings,
};

/// Runs a command.
///
/// # Errors
/// See [`Failure`].
pub async fn run(line: CommandLine) -> Result<u8, Failure> {
    let settings = Settings::new(&line.global)?;
    if let Command::Completions { shell } = line.command {
        completions(&settings, shell);
        return Ok(0);
    }
    let api = Api::new(settings)?;
    let (container, is_call) = (
        hints::container(&line.command),
        matches!(line.command, Command::Call { .. }),
    );
    perform(&api, line.command)
        .await
        .map_err(|failure| match is_call {
            true => failure,
            false => hints::in_commands(failure, container.as_deref()),
        })
}

async fn perform(api: &Api, command: Command) -> Result<u8, Failure> {
    match command {
        Command::Quote(wanted) => quote::run(api, &wanted).await,
        Command::Lease { wanted, ssh } => lease::run(api, &wanted, ssh).await,
        Command::Ls { all } => list::run(api, all).await,
        Command::Exec(arguments) => exec::run(api, arguments).await,
        Command::Commands { action } => match action {
            CommandsAction::Ls { container } => background::list(api, &container).await,
            CommandsAction::Logs(arguments) => background::logs(api, &arguments).await,
            CommandsAction::Kill {
                container,
                id,
                signal,
            } => background::kill(api, &container, &id, signal.into()).await,
        },
        Command::Logs(arguments) => background::logs(api, &arguments).await,
        Command::Cp(arguments) => copy::run(api, &arguments).await,
        Command::Ports { action } => ports::run(api, &action).await,
        Command::Ssh(arguments) => ssh::run(api, &arguments).await,
        Command::Console { container } => console::run(api, &container).await,
        Command::Proxy { container } => proxy::run(api, &container).await,
        Command::Renew { container, minutes } => renew::run(api, &container, minutes).await,
        Command::Stop { container } => power::run(api, &container, "stop").await,
        Command::Start { container } => power::run(api, &container, "start").await,
        Command::Rm { containers } => remove::run(api, &containers).await,
        Command::Payments { limit } => payments::run(api, limit).await,
        Command::Wallet { action } => wallet::run(api, action).await,
        Command::Call { method, path, body } => call::run(api, &method, &path, body).await,
        Command::Completions { .. } => unreachable!("printed above"),
    }
}

/// Prints a document for programs, or the text for people, in which nothing that the service or a
/// container says acts on the terminal.
fn show(
    api: &Api,
    document: &Value,
    text: impl FnOnce() -> Result<String, Failure>,
) -> Result<u8, Failure> {
    match api.settings.json {
        true => say(&json_line(document)),
        false => say(&printable_lines(&text()?)),
    }
    Ok(0)
}

fn completions(settings: &Settings, shell: Shell) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut CommandLine::command(), "infra402", &mut script);
    match settings.json {
        true => {
            let script = String::from_utf8_lossy(&script);
            say(&json!({"shell": shell.to_string(), "script": script}).to_string());
        }
        false => pass_on(true, &script),
    }
}

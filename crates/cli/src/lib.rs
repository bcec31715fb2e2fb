//! The command line of the lease API.
//!
//! Layout: [`arguments`] is what is typed and [`values`] the options that are more than a text;
//! [`settings`] and [`wallet_key`] are what a run works with; [`commands`] has a file per command.
//! They use [`api`] (requests, over [`http`] and with a [`session`]), [`containers`] (names),
//! [`purchase`] (payments that are made once) and [`transfer`] (files). [`failure`] says why
//! something did not succeed, in words, as JSON and as exit status, and [`hints`] names the command
//! that helps; [`printed`] is what reaches the terminal.

pub mod api;
pub mod arguments;
pub mod commands;
pub mod containers;
pub mod failure;
pub mod hints;
pub mod http;
pub mod printed;
pub mod purchase;
pub mod session;
pub mod settings;
pub mod state_files;
pub mod transfer;
pub mod values;
pub mod wallet_key;
pub mod websocket;

use std::ffi::OsString;

use clap::{Parser as _, error::ErrorKind};

use crate::{
    arguments::CommandLine,
    failure::{ExitStatus, Failure},
};

/// What shells report of a program that was interrupted.
const INTERRUPTED: u8 = 130;

/// Runs the program with these arguments, the first of which is its name, and returns its exit
/// status.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let line = match CommandLine::try_parse_from(&arguments) {
        Ok(line) => line,
        Err(error) => return not_parsed(&error, &arguments),
    };
    let json = line.global.json;
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return report(&Failure::local(error.to_string()), json),
    };
    runtime.spawn(end_when_interrupted(json));
    let outcome = runtime.block_on(commands::run(line));
    // Threads that read standard input do not end by themselves.
    runtime.shutdown_background();
    match outcome {
        Ok(status) => status,
        Err(failure) => report(&failure, json),
    }
}

/// Ends the program at the first interrupt, also while it waits for standard input or output.
async fn end_when_interrupted(json: bool) {
    if tokio::signal::ctrl_c().await.is_ok() {
        if purchase::is_open() {
            report(&purchase::outcome::unanswered("interrupted"), json);
        }
        std::process::exit(INTERRUPTED.into());
    }
}

/// Help and version are an error of the library, too.
fn not_parsed(error: &clap::Error, arguments: &[OsString]) -> u8 {
    let shown = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    if !shown && arguments.iter().any(|argument| argument == "--json") {
        let text = error.to_string();
        let text = text.trim_start_matches("error: ").trim_end();
        return report(&Failure::usage(text), true);
    }
    let _ = error.print();
    match shown {
        true => 0,
        false => ExitStatus::Usage.number(),
    }
}

fn report(failure: &Failure, json: bool) -> u8 {
    match json {
        true => eprintln!("{}", printed::json_line(&failure.json())),
        false => eprintln!("{}", failure.text()),
    }
    failure.status.number()
}

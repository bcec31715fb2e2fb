//! The command line. Settings are environment variables, which `--help` lists.

use std::{ffi::OsString, process::ExitCode};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, error::KindFormatter};

use crate::{
    commands::{
        backup::BackupCommand, installation_key::InstallationKeyCommand, leases::LeasesCommand,
        names::NamesCommand, payments::PaymentsCommand, store::StoreCommand,
    },
    config::SCHEMA,
    doctor::command::DoctorOptions,
};

/// The exit code after wrong arguments, the same as that of the other programs, which take clap's.
const WRONG_ARGUMENTS: u8 = 2;

/// The lease API of infra402: time on Linux containers, paid over HTTP 402. It serves where no
/// command is given.
#[derive(Debug, Parser)]
#[command(
    name = "proxmox-api",
    version,
    propagate_version = true,
    args_override_self = true,
    disable_help_subcommand = true,
    subcommand_help_heading = "Commands of the operator"
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

/// What the process does instead of serving.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Examine the configuration and say what mends it.
    ///
    /// Ends with status 0 if all is well, 1 with warnings, 2 with errors. NO_COLOR=1: no colours.
    Doctor(DoctorOptions),
    /// See payments that are owed or unresolved, and settle them.
    #[command(subcommand)]
    Payments(PaymentsCommand),
    /// See leases, and end one whose container is lost.
    #[command(subcommand)]
    Leases(LeasesCommand),
    /// Take the name of a container down, for what is published under it, and put it back.
    #[command(subcommand)]
    Names(NamesCommand),
    /// Write a backup of the database while the service runs.
    Backup(BackupCommand),
    /// Write the key of the installation to a file, so that it can leave the database.
    InstallationKey(InstallationKeyCommand),
    /// Move the data to another database.
    #[command(subcommand)]
    Store(StoreCommand),
    /// End with status 0 if the running service on this machine is healthy.
    Health,
}

/// A text for the caller of the program in place of a command: help, the version, or an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLineMessage {
    /// The text, with its last line break.
    pub text: String,
    /// The arguments cannot be used.
    pub is_error: bool,
}

impl CommandLineMessage {
    /// Prints the text and says with which status the process ends.
    pub fn print(&self) -> ExitCode {
        if self.is_error {
            eprint!("{}", self.text);
            return ExitCode::from(WRONG_ARGUMENTS);
        }
        print!("{}", self.text);
        ExitCode::SUCCESS
    }
}

/// Reads the command line, which begins with the program's name. None means to serve.
///
/// # Errors
/// Help or the version is asked for, or the arguments cannot be used.
pub fn read(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Option<Command>, CommandLineMessage> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let settings = format!(
        "Settings are environment variables, completed from a file .env in this folder or above:\n\n{}",
        SCHEMA.help()
    );
    let matches = Arguments::command()
        .after_help(settings)
        .try_get_matches_from(&arguments);
    let read = matches.and_then(|matches| Arguments::from_arg_matches(&matches));
    read.map(|read| read.command).map_err(|error| {
        let is_error = error.use_stderr();
        // Addresses of databases hold passwords: no error repeats an argument of `store`.
        let is_store = arguments.get(1).is_some_and(|command| command == "store");
        let text = match is_error && is_store {
            true => error.apply::<KindFormatter>().to_string(),
            false => error.to_string(),
        };
        CommandLineMessage { text, is_error }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::payments::{Decision, DecisionOptions};

    fn read(line: &[&str]) -> Result<Option<Command>, CommandLineMessage> {
        let line = [&["proxmox-api"], line].concat();
        super::read(line.into_iter().map(OsString::from))
    }

    fn words(line: &str) -> Result<Option<Command>, CommandLineMessage> {
        read(&line.split_whitespace().collect::<Vec<_>>())
    }

    fn error(line: &[&str]) -> String {
        let message = read(line).unwrap_err();
        assert!(message.is_error, "{line:?}: {}", message.text);
        message.text
    }

    #[test]
    fn every_command_is_known_and_nothing_else() {
        let doctor = |change: fn(&mut DoctorOptions)| {
            let mut options = DoctorOptions::default();
            change(&mut options);
            Ok(Some(Command::Doctor(options)))
        };
        assert_eq!(words(""), Ok(None));
        assert_eq!(words("doctor"), doctor(|_| {}));
        assert_eq!(words("doctor --json"), doctor(|it| it.json = true));
        assert_eq!(words("doctor --json --json"), doctor(|it| it.json = true));
        assert_eq!(words("doctor --setup"), doctor(|it| it.setup = true));
        assert_eq!(words("doctor --probe"), doctor(|it| it.probe = true));
        assert_eq!(words("health"), Ok(Some(Command::Health)));
        let id = || "pay_1".to_owned();
        let show = PaymentsCommand::Show { id: id() };
        assert_eq!(
            words("payments show pay_1"),
            Ok(Some(Command::Payments(show)))
        );
        let due = |json| Ok(Some(Command::Payments(PaymentsCommand::Due { json })));
        assert_eq!(words("payments due"), due(false));
        assert_eq!(words("payments due --json"), due(true));
        let file = "copy.sqlite".into();
        let backup = Command::Backup(BackupCommand { file });
        assert_eq!(words("backup copy.sqlite"), Ok(Some(backup)));
        for line in ["--version", "-V", "doctor --version"] {
            let message = words(line).unwrap_err();
            assert!(!message.is_error && message.text.contains(env!("CARGO_PKG_VERSION")));
        }
        for (line, unknown) in [
            ("serve", "serve"),
            ("--json", "--json"),
            ("doctor doctor", "doctor"),
            ("health --json", "--json"),
            ("help", "help"),
        ] {
            let text = error(&line.split(' ').collect::<Vec<_>>());
            assert!(text.contains(&format!("'{unknown}'")), "{text}");
        }
    }

    #[test]
    fn the_help_names_every_variable_and_every_command_has_help() {
        for line in ["--help", "-h"] {
            let message = words(line).unwrap_err();
            assert!(!message.is_error);
            for variable in SCHEMA.variables() {
                assert!(message.text.contains(variable.name), "{}", variable.name);
            }
        }
        for line in [
            "doctor -h",
            "payments --help",
            "payments resolve --help",
            "leases end --help",
            "backup --help",
            "store copy --help",
        ] {
            let message = words(line).unwrap_err();
            assert!(!message.is_error, "{}", message.text);
        }
    }

    #[test]
    fn a_decision_about_money_is_said_and_has_a_reason() {
        let hash = format!("0x{}", "Ab".repeat(32));
        let resolve = |options: &[&str]| {
            let why = ["--reason", " seen on the chain"];
            match read(&[&["payments", "resolve", "pay_1"], &why[..], options].concat()) {
                Ok(Some(Command::Payments(PaymentsCommand::Resolve {
                    id,
                    reason,
                    decision,
                }))) => {
                    assert_eq!(
                        (id.as_str(), reason.as_str()),
                        ("pay_1", "seen on the chain")
                    );
                    DecisionOptions::decision(decision)
                }
                other => panic!("{other:?}"),
            }
        };
        let moved = Decision::Transaction(hash.to_lowercase());
        assert_eq!(resolve(&["--transaction", &hash]), moved);
        assert_eq!(resolve(&["--not-moved"]), Decision::NotMoved);
        assert_eq!(resolve(&["--given-back"]), Decision::GivenBack);
        for (line, says) in [
            (
                &["resolve", "pay_1", "--not-moved"] as &[&str],
                "--reason <TEXT>",
            ),
            (
                &["resolve", "pay_1", "--not-moved", "--reason", " "],
                "--reason <TEXT>",
            ),
            (&["resolve", "pay_1", "--reason", "x"], "--not-moved"),
            (
                &[
                    "resolve",
                    "pay_1",
                    "--reason",
                    "x",
                    "--not-moved",
                    "--given-back",
                ],
                "cannot be used with",
            ),
            (
                &["resolve", "pay_1", "--reason", "x", "--transaction", "0x12"],
                "64 hexadecimal",
            ),
            (&["resolve", "pay_1", "--force"], "'--force'"),
            (&["resolve"], "<ID>"),
            (&["due", "all"], "'all'"),
            (&["pay"], "'pay'"),
            (&[], "Usage"),
        ] {
            let text = error(&[&["payments"], line].concat());
            assert!(text.contains(says), "{line:?}: {text}");
        }
    }

    #[test]
    fn no_lease_is_ended_without_an_id_and_a_reason() {
        let end = LeasesCommand::End {
            id: "lease-1".into(),
            reason: "burnt".into(),
        };
        let leases = |command| Ok(Some(Command::Leases(command)));
        assert_eq!(words("leases end lease-1 --reason burnt"), leases(end));
        assert_eq!(words("leases list"), leases(LeasesCommand::List));
        for wrong in [
            "leases",
            "leases end",
            "leases end lease-1",
            "leases end lease-1 --reason",
            "leases show",
            "leases list all",
            "leases stop lease-1",
            "backup",
            "backup --file",
        ] {
            assert!(words(wrong).unwrap_err().is_error, "{wrong}");
        }
    }

    #[test]
    fn two_databases_are_named_and_no_mistake_repeats_a_password() {
        let Ok(Some(Command::Store(command))) = words("store copy a.sqlite -") else {
            panic!("the command is not read");
        };
        assert!(command.needs_configured());
        assert!(!format!("{command:?}").contains("a.sqlite"));
        let secret = "postgres://u:s3cret@h:port/db";
        for wrong in [
            &["copy", secret] as &[&str],
            &["copy", secret, secret, secret],
            &["move", secret, secret],
            &["copy", secret, secret, "--force=s3cret"],
            &[secret],
        ] {
            let text = error(&[&["store"], wrong].concat());
            assert!(!text.contains("s3cret"), "{text}");
        }
    }
}

//! The command line: nothing to serve, or a command.

use service::env::schema::Schema;

use crate::{
    commands::{
        backup::BackupCommand, leases::LeasesCommand, payments::PaymentsCommand,
        store::StoreCommand,
    },
    doctor::command::Options,
};

/// What the process is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Serve.
    Serve,
    /// Examine the configuration.
    Doctor(Options),
    /// See what is owed or unresolved, and settle it.
    Payments(PaymentsCommand),
    /// See leases, and end one whose container is lost.
    Leases(LeasesCommand),
    /// Make a backup of the database.
    Backup(BackupCommand),
    /// Copy the database to another kind.
    Store(StoreCommand),
    /// Say what is wrong with the arguments of a command.
    Wrong(String),
    /// Ask the running copy on this machine for its health.
    Health,
    /// Say how it is used.
    Help,
    /// Say which version it is.
    Version,
}

impl Command {
    /// Reads the arguments after the program's name.
    ///
    /// # Errors
    /// The argument that is not known.
    pub fn read(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut command = Self::Serve;
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match (&command, argument.as_str()) {
                (Self::Serve, "payments") => {
                    return Ok(asked(PaymentsCommand::read(arguments), Self::Payments));
                }
                (Self::Serve, "leases") => {
                    return Ok(asked(LeasesCommand::read(arguments), Self::Leases));
                }
                (Self::Serve, "backup") => {
                    return Ok(asked(BackupCommand::read(arguments), Self::Backup));
                }
                (Self::Serve, "store") => {
                    return Ok(asked(StoreCommand::read(arguments), Self::Store));
                }
                _ => {}
            }
            command = match (command, argument.as_str()) {
                (_, "--help" | "-h") => return Ok(Self::Help),
                (_, "--version" | "-V") => return Ok(Self::Version),
                (Self::Serve, "health") => Self::Health,
                (Self::Serve, "doctor") => Self::Doctor(Options::default()),
                (Self::Doctor(options), "--setup") => Self::Doctor(Options {
                    setup: true,
                    ..options
                }),
                (Self::Doctor(options), "--probe") => Self::Doctor(Options {
                    probe: true,
                    ..options
                }),
                (Self::Doctor(options), "--json") => Self::Doctor(Options {
                    json: true,
                    ..options
                }),
                _ => return Err(argument),
            };
        }
        Ok(command)
    }
}

/// A command with arguments of its own; none of them where help is asked for.
fn asked<T>(read: Result<Option<T>, String>, command: impl FnOnce(T) -> Command) -> Command {
    match read {
        Ok(Some(asked)) => command(asked),
        Ok(None) => Command::Help,
        Err(what) => Command::Wrong(what),
    }
}

/// The text of `--help`.
pub fn help(schema: &Schema) -> String {
    format!(
        "The lease API of infra402: time on Linux containers, paid over HTTP 402.\n\n\
         Usage:\n  \
         proxmox-api                   serves\n  \
         proxmox-api doctor            examines the configuration and says what mends it;\n                                \
         status 0: fine, 1: warnings, 2: errors; NO_COLOR=1: no colours\n  \
         proxmox-api doctor --json     the same for programs\n  \
         proxmox-api doctor --setup    prints the commands that make the account on Proxmox and the fence around tenants\n  \
         proxmox-api doctor --probe    makes containers that try the fence around tenants from inside, and removes them\n  \
         proxmox-api payments due      what is owed to customers, and payments of which it is not known whether they
                                moved money; --json: for programs
  \
         proxmox-api payments show ID  all that is known of a payment
  \
         proxmox-api payments resolve ID --reason TEXT (--transaction 0x… | --not-moved | --given-back)
                                an unresolved payment: moved money by that transaction, or did not and cannot any more;
                                a debt: was given back by that transaction, or otherwise
  \
         proxmox-api leases list       the leases that are not over
  \
         proxmox-api leases show ID    all that is known of a lease
  \
         proxmox-api leases end ID --reason TEXT
                                ends a lease whose container is lost or cannot be told from another: its unused part is
                                owed; a container that is seen again is stopped as one without a lease
  \
         proxmox-api backup FILE       a copy of the database in one SQLite file, made while the service runs, and checked
  \
         proxmox-api store copy FROM TO
                                moves the database to PostgreSQL or back while no service runs; interrupted, the same
                                command goes on. FROM and TO: a path, sqlite://PATH, postgres://…, @FILE that has one
                                of these, or - for DATABASE
  \
         proxmox-api health            status 0 if the running service on this machine is healthy
  \
         proxmox-api --help | --version\n\n\
         It is configured by environment variables, completed from a file .env in this folder or above.\n\n{}",
        schema.help()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Command, String> {
        Command::read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn every_command_is_known_and_nothing_else() {
        let doctor = |setup, json| {
            Ok(Command::Doctor(Options {
                setup,
                json,
                ..Options::default()
            }))
        };
        assert_eq!(read(""), Ok(Command::Serve));
        assert_eq!(read("doctor"), doctor(false, false));
        assert_eq!(read("doctor --json"), doctor(false, true));
        assert_eq!(read("doctor --setup"), doctor(true, false));
        let probe = Options {
            probe: true,
            ..Options::default()
        };
        assert_eq!(read("doctor --probe"), Ok(Command::Doctor(probe)));
        assert_eq!(read("health"), Ok(Command::Health));
        assert_eq!(
            read("payments show pay_1"),
            Ok(Command::Payments(PaymentsCommand::Show {
                id: "pay_1".into()
            }))
        );
        assert_eq!(read("payments --help"), Ok(Command::Help));
        assert_eq!(read("doctor -h"), Ok(Command::Help));
        assert_eq!(read("--version"), Ok(Command::Version));
        for (line, unknown) in [
            ("serve", "serve"),
            ("--json", "--json"),
            ("doctor doctor", "doctor"),
            ("health --json", "--json"),
        ] {
            assert_eq!(read(line), Err(unknown.to_owned()));
        }
    }

    #[test]
    fn the_help_names_every_variable() {
        let text = help(&crate::config::SCHEMA);
        for variable in crate::config::SCHEMA.variables() {
            assert!(text.contains(variable.name), "{}", variable.name);
        }
    }
}

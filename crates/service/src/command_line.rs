//! The command line of a service that has no commands of its own.

use std::ffi::OsString;

use clap::{CommandFactory as _, FromArgMatches as _};

use crate::env::schema::Schema;

/// The texts of a service for `--help` and `--version`.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// The purpose of the service, in one sentence.
    pub purpose: &'static str,
    /// The version of the service.
    pub version: &'static str,
}

#[derive(Debug, clap::Parser)]
#[command(disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<ServiceCommand>,
}

/// A command other than to serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Subcommand)]
pub enum ServiceCommand {
    /// Exit with status 0 if the running service on this machine is healthy
    Health,
}

/// Reads the arguments; the first is the program's name. Without a command the service serves.
///
/// # Errors
/// An argument is unknown, or help or the version was requested; `clap`'s error has the text and
/// the exit code.
pub fn parse<A: Into<OsString> + Clone>(
    schema: &Schema,
    about: About,
    arguments: impl IntoIterator<Item = A>,
) -> Result<Option<ServiceCommand>, clap::Error> {
    let command = Arguments::command()
        .name(schema.service)
        .about(about.purpose)
        .version(about.version)
        .after_help(configuration_help(schema));
    let matches = command.try_get_matches_from(arguments)?;
    Ok(Arguments::from_arg_matches(&matches)?.command)
}

/// The part of `--help` about the environment variables, for every service.
pub fn configuration_help(schema: &Schema) -> String {
    format!(
        "It is configured by environment variables, completed from a file .env in this folder or \
         above.\n\n{}",
        schema.help()
    )
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::*;

    static SCHEMA: Schema = Schema {
        service: "one",
        groups: &[&crate::telemetry::VARIABLES],
        gone: &[],
    };

    fn parsed(line: &str) -> Result<Option<ServiceCommand>, clap::Error> {
        let about = About {
            purpose: "Serves.",
            version: "1.0",
        };
        parse(&SCHEMA, about, line.split_whitespace())
    }

    #[test]
    fn without_a_command_the_service_serves() {
        assert_eq!(parsed("one").unwrap(), None);
        assert_eq!(parsed("one health").unwrap(), Some(ServiceCommand::Health));
    }

    #[test]
    fn help_names_the_variables_and_version_the_service() {
        let help = parsed("one --help").unwrap_err();
        assert_eq!((help.kind(), help.exit_code()), (ErrorKind::DisplayHelp, 0));
        let help = help.to_string();
        assert!(
            help.starts_with("Serves.\n\nUsage: one [COMMAND]\n"),
            "{help}"
        );
        assert!(help.contains("LOG_FORMAT (default pretty)"), "{help}");
        let version = parsed("one -V").unwrap_err();
        assert_eq!(version.to_string(), "one 1.0\n");
        assert_eq!(version.exit_code(), 0);
    }

    #[test]
    fn an_unknown_argument_is_refused_also_after_a_command() {
        for line in [
            "one serve",
            "one --json",
            "one health --json",
            "one health x",
        ] {
            assert_eq!(parsed(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}

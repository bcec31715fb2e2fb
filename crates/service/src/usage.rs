//! The command line of a service that only serves: it says how it is used, which version it is, or whether it is healthy.

use crate::env::schema::Schema;

/// What the process is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Serve.
    Serve,
    /// Ask the running copy for its health, by [`crate::probe::run`].
    Health,
    /// Print this.
    Text(String),
}

/// Reads the arguments after the program's name.
///
/// # Errors
/// An argument that is not known, in a sentence.
pub fn asked(
    schema: &Schema,
    about: &str,
    version: &str,
    arguments: impl IntoIterator<Item = String>,
) -> Result<Asked, String> {
    let name = schema.service;
    match arguments.into_iter().next().as_deref() {
        None => Ok(Asked::Serve),
        Some("health") => Ok(Asked::Health),
        Some("--version" | "-V") => Ok(Asked::Text(format!("{name} {version}\n"))),
        Some("--help" | "-h") => Ok(Asked::Text(format!(
            "{about}\n\nUsage:\n  \
             {name}           serves\n  \
             {name} health    status 0 if the running service on this machine is healthy\n  \
             {name} --help | --version\n\n\
             It is configured by environment variables, completed from a file .env in this folder or above.\n\n{}",
            schema.help()
        ))),
        Some(other) => Err(format!("{other:?} is not known here; see {name} --help")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SCHEMA: Schema = Schema {
        service: "one",
        groups: &[],
        gone: &[],
    };

    #[test]
    fn a_service_says_how_it_is_used_and_serves_otherwise() {
        let asked = |line: &str| {
            let arguments = line.split_whitespace().map(str::to_owned);
            asked(&SCHEMA, "Serves.", "1.0", arguments)
        };
        assert_eq!(asked(""), Ok(Asked::Serve));
        assert_eq!(asked("health"), Ok(Asked::Health));
        assert_eq!(asked("-V"), Ok(Asked::Text("one 1.0\n".to_owned())));
        let Ok(Asked::Text(help)) = asked("--help") else {
            panic!("no help");
        };
        assert!(
            help.starts_with("Serves.\n\nUsage:\n  one           serves\n"),
            "{help}"
        );
        assert!(asked("serve").unwrap_err().contains("one --help"));
    }
}

//! The command line of a service that only serves: it says how it is used, or which version it is.

use crate::env::schema::Schema;

/// What is to be printed instead of serving; `None` where nothing was asked for.
///
/// # Errors
/// An argument that is not known, in a sentence.
pub fn asked(
    schema: &Schema,
    about: &str,
    version: &str,
    arguments: impl IntoIterator<Item = String>,
) -> Result<Option<String>, String> {
    let name = schema.service;
    match arguments.into_iter().next().as_deref() {
        None => Ok(None),
        Some("--version" | "-V") => Ok(Some(format!("{name} {version}\n"))),
        Some("--help" | "-h") => Ok(Some(format!(
            "{about}\n\nUsage: {name} [--help | --version]\n\n\
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
        assert_eq!(asked(""), Ok(None));
        assert_eq!(asked("-V"), Ok(Some("one 1.0\n".to_owned())));
        let help = asked("--help").unwrap().unwrap();
        assert!(help.starts_with("Serves.\n\nUsage: one "), "{help}");
        assert!(asked("serve").unwrap_err().contains("one --help"));
    }
}

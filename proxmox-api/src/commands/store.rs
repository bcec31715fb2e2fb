//! `proxmox-api store copy FROM TO`: moves to PostgreSQL and back, while no service runs.

use std::{
    fmt::Write as _,
    ops::ControlFlow,
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::Subcommand;

use crate::store::{self, CopyError, CopyStep, Database, TableFigures};

/// How often progress is said.
const PROGRESS: Duration = Duration::from_secs(5);

/// The command about databases. Addresses may hold passwords, so its `Debug` text has neither.
#[derive(Clone, PartialEq, Eq, Subcommand)]
pub enum StoreCommand {
    /// Move to PostgreSQL or back while no service runs. After an interruption the same command
    /// goes on where it stopped.
    ///
    /// A database is a path, sqlite://PATH, postgres://…, @FILE that has one of these, or - for the
    /// one in DATABASE.
    Copy {
        /// The database that is read.
        from: String,
        /// The database that is written.
        to: String,
    },
}

impl std::fmt::Debug for StoreCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreCommand")
    }
}

impl StoreCommand {
    /// Whether one of the databases is that of the service's configuration.
    pub fn needs_configured(&self) -> bool {
        let Self::Copy { from, to } = self;
        [from, to].into_iter().any(|name| name == "-")
    }
}

/// A path, `sqlite://` with one, an address, `@` with a file that has one of these, or `-` for the
/// configured one.
fn database(what: &str, text: &str, configured: Option<&Database>) -> Result<Database, String> {
    let read;
    let text = match text.strip_prefix('@') {
        None => text,
        Some(file) => {
            let text = std::fs::read_to_string(file);
            read = text.map_err(|error| format!("{what} cannot be read from {file}: {error}"))?;
            read.trim()
        }
    };
    if text == "-" {
        let configured = configured.ok_or_else(|| format!("{what}: no database is configured"))?;
        return Ok(configured.clone());
    }
    if let Some(path) = text.strip_prefix("sqlite://") {
        return Ok(Database::File(PathBuf::from(path)));
    }
    Database::parse(text).map_err(|wrong| format!("{what} {wrong}"))
}

/// What the command prints.
///
/// # Errors
/// Why it was not copied, and whether the same command goes on where it stopped.
pub async fn perform(
    configured: Option<&Database>,
    command: StoreCommand,
) -> Result<String, String> {
    let StoreCommand::Copy { from, to } = command;
    let from = database("FROM", &from, configured)?;
    let to = database("TO", &to, configured)?;
    eprintln!("copying {from} to {to}");
    let began = Instant::now();
    let (mut said, mut begun, mut current) = (Instant::now(), false, String::new());
    let mut observe = |step: CopyStep| {
        begun = true;
        let line = match step {
            CopyStep::Copied { table, rows } => {
                let new = current != table;
                current = table;
                (new || said.elapsed() > PROGRESS).then(|| format!("{current}: {rows} rows"))
            }
            CopyStep::Compared { table } => Some(format!("{table}: the same in both")),
        };
        if let Some(line) = line {
            said = Instant::now();
            eprintln!("{line}");
        }
        ControlFlow::Continue(())
    };
    match store::copy(&from, &to, &mut observe).await {
        Ok(figures) => Ok(table(&figures, began.elapsed())),
        Err(error) => Err(explained(&error, begun)),
    }
}

fn explained(error: &CopyError, begun: bool) -> String {
    match begun && error.can_go_on() {
        true => format!(
            "the copy stopped: {error}. What was copied is kept; mend the cause and run the same \
             command: it goes on where \
             it stopped"
        ),
        false => format!("nothing was copied: {error}"),
    }
}

fn table(figures: &[TableFigures], took: Duration) -> String {
    let mut text = format!(
        "{:<18} {:>10} {:>20}  sha256 of all values, the same in both\n",
        "table", "rows", "sum of amounts"
    );
    for figures in figures {
        let sum = figures.sum.map(|sum| sum.to_string()).unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:<18} {:>10} {sum:>20}  {}",
            figures.table, figures.rows, figures.digest
        );
    }
    let _ = writeln!(
        text,
        "Copied and compared in {} s. Set DATABASE to the target, and never start a service on \
         the source again: it would take \
         the containers of the other for orphans.",
        took.as_secs()
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_named_by_path_address_file_or_configuration() {
        let secret = "postgres://u:s3cret@h:port/db";
        let said = database("FROM", secret, None).unwrap_err();
        assert!(
            said.starts_with("FROM ") && !said.contains("s3cret"),
            "{said}"
        );
        let of = |text: &str, configured| database("FROM", text, configured);
        let shown = |text: &str| of(text, None).unwrap().to_string();
        assert_eq!(shown("data/x.sqlite"), "data/x.sqlite");
        assert_eq!(shown("sqlite:///var/x.sqlite"), "/var/x.sqlite");
        let address = "postgres://u:s3cret@db.example/infra402";
        assert_eq!(shown(address), "PostgreSQL at db.example/infra402");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("address");
        std::fs::write(&file, format!("{address}\n")).unwrap();
        let named = format!("@{}", file.display());
        assert_eq!(shown(&named), "PostgreSQL at db.example/infra402");
        let configured = Database::File("configured".into());
        assert_eq!(
            of("-", Some(&configured)).unwrap().to_string(),
            "configured"
        );
        assert!(of("-", None).is_err());
    }
}

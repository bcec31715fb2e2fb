//! `proxmox-api backup FILE`: a copy of the database while the service runs, in one SQLite file.

use std::{fmt::Write as _, ops::ControlFlow, path::PathBuf};

use crate::store::{self, CopyStep, Database};

/// One call of the command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupCommand {
    /// The file to be written; it must not exist yet.
    pub file: PathBuf,
}

impl BackupCommand {
    /// Reads the arguments after `backup`; none where help is asked for.
    ///
    /// # Errors
    /// What is wrong with them, for people.
    pub fn read(arguments: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let all: Vec<String> = arguments.collect();
        match all.as_slice() {
            [word] if word == "--help" || word == "-h" => Ok(None),
            [file] if !file.starts_with('-') => Ok(Some(Self { file: file.into() })),
            _ => Err("backup needs the name of a file that is not there yet".into()),
        }
    }
}

/// What the command prints.
///
/// # Errors
/// Why there is no backup.
pub async fn perform(database: &Database, command: BackupCommand) -> Result<String, String> {
    let mut told = |_: CopyStep| ControlFlow::Continue(());
    let made = store::backup(database, &command.file, &mut told).await;
    let made = made.map_err(|error| error.to_string())?;
    let mut text = format!(
        "{} of {database}: {} MiB, checked\n",
        command.file.display(),
        made.bytes >> 20
    );
    for (table, rows) in made.rows {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {table:<20} {rows:>12} rows");
    }
    Ok(text)
}

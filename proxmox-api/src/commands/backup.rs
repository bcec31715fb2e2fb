//! `proxmox-api backup FILE`: copies the database into one SQLite file while the service runs.

use std::{fmt::Write as _, ops::ControlFlow, path::PathBuf};

use clap::Args;

use crate::store::{self, CopyStep, Database};

/// Where the backup goes.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct BackupCommand {
    /// The SQLite file to be written, of either database; it must not exist yet.
    pub file: PathBuf,
}

/// What the command prints.
///
/// # Errors
/// Why there is no backup.
pub async fn perform(database: &Database, command: BackupCommand) -> Result<String, String> {
    let mut observe = |_: CopyStep| ControlFlow::Continue(());
    let made = store::backup(database, &command.file, &mut observe).await;
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

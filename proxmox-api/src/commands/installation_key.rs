//! `proxmox-api installation-key FILE`: writes the key of the installation out of the database into
//! a file, so that it can be kept elsewhere.

use std::{fs::OpenOptions, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::PathBuf};

use clap::Args;

use crate::{
    installation,
    store::{Database, Store},
};

/// Where the key goes.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct InstallationKeyCommand {
    /// The file to be written, for its owner alone; it must not exist yet.
    pub file: PathBuf,
}

/// What the command prints; never the key.
///
/// # Errors
/// The database holds no key, or the file cannot be written.
pub async fn perform(
    database: &Database,
    command: InstallationKeyCommand,
) -> Result<String, String> {
    let store = Store::open_database(database).await;
    let store = store.map_err(|error| error.to_string())?;
    let key = installation::key_in_store(&store).await;
    let key = key.map_err(|error| error.to_string())?;
    let shown = command.file.display();
    let write = || {
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&command.file)?;
        writeln!(file, "{key}")?;
        file.sync_all()
    };
    write().map_err(|error| format!("{shown}: {error}"))?;
    Ok(format!(
        "{shown}: set INSTALLATION_KEY_FILE to it and start the service again, which then removes \
         the key from the database\n"
    ))
}

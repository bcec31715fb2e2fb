//! Writes the simulator's address and credentials for other programs: as one JSON document, or as
//! one file for each secret as container platforms do. Each file is replaced whole, and only its
//! owner can read it.

use std::path::{Path, PathBuf};

use pve_sim::{Sim, write_private};
use serde_json::json;

/// The file with the API token's secret.
pub(super) fn token_secret(folder: &Path) -> PathBuf {
    folder.join("token-secret")
}

/// The file with the authority that signed the simulator's certificate.
pub(super) fn authority(folder: &Path) -> PathBuf {
    folder.join("ca.pem")
}

/// Writes everything about the simulator as JSON.
///
/// # Errors
/// The file cannot be written.
pub(super) fn write_connection(sim: &Sim, path: &Path) -> anyhow::Result<()> {
    let text = json!({
        "url": sim.url(),
        "tokenId": sim.token_id(),
        "tokenSecret": sim.token_secret(),
        "fingerprint": sim.fingerprint(),
        "caPem": sim.ca_pem(),
        "consoleUser": sim.console_user(),
        "consolePassword": sim.console_password(),
        "rootPassword": sim.root_password(),
        "node": sim.node(),
        "guestProxy": format!("socks5h://{}", sim.guest_proxy()),
    });
    write_private(path, &serde_json::to_vec_pretty(&text)?)
}

/// Writes what a service needs, one secret to a file.
///
/// # Errors
/// A file cannot be written.
pub(super) fn write_credentials(sim: &Sim, folder: &Path) -> anyhow::Result<()> {
    write_private(&authority(folder), sim.ca_pem().as_bytes())?;
    write_private(&token_secret(folder), sim.token_secret().as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use pve_sim::SimConfig;

    use super::*;

    #[tokio::test]
    async fn each_secret_gets_a_file_that_only_its_owner_can_read() {
        let sim = Sim::start(SimConfig::default()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        // What an earlier run left behind is replaced.
        std::fs::write(token_secret(folder.path()), "old").unwrap();
        write_credentials(&sim, folder.path()).unwrap();
        for (path, wanted) in [
            (token_secret(folder.path()), sim.token_secret()),
            (authority(folder.path()), sim.ca_pem()),
        ] {
            assert_eq!(std::fs::read_to_string(&path).unwrap(), wanted);
            assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        }
        sim.stop().await;
    }
}

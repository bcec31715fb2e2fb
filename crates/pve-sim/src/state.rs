//! The state file: containers, pool members, certificates and credentials, so that a simulator that
//! is started again is the same cluster. Written next to its final place and renamed, readable by
//! its owner only.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::certificate::Identity;
use crate::cluster::Cluster;
use crate::world::backup::Backup;
use crate::world::container::Container;
use crate::world::firewall::Firewall;
use crate::world::ha::HaResource;
use crate::world::history::History;
use crate::world::{Secrets, World};

/// The content of the state file.
#[derive(Serialize, Deserialize)]
pub(crate) struct SavedState {
    pub(crate) identity: Identity,
    pub(crate) secrets: Secrets,
    containers: Vec<Container>,
    members: BTreeMap<u32, String>,
    foreign: BTreeSet<u32>,
    // Files of earlier releases have none of these.
    #[serde(default)]
    backups: BTreeMap<String, Backup>,
    #[serde(default)]
    ha: BTreeMap<u32, HaResource>,
    #[serde(default)]
    firewall: Firewall,
    #[serde(default)]
    past: BTreeMap<u32, History>,
}

impl SavedState {
    /// Reads the file; `None` if there is none yet.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Option<Self>> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("read {}", path.display()));
            }
        };
        let state = serde_json::from_slice(&text)
            .with_context(|| format!("{} is no state file of the simulator", path.display()))?;
        Ok(Some(state))
    }

    /// Puts the containers back.
    pub(crate) fn restore(self, world: &mut World) {
        world.containers = self
            .containers
            .into_iter()
            .map(|container| (container.vmid, container))
            .collect();
        world.access.pools.extend(self.members.values().cloned());
        world.access.pool_of_guest = self.members;
        world.foreign = self.foreign;
        world.backups = self.backups;
        world.ha = self.ha;
        world.firewall = self.firewall;
        world.past = self.past;
    }

    fn from_cluster(cluster: &Cluster, identity: &Identity) -> Self {
        let world = cluster.world();
        Self {
            identity: identity.clone(),
            secrets: cluster.secrets.clone(),
            containers: world.containers.values().cloned().collect(),
            members: world.access.pool_of_guest.clone(),
            foreign: world.foreign.clone(),
            backups: world.backups.clone(),
            ha: world.ha.clone(),
            firewall: world.firewall.clone(),
            past: world.past.clone(),
        }
    }
}

/// Writes the state as it is now.
pub(crate) fn save(cluster: &Cluster, identity: &Identity, path: &Path) -> anyhow::Result<()> {
    let text = serde_json::to_vec_pretty(&SavedState::from_cluster(cluster, identity))?;
    write_private(path, &text)
}

/// Writes a file that its owner alone can read, whole or not at all.
///
/// # Errors
/// The file, or its draft beside it, cannot be written.
pub fn write_private(path: &Path, text: &[u8]) -> anyhow::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let draft = path.with_extension("new");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .with_context(|| format!("write {}", draft.display()))?;
    file.write_all(text)?;
    std::fs::rename(&draft, path).with_context(|| format!("write {}", path.display()))
}

/// Writes the state after changes, several of them together.
pub(crate) async fn save_after_changes(
    cluster: Arc<Cluster>,
    identity: Identity,
    path: std::path::PathBuf,
) {
    loop {
        cluster.changed.notified().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        if let Err(error) = save(&cluster, &identity, &path) {
            tracing::warn!(%error, "the state file cannot be written");
        }
    }
}

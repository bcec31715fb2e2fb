//! The Proxmox host as the lease operations use it: the client and the consoles, which nodes and templates there are, and how
//! much may be asked of a node at once.

mod capacity;
mod usage;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use api_types::{ErrorCode, Size};
use pve::{
    Auth, Client, ClientConfig, ConsoleLocks, Consoles, ContainerState, Node, NodeName, NodeState,
    Pace, Secret, SharedTerminals, Tls, Vmid,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::{
    config::{ProxmoxConfig, TlsTrust},
    error::ApiError,
};

pub use usage::Usage;

/// Commands and consoles that run on one node at a time; Proxmox has a hundred console ports.
const CONSOLES_PER_NODE: usize = 8;
/// How long Proxmox may take to show that it is there before money or a machine is at stake. A single call of the client gives
/// up later, since what has been begun is worth more patience.
const FIRST_CONTACT: Duration = Duration::from_secs(5);
/// How long a list of nodes is good for a placement.
const NODES_FRESH: Duration = Duration::from_secs(5);
/// How long a list of templates is good.
const TEMPLATES_FRESH: Duration = Duration::from_secs(60);

/// The host and what is known of it.
pub struct Proxmox {
    /// The API.
    pub client: Client,
    /// Terminals and commands.
    pub consoles: Consoles,
    /// What we were told of it.
    pub config: ProxmoxConfig,
    /// How long containers take to get their addresses.
    pub addresses: Pace,
    creates: Mutex<HashMap<NodeName, Arc<Semaphore>>>,
    nodes: Kept<Vec<Node>>,
    templates: Kept<Vec<Template>>,
    usage: Kept<Vec<Usage>>,
    seen: Mutex<HashMap<Vmid, (Instant, ContainerState)>>,
    room: Kept<Option<u32>>,
}

/// A template on offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The name by which customers ask for it: `debian-12-standard`.
    pub name: String,
    /// Proxmox's volume id.
    pub volume: String,
}

impl Template {
    /// Whether a customer who says this means it: by its name, or by its volume id.
    pub fn is_called(&self, wanted: &str) -> bool {
        self.name == wanted || self.volume == wanted
    }
}

/// What is said of a template that is none of those.
pub const NOT_ON_OFFER: &str = "is none of those in GET /catalog";

/// A value and when it was read.
type Kept<T> = tokio::sync::Mutex<Option<(Instant, T)>>;

impl Proxmox {
    /// Makes the clients; nothing is asked of the host yet. Replicas share `terminals`.
    ///
    /// # Errors
    /// The address, an account or the TLS settings cannot be used.
    pub fn new(
        config: ProxmoxConfig,
        terminals: Option<Arc<dyn SharedTerminals>>,
    ) -> Result<Self, pve::ConfigError> {
        let secret = Secret::new(config.token_secret.expose());
        let client = connect(&config, Auth::token(&config.token_id, secret))?;
        let fallback = config
            .console
            .as_ref()
            .map(|console| {
                let password = Secret::new(console.password.expose());
                connect(&config, Auth::password(&console.user, password))
            })
            .transpose()?;
        Ok(Self {
            consoles: Consoles::new(
                client.clone(),
                fallback,
                ConsoleLocks::new(CONSOLES_PER_NODE).among(terminals),
            ),
            client,
            config,
            addresses: Pace::default(),
            creates: Mutex::default(),
            nodes: Kept::default(),
            templates: Kept::default(),
            usage: Kept::default(),
            seen: Mutex::default(),
            room: Kept::default(),
        })
    }

    /// The right to make a container on a node.
    pub async fn create_turn(&self, node: &NodeName) -> OwnedSemaphorePermit {
        let semaphore = {
            let mut all = self.creates.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = || Arc::new(Semaphore::new(self.config.creates_per_node));
            Arc::clone(all.entry(node.clone()).or_insert_with(fresh))
        };
        semaphore
            .acquire_owned()
            .await
            .expect("the semaphore is never closed")
    }

    /// The nodes that we may use, online or not.
    ///
    /// # Errors
    /// Proxmox did not answer.
    pub async fn nodes(&self) -> Result<Vec<Node>, pve::Error> {
        let mut kept = self.nodes.lock().await;
        if let Some((read, nodes)) = &*kept
            && read.elapsed() < NODES_FRESH
        {
            return Ok(nodes.clone());
        }
        let mut nodes = self.client.nodes().await?;
        let ours = &self.config.nodes;
        nodes.retain(|node| ours.is_empty() || ours.contains(&node.node));
        *kept = Some((Instant::now(), nodes.clone()));
        Ok(nodes)
    }

    /// The node for a container of this size: online, with the most free memory, none of `without`.
    ///
    /// # Errors
    /// No node has room, or Proxmox did not answer.
    pub async fn place(&self, size: Size, without: &[NodeName]) -> Result<NodeName, ApiError> {
        let nodes = self.nodes().await?;
        let wanted = u64::from(size.memory_mb) << 20;
        let room = |node: &Node| match (node.maxmem, node.mem) {
            (Some(all), Some(used)) => all.saturating_sub(used),
            // Shown only to those with Sys.Audit; without it every node may have room.
            _ => u64::MAX,
        };
        nodes
            .iter()
            .filter(|node| node.status == NodeState::Online && !without.contains(&node.node))
            .filter(|node| room(node) >= wanted)
            .max_by_key(|node| room(node))
            .map(|node| node.node.clone())
            .ok_or_else(|| {
                let message = "No node has room for a container of this size just now.";
                ApiError::new(ErrorCode::CapacityExhausted, message).retry_after(60)
            })
    }

    /// The templates on offer, the default first.
    ///
    /// # Errors
    /// Proxmox did not answer.
    pub async fn templates(&self) -> Result<Vec<Template>, pve::Error> {
        if !self.config.templates.is_empty() {
            return Ok(named(self.config.templates.clone()));
        }
        let mut kept = self.templates.lock().await;
        if let Some((read, templates)) = &*kept
            && read.elapsed() < TEMPLATES_FRESH
        {
            return Ok(templates.clone());
        }
        let mut volumes = Vec::new();
        if let Some(node) = self
            .nodes()
            .await?
            .iter()
            .find(|node| node.status == NodeState::Online)
        {
            for storage in self.client.storages(&node.node, Some("vztmpl")).await? {
                let content = self
                    .client
                    .storage_content(&node.node, &storage.storage, "vztmpl");
                volumes.extend(content.await?.into_iter().map(|volume| volume.volid));
            }
        }
        // Debian's first, since most customers expect it and it is what the documents show.
        volumes.sort_by_key(|volume| (!volume.contains("debian"), volume.clone()));
        let templates = named(volumes);
        *kept = Some((Instant::now(), templates.clone()));
        Ok(templates)
    }
}

/// What Proxmox is asked before a request is admitted, within seconds.
///
/// # Errors
/// Its own, or Proxmox does not answer.
pub async fn first_contact<T, E: Into<ApiError>>(
    asked: impl Future<Output = Result<T, E>>,
) -> Result<T, ApiError> {
    match timeout(FIRST_CONTACT, asked).await {
        Ok(answered) => answered.map_err(Into::into),
        Err(_) => {
            tracing::warn!("Proxmox takes too long to answer");
            let message = "The machines cannot be reached just now; nothing was charged.";
            Err(ApiError::new(ErrorCode::HypervisorUnavailable, message).retry_after(10))
        }
    }
}

/// A client for this host and account; nothing is asked yet.
///
/// # Errors
/// The address, the account or the TLS settings cannot be used.
pub fn connect(config: &ProxmoxConfig, auth: Auth) -> Result<Client, pve::ConfigError> {
    let tls = match &config.tls {
        TlsTrust::System => Tls::System,
        TlsTrust::CaFile(path) => Tls::CaFile(path.clone()),
        TlsTrust::Fingerprint(fingerprint) => Tls::Fingerprint(*fingerprint),
        TlsTrust::Insecure => Tls::Insecure,
    };
    Client::new(ClientConfig {
        tls,
        ..ClientConfig::new(&config.host, auth)
    })
}

/// `local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst` is `debian-12-standard`; where two would be called the same, the
/// file's name tells them apart.
pub(crate) fn named(volumes: Vec<String>) -> Vec<Template> {
    let file = |volume: &str| volume.rsplit('/').next().unwrap_or(volume).to_owned();
    let short = |volume: &str| {
        file(volume)
            .split('_')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let shorts: Vec<_> = volumes.iter().map(|volume| short(volume)).collect();
    volumes
        .into_iter()
        .map(|volume| {
            let name = short(&volume);
            let twice = shorts.iter().filter(|other| **other == name).count() > 1;
            Template {
                name: if twice { file(&volume) } else { name },
                volume,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_called_what_people_call_them() {
        let volumes = [
            "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst",
            "local:vztmpl/alpine-3.20-default_20240908_amd64.tar.xz",
            "nas:vztmpl/alpine-3.20-default_20240101_amd64.tar.xz",
        ];
        let names: Vec<_> = named(volumes.map(String::from).into())
            .into_iter()
            .map(|template| template.name)
            .collect();
        assert_eq!(
            names,
            [
                "debian-12-standard",
                "alpine-3.20-default_20240908_amd64.tar.xz",
                "alpine-3.20-default_20240101_amd64.tar.xz",
            ]
        );
    }
}

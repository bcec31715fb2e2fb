//! Proxmox as leases and consoles use it: the client, terminals, caches of its lists, the choice of
//! a node, and limits on concurrent work of each node. `lease` acts on containers through it.

mod capacity;
mod guests;
mod sites;
pub(crate) mod templates;
mod usage;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use api_types::{ErrorCode, Size};
use pve::{
    Auth, Client, ClientConfig, Consoles, ContainerState, Node, NodeName, PollSchedule,
    SharedTerminals, TerminalLocks, Tls, Vmid,
};
use service::semaphore::ResizablePermit;
use tokio::time::timeout;

use crate::{
    config::{ProxmoxConfig, TlsTrust},
    error::ApiError,
    shares::{NodeSemaphores, Shares},
};

pub use guests::ListedPosition;
pub use sites::NodeSite;
pub use templates::Template;
use usage::UsageCache;
pub use usage::{ContainerUsage, RecentUsage};

use sites::{KnownSites, RootStorage};

/// Commands that run on one node at a time; Proxmox has a hundred console ports.
pub const COMMANDS_PER_NODE: usize = 8;
/// How long Proxmox may take to answer before a request is admitted. The client's own timeout is
/// longer, because work that has begun is worth a longer wait.
const FIRST_CONTACT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a list of nodes is good for a placement.
const NODES_FRESH: Duration = Duration::from_secs(5);

/// The clients of Proxmox, and what was read from it.
pub struct Proxmox {
    /// The API.
    pub client: Client,
    /// Terminals and commands.
    pub consoles: Consoles,
    /// Its configuration.
    pub config: ProxmoxConfig,
    /// How long containers take to get their addresses.
    pub addresses: PollSchedule,
    creates: NodeSemaphores,
    nodes: Cached<Vec<Node>>,
    guests: tokio::sync::Mutex<Option<guests::GuestsAnswer>>,
    sites: tokio::sync::Mutex<KnownSites>,
    usage: tokio::sync::Mutex<UsageCache>,
    seen: Mutex<HashMap<Vmid, (Instant, ContainerState)>>,
}

/// The text for a template that is not on offer.
pub const NOT_ON_OFFER: &str = "is none of those in GET /catalog";

/// A value and when it was read.
pub(crate) type Cached<T> = tokio::sync::Mutex<Option<(Instant, T)>>;

impl Proxmox {
    /// Makes the clients, without a request to the host. Replicas share `terminals`, and divide the
    /// limits of each node by `shares`.
    ///
    /// # Errors
    /// The address, an account or the TLS settings cannot be used.
    pub fn new(
        config: ProxmoxConfig,
        terminals: Option<Arc<dyn SharedTerminals>>,
        shares: &Shares,
    ) -> Result<Self, pve::ConfigError> {
        let creates = NodeSemaphores::new(shares.share_of(config.creates_per_node));
        let auth = Auth::token(&config.token_id, config.token_secret.clone());
        let client = connect(&config, auth)?;
        let fallback = config
            .console
            .as_ref()
            .map(|console| {
                let auth = Auth::password(&console.user, console.password.clone());
                connect(&config, auth)
            })
            .transpose()?;
        Ok(Self {
            consoles: Consoles::new(
                client.clone(),
                fallback,
                TerminalLocks::new(COMMANDS_PER_NODE).shared_through(terminals),
            ),
            client,
            config,
            addresses: PollSchedule::default(),
            creates,
            nodes: Cached::default(),
            guests: tokio::sync::Mutex::default(),
            sites: tokio::sync::Mutex::default(),
            usage: tokio::sync::Mutex::default(),
            seen: Mutex::default(),
        })
    }

    /// A permit to create a container on a node.
    pub async fn create_permit(&self, node: &NodeName) -> ResizablePermit {
        self.creates.acquire(node).await
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

    /// The node for a container of this size: online, with the template and the storage for its
    /// disk, none of `without`, and of those the one with the most free memory.
    ///
    /// # Errors
    /// No node fits, or Proxmox did not answer.
    pub async fn pick_node(
        &self,
        size: Size,
        template: &str,
        without: &[NodeName],
    ) -> Result<NodeName, ApiError> {
        let sites = self.sites().await?;
        let equipped: Vec<&NodeSite> = self.equipped(&sites, template).collect();
        let refused = |message: &str| {
            let error = ApiError::new(ErrorCode::CapacityExhausted, message);
            error.retry_after(60)
        };
        if equipped.is_empty() {
            let message = "No node that is online has this template and the storage for its disk \
                           just now; nothing was charged.";
            return Err(refused(message));
        }
        let wanted = u64::from(size.memory_mb) << 20;
        let room = |node: &Node| match (node.maxmem, node.mem) {
            (Some(all), Some(used)) => all.saturating_sub(used),
            // Shown only to those with Sys.Audit; without it every node may have room.
            _ => u64::MAX,
        };
        equipped
            .into_iter()
            .filter(|site| !without.contains(&site.node.node) && room(&site.node) >= wanted)
            .max_by_key(|site| (site.is_known(), room(&site.node)))
            .map(|site| site.node.node.clone())
            .ok_or_else(|| refused("No node has room for a container of this size just now."))
    }

    /// The nodes that can make containers from this template.
    fn equipped<'a>(
        &self,
        sites: &'a [NodeSite],
        template: &str,
    ) -> impl Iterator<Item = &'a NodeSite> + use<'a, '_> {
        let template = template.to_owned();
        sites.iter().filter(move |site| {
            site.has_template(&template) && site.root(&self.config.storage) != RootStorage::Unusable
        })
    }

    /// The templates on offer, the default first: those that the operator named, whether or not
    /// they are there, or else all that can be used on a node that is online.
    ///
    /// # Errors
    /// Proxmox did not answer.
    pub async fn templates(&self) -> Result<Vec<Template>, pve::Error> {
        if !self.config.templates.is_empty() {
            return Ok(templates::named(&self.config.templates));
        }
        let sites = self.sites().await?;
        let volumes = sites.iter().flat_map(NodeSite::templates);
        Ok(templates::offered(volumes.cloned()))
    }

    /// Whether anything can be leased just now, as far as it hangs on nodes, storages and
    /// templates; in words for the public.
    ///
    /// # Errors
    /// Nothing can be leased, and why.
    pub async fn offer(&self) -> Result<String, &'static str> {
        let away = |_| "Proxmox does not answer";
        let templates = self.templates().await.map_err(away)?;
        let sites = self.sites().await.map_err(away)?;
        if sites.is_empty() {
            return Err("no node is online");
        }
        if templates.is_empty() {
            return Err("no template can be used");
        }
        let all = templates.len();
        let usable = templates.iter().filter(|template| {
            let mut equipped = self.equipped(&sites, &template.volume);
            equipped.next().is_some()
        });
        match usable.count() {
            0 => Err("no node that is online has a template and the storage for disks"),
            usable => Ok(format!("{usable} of {all} templates can be leased")),
        }
    }
}

/// What Proxmox is asked before a request is admitted, within seconds.
///
/// # Errors
/// Its own, or Proxmox does not answer.
pub async fn first_contact<T, E: Into<ApiError>>(
    asked: impl Future<Output = Result<T, E>>,
) -> Result<T, ApiError> {
    match timeout(FIRST_CONTACT_TIMEOUT, asked).await {
        Ok(answered) => answered.map_err(Into::into),
        Err(_) => {
            tracing::warn!("Proxmox takes too long to answer");
            let message = "The container's host cannot be reached just now; nothing was charged.";
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

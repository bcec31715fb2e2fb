//! What keeps a tenant from the operator's network: the guest's own firewall with the datacenter's group of rules, and a table
//! of the host on the bridge itself where `doctor --probe` has proven it. Proxmox treats a group that is missing as one without
//! rules, so that it is looked for before each lease.

use std::time::{Duration, Instant};

use api_types::ErrorCode;
use pve::{FirewallRule, GuestFirewall, Network, NodeName, Policy, Rate, Refusal, Vmid};
use serde::{Deserialize, Serialize};

use crate::{
    config::{FencePolicy, NetworkConfig},
    error::ApiError,
    proxmox::Kept,
    state::App,
    store::{Lease, Store, StoreError},
};

/// The name under which a successful probe is kept in the store.
pub const PROVEN: &str = "fence_proven";
/// How long a look at the datacenter's firewall is good.
const FRESH: Duration = Duration::from_secs(10);
/// Seconds after which the host's firewall has taken in the rules of a guest: its loop is ten seconds, and takes a moment.
pub const SETTLES_AFTER: i64 = 12;

/// What a probe has shown, as it is kept in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The bridge that was probed.
    pub bridge: String,
    /// The network behind it.
    pub network: String,
    /// When, Unix seconds.
    pub at: i64,
}

/// What fences containers in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fence {
    /// The host's own table on the bridge, from the first packet on; proven by a probe.
    Bridge,
    /// The guest's firewall, some seconds after its rules were set.
    Guest,
    /// Nothing, and why.
    Open(Gap),
}

/// Why nothing fences containers in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// They have no network.
    NoNetwork,
    /// They are on the operator's own network, with addresses of its DHCP server.
    OwnNetwork,
    /// The security group is missing.
    NoGroup,
    /// The datacenter's firewall is off.
    Off,
    /// The node's firewall is off.
    NodeOff,
}

impl Gap {
    /// What the operator has to do.
    pub fn mend(self) -> &'static str {
        match self {
            Self::NoNetwork => "nothing: containers have no network",
            Self::OwnNetwork => "set PVE_NETWORK; `proxmox-api doctor --setup` prints the fence",
            Self::NoGroup => {
                "make the security group of PVE_SECURITY_GROUP: `proxmox-api doctor --setup` prints it"
            }
            Self::Off => {
                "switch the datacenter's firewall on, or prove the bridge's own table by `proxmox-api doctor --probe`"
            }
            Self::NodeOff => {
                "switch the node's firewall on, or prove the bridge's own table by `proxmox-api doctor --probe`"
            }
        }
    }
}

/// What is known of the datacenter, some seconds old at most.
#[derive(Default)]
pub struct RecentFence(Kept<(NodeName, Fence)>);

/// What fences a container on a node in.
///
/// # Errors
/// Proxmox did not answer, or the store failed.
pub async fn of_node(app: &App, node: &NodeName) -> Result<Fence, ApiError> {
    let mut kept = app.fence.0.lock().await;
    if let Some((read, (known, fence))) = &*kept
        && read.elapsed() < FRESH
        && known == node
    {
        return Ok(*fence);
    }
    let fence = look(app, node).await?;
    *kept = Some((Instant::now(), (node.clone(), fence)));
    Ok(fence)
}

async fn look(app: &App, node: &NodeName) -> Result<Fence, ApiError> {
    let config = &app.proxmox.config;
    let Some(bridge) = &config.bridge else {
        return Ok(Fence::Open(Gap::NoNetwork));
    };
    let Some(subnet) = config.network.subnet else {
        return Ok(Fence::Open(Gap::OwnNetwork));
    };
    if is_proven(&app.store, bridge, &subnet.to_string()).await? {
        return Ok(Fence::Bridge);
    }
    let client = &app.proxmox.client;
    let groups = client.security_groups().await?;
    if !groups
        .iter()
        .any(|group| group.group == config.network.group)
    {
        return Ok(Fence::Open(Gap::NoGroup));
    }
    // Both are shown to those with Sys.Audit only; without it the group is all that can be known.
    match client.cluster_firewall().await {
        Ok(firewall) if !firewall.enable => return Ok(Fence::Open(Gap::Off)),
        Ok(_) => {}
        Err(error) if is_forbidden(&error) => {}
        Err(error) => return Err(error.into()),
    }
    match client.node_firewall(node).await {
        Ok(firewall) if !firewall.is_enabled() => Ok(Fence::Open(Gap::NodeOff)),
        Ok(_) => Ok(Fence::Guest),
        Err(error) if is_forbidden(&error) => Ok(Fence::Guest),
        Err(error) => Err(error.into()),
    }
}

fn is_forbidden(error: &pve::Error) -> bool {
    matches!(error.refusal(), Some(Refusal::Forbidden { .. }))
}

/// Whether a probe has shown that the bridge's own table fences this network in.
///
/// # Errors
/// The database failed.
pub async fn is_proven(store: &Store, bridge: &str, network: &str) -> Result<bool, StoreError> {
    let kept = store.kept(PROVEN).await?;
    let proof: Option<Proof> = kept.and_then(|text| serde_json::from_str(&text).ok());
    Ok(proof.is_some_and(|proof| proof.bridge == bridge && proof.network == network))
}

/// The fence for a lease that is asked for. One that cannot be fenced in is refused where the operator wants that.
///
/// # Errors
/// 503 it cannot be fenced in; nothing was charged.
pub async fn for_sale(app: &App, node: &NodeName) -> Result<Fence, ApiError> {
    let fence = of_node(app, node).await?;
    let Fence::Open(gap) = fence else {
        return Ok(fence);
    };
    if gap == Gap::NoNetwork || app.proxmox.config.network.fence == FencePolicy::Warn {
        return Ok(fence);
    }
    metrics::counter!("leases_refused_total", "reason" => "not_fenced").increment(1);
    tracing::error!(%node, gap = ?gap, mend = gap.mend(), "a lease is refused because its container cannot be fenced in");
    let message = "Containers cannot be kept apart from the operator's network just now; nothing was charged.";
    Err(ApiError::new(ErrorCode::Unavailable, message).retry_after(300))
}

/// The interface of a lease's container; `None` for containers without a network.
pub fn interface(
    bridge: Option<&str>,
    config: &NetworkConfig,
    lease: &Lease,
    fence: Fence,
) -> Option<Network> {
    let bridge = bridge?;
    let address = lease
        .address
        .as_deref()
        .and_then(|address| address.parse().ok());
    let mut network = match (address, config.subnet) {
        (Some(address), Some(subnet)) => {
            let gateway = config.gateway.map(Into::into);
            let mut network = Network::fixed(bridge, address, subnet.prefix_len(), gateway);
            network.firewall = true;
            // Until the rules are in force.
            network.link_down = fence == Fence::Guest;
            network
        }
        _ => Network::dhcp(bridge),
    };
    network.vlan = config.vlan;
    network.rate = rate(config, lease.cores);
    Some(network)
}

/// What a container of so many cores may send and receive.
fn rate(config: &NetworkConfig, cores: u32) -> Option<Rate> {
    let mbit = u64::from(config.rate_mbit_per_core) * u64::from(cores);
    Rate::from_bytes_per_s(mbit * 125_000)
}

/// Sets the rules of a container that was just made and does not run yet.
///
/// # Errors
/// Proxmox did not do it.
pub async fn apply(app: &App, node: &NodeName, vmid: Vmid) -> Result<(), pve::Error> {
    let client = &app.proxmox.client;
    let off = || Some("nolog".to_owned());
    let options = GuestFirewall {
        enable: Some(true),
        policy_in: Some(Policy::Drop),
        policy_out: Some(Policy::Accept),
        // The container's own address and hardware address, and no other.
        ipfilter: Some(true),
        macfilter: Some(true),
        dhcp: Some(false),
        radv: Some(false),
        log_level_in: off(),
        log_level_out: off(),
        ..GuestFirewall::default()
    };
    let group = &app.proxmox.config.network.group;
    let rules = client.guest_rules(node, vmid).await?;
    if !rules.iter().any(|rule| rule.uses_group(group)) {
        let rule = FirewallRule::group(group);
        client.add_guest_rule(node, vmid, &rule).await?;
    }
    client.set_guest_firewall(node, vmid, &options).await
}

/// Why tenants are not fenced in, for customers and the log; `None` where they are, or where that is not known.
pub async fn notice(app: &App) -> Option<&'static str> {
    let node = app.proxmox.nodes().await.ok()?.first()?.node.clone();
    match of_node(app, &node).await {
        Ok(Fence::Open(Gap::NoNetwork)) | Ok(Fence::Bridge | Fence::Guest) | Err(_) => None,
        Ok(Fence::Open(_)) => Some(
            "Containers are not kept apart from each other and from the operator's network. Protect what runs in yours.",
        ),
    }
}

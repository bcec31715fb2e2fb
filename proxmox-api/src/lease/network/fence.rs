//! The fence between tenants and the operator's network: the guest's own firewall with the
//! datacenter's security group, or a table of the host on the bridge itself where `doctor --probe`
//! has proven it. Proxmox treats a missing group as one without rules, so it is looked for before
//! each lease.

use api_types::ErrorCode;
use pve::{FirewallRule, GuestFirewall, Network, NodeName, Policy, Rate, Refusal, RuleKind, Vmid};
use serde::{Deserialize, Serialize};

use crate::{
    config::{FencePolicy, NetworkConfig, ProxmoxConfig},
    error::ApiError,
    memory::fences::{Fence, FenceGap},
    proxmox::Proxmox,
    state::App,
    store::{Lease, Store, StoreError},
};

/// The name under which a successful probe is kept in the store.
pub const PROVEN: &str = "fence_proven";
/// How long a look at the datacenter's firewall is good, in milliseconds: less than a link waits,
/// so that it is looked again.
const FENCE_FRESH_MILLIS: u64 = 10_000;
/// What a probe has shown, as it is kept in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceProof {
    /// The bridge that was probed.
    pub bridge: String,
    /// The network behind it.
    pub network: String,
    /// The VLAN of it.
    #[serde(default)]
    pub vlan: Option<u16>,
    /// The nodes on which it was probed: each has a table of its own.
    #[serde(default)]
    pub nodes: Vec<NodeName>,
    /// When, Unix seconds.
    pub at: i64,
}

/// The fence on a node, by an answer that is a few seconds old at most.
///
/// # Errors
/// Proxmox did not answer, or the store failed.
pub async fn read_fence(app: &App, node: &NodeName) -> Result<Fence, ApiError> {
    let seen = app.fence.of_node(node);
    let mut kept = seen.lock().await;
    let now = app.clock.unix_millis();
    // A later time was stored before the clock was set back.
    if let Some((at, fence)) = *kept
        && now
            .checked_sub(at)
            .is_some_and(|age| age < FENCE_FRESH_MILLIS)
    {
        return Ok(fence);
    }
    let fence = read_fence_uncached(app, node).await?;
    *kept = Some((now, fence));
    Ok(fence)
}

async fn read_fence_uncached(app: &App, node: &NodeName) -> Result<Fence, ApiError> {
    let config = &app.proxmox.config;
    if config.bridge.is_none() {
        return Ok(Fence::Open(FenceGap::NoNetwork));
    }
    if config.network.subnet.is_none() {
        return Ok(Fence::Open(FenceGap::OwnNetwork));
    }
    let proof = load_proof(&app.store, config).await?;
    if proof.is_some_and(|proof| proof.nodes.contains(node)) {
        return Ok(Fence::Bridge);
    }
    Ok(match guest_firewall_gap(&app.proxmox, node).await? {
        Some(gap) => Fence::Open(gap),
        None => Fence::Guest,
    })
}

/// Why the guests' firewall does not act on a node; `None` where it does, as far as this account
/// sees.
///
/// # Errors
/// Proxmox did not answer.
pub async fn guest_firewall_gap(
    proxmox: &Proxmox,
    node: &NodeName,
) -> Result<Option<FenceGap>, pve::Error> {
    let (client, config) = (&proxmox.client, &proxmox.config);
    let groups = client.security_groups().await?;
    if !groups
        .iter()
        .any(|group| group.group == config.network.group)
    {
        return Ok(Some(FenceGap::NoGroup));
    }
    // The rest is shown to those with Sys.Audit only; without it the group is all that can be
    // known.
    if let Some(rules) = shown(client.security_group(&config.network.group).await)?
        && !rules.iter().any(closes_a_way_out)
    {
        return Ok(Some(FenceGap::NoRules));
    }
    match shown(client.cluster_firewall().await)? {
        Some(firewall) if !firewall.enable => return Ok(Some(FenceGap::Off)),
        Some(firewall) if firewall.ebtables == Some(false) => {
            return Ok(Some(FenceGap::NoEbtables));
        }
        _ => {}
    }
    let Some(firewall) = shown(client.node_firewall(node).await)? else {
        return Ok(None);
    };
    if !firewall.is_enabled() {
        return Ok(Some(FenceGap::NodeOff));
    }
    let service = shown(client.service_state(node, firewall.service()).await)?;
    let is_down = service.is_some_and(|service| !service.is_running());
    Ok(is_down.then_some(FenceGap::NotRunning))
}

/// A group that only lets in, or only accepts, leaves every way out open: guests accept what no
/// rule drops.
pub(crate) fn closes_a_way_out(rule: &FirewallRule) -> bool {
    rule.enable && rule.kind == RuleKind::Out && rule.action != Policy::Accept.as_str()
}

/// `None`: this account may not see it.
fn shown<T>(answer: Result<T, pve::Error>) -> Result<Option<T>, pve::Error> {
    match answer {
        Ok(shown) => Ok(Some(shown)),
        Err(error) if matches!(error.refusal(), Some(Refusal::Forbidden { .. })) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a probe has shown of the network that is configured now.
///
/// # Errors
/// The database failed.
pub async fn load_proof(
    store: &Store,
    config: &ProxmoxConfig,
) -> Result<Option<FenceProof>, StoreError> {
    let stored = store.installation_value(PROVEN).await?;
    let proof: Option<FenceProof> = stored.and_then(|text| serde_json::from_str(&text).ok());
    let network = config.network.subnet.map(|subnet| subnet.to_string());
    Ok(proof.filter(|proof| {
        config.bridge.as_ref() == Some(&proof.bridge)
            && network.as_ref() == Some(&proof.network)
            && config.network.vlan == proof.vlan
    }))
}

/// The fence for a lease that is asked for. One that cannot be fenced in is refused where the
/// operator wants that.
///
/// # Errors
/// 503 it cannot be fenced in; nothing was charged.
pub async fn require(app: &App, node: &NodeName) -> Result<Fence, ApiError> {
    let fence = read_fence(app, node).await?;
    let Some(gap) = required_gap(app, fence) else {
        return Ok(fence);
    };
    metrics::counter!("leases_refused_total", "reason" => "not_fenced").increment(1);
    tracing::error!(%node, gap = ?gap, mend = gap.mend(), "the lease is refused because its container would not be fenced in");
    let message = "Containers cannot be kept apart from the operator's network just now; nothing was charged.";
    Err(ApiError::new(ErrorCode::Unavailable, message).retry_after(300))
}

/// The gap because of which no container may be on the bridge; `None` where the operator allows it.
pub(crate) fn required_gap(app: &App, fence: Fence) -> Option<FenceGap> {
    match fence {
        Fence::Bridge | Fence::Guest | Fence::Open(FenceGap::NoNetwork) => None,
        Fence::Open(_) if app.proxmox.config.network.fence == FencePolicy::Warn => None,
        Fence::Open(gap) => Some(gap),
    }
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
pub async fn apply(proxmox: &Proxmox, node: &NodeName, vmid: Vmid) -> Result<(), pve::Error> {
    let client = &proxmox.client;
    let off = || Some("nolog".to_owned());
    let options = GuestFirewall {
        policy_out: Some(Policy::Accept),
        dhcp: Some(false),
        radv: Some(false),
        log_level_in: off(),
        log_level_out: off(),
        ..filters()
    };
    let group = &proxmox.config.network.group;
    let rules = client.guest_rules(node, vmid).await?;
    if !rules.iter().any(|rule| rule.uses_group(group)) {
        let rule = FirewallRule::group(group);
        client.add_guest_rule(node, vmid, &rule).await?;
    }
    client.set_guest_firewall(node, vmid, &options).await
}

/// The options without which a guest's firewall does not filter.
fn filters() -> GuestFirewall {
    GuestFirewall {
        enable: Some(true),
        policy_in: Some(Policy::Drop),
        // The container's own address and hardware address, and no other.
        ipfilter: Some(true),
        macfilter: Some(true),
        ..GuestFirewall::default()
    }
}

/// Whether a container's own firewall filters what its interface sends.
///
/// # Errors
/// Proxmox did not answer.
pub async fn filters_guest(
    proxmox: &Proxmox,
    node: &NodeName,
    vmid: Vmid,
    interface: &Network,
) -> Result<bool, pve::Error> {
    let client = &proxmox.client;
    let group = &proxmox.config.network.group;
    Ok(interface.firewall
        && client
            .guest_firewall(node, vmid)
            .await?
            .agrees_with(&filters())
        && client
            .guest_rules(node, vmid)
            .await?
            .iter()
            .any(|rule| rule.uses_group(group)))
}

/// Why tenants are not fenced in on some node, for customers; `None` where they are, or where that
/// is not known.
pub async fn notice(app: &App) -> Option<&'static str> {
    for node in app.proxmox.nodes().await.ok()? {
        match read_fence(app, &node.node).await {
            Ok(Fence::Open(FenceGap::NoNetwork)) => return None,
            Ok(Fence::Open(_)) => {
                return Some(
                    "Containers are not kept apart from each other and from the operator's network. Protect what runs in yours.",
                );
            }
            Ok(Fence::Bridge | Fence::Guest) | Err(_) => {}
        }
    }
    None
}

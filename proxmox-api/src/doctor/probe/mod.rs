//! `proxmox-api doctor --probe`: makes two throwaway containers on each node, tries from inside what a
//! tenant must not reach and what has to work, removes them, and keeps in the store that the bridge's
//! own table fences this network in. The containers are outside of the guests' firewall, so that
//! nothing but the table can close a way. Only then is it switched on for one of them, which tries to
//! send with another's address, and lastly how many processes it may have.

mod claim;
mod guests;
mod processes;
mod way_in;
mod ways;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ipnet::Ipv4Net;
use pve::{NodeName, Vmid};
use service::{clock::Clock, crypto};

pub use claim::Claim;
use ways::INTERNET;
pub use ways::Way;

use super::{Finding, nodes};
use crate::{
    config::Config,
    lease::fence::{PROVEN, Proof, SETTLES_AFTER},
    proxmox::Proxmox,
    store::{DatabaseCondition, ProbeClaim, Store, database_condition},
};
use claim::Addresses;
use guests::Guests;

const CHECK: &str = "probe";
/// Addresses that a probe needs: of its two containers, and one that is nobody's.
const ADDRESSES: usize = 3;
/// The command that prints the fence.
const SETUP: &str = "proxmox-api doctor --setup  # prints the fence for these settings";

/// Waits in a container until it knows its router.
const NETWORK_UP: &str =
    "n=0; until ip route show default | grep -q . || [ $n -ge 20 ]; do n=$((n+1)); sleep 1; done";

/// Which ways are tried.
#[derive(Debug, Clone)]
pub enum Ways {
    /// All that a tenant has, also to a second container, on the bridge and by way of the gateway.
    OfTenants,
    /// These, from the one container to elsewhere.
    These(Vec<Way>, Beside),
}

/// What is tried beside the ways. It says nothing of the bridge's table, and disproves nothing.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// An address of another's is claimed.
    pub claim: Option<Claim>,
    /// So many processes are made.
    pub processes: Option<u32>,
}

impl Ways {
    fn beside(&self) -> Beside {
        match self {
            Self::These(_, beside) => beside.clone(),
            Self::OfTenants => Beside {
                claim: Some(Claim {
                    host: INTERNET.0.into(),
                    port: INTERNET.1,
                    settles: Duration::from_secs(SETTLES_AFTER.unsigned_abs()),
                }),
                processes: Some(processes::MOST),
            },
        }
    }
}

/// What is known before a container is made.
struct Place {
    bridge: String,
    vlan: Option<u16>,
    subnet: Ipv4Net,
    gateway: Ipv4Addr,
    /// Of the two containers, and one that is claimed.
    addresses: [Ipv4Addr; ADDRESSES],
    template: String,
}

/// Probes every node. `stopped` ends it at the next step; the containers are removed all the same.
pub async fn run(
    config: &Config,
    proxmox: &Proxmox,
    clock: &dyn Clock,
    ways: Ways,
    stopped: &AtomicBool,
) -> Vec<Finding> {
    let id = crypto::random_hex(8);
    let (place, store) = match prepare(config, proxmox, &id, clock).await {
        Ok(ready) => ready,
        Err(finding) => return vec![*finding],
    };
    let (mut findings, usable) = nodes::examine(proxmox).await;
    findings.retain(|finding| !finding.mend.is_empty());
    let guests = Guests::new(proxmox, place.template.clone(), &id);
    let mut beside = Vec::new();
    let mut all_removed = true;
    for node in &usable {
        let tried = on_node(proxmox, &guests, node, &place, &ways, &mut beside, stopped).await;
        findings.extend(tried.unwrap_or_else(|why| {
            let expected = format!("the fence on {node} can be tried");
            vec![Finding::error(CHECK, &expected, why).mend(SETUP)]
        }));
        if let Err(left) = guests.remove().await {
            all_removed = false;
            let expected = "the probe's containers are removed";
            let found = format!("these may be left: {left}");
            findings.push(Finding::error(CHECK, expected, found).mend(
                "pct destroy VMID --force 1 --purge 1  # on the node; its name is infra402-probe",
            ));
        }
    }
    let is_proven = !usable.is_empty() && findings.iter().all(|finding| finding.mend.is_empty());
    findings.extend(beside);
    // Those of containers that may be left are nobody's until another probe.
    if all_removed && let Err(error) = store.release_probe_addresses(&id).await {
        let expected = "the probe's addresses are given back";
        findings.push(
            Finding::warning(CHECK, expected, error.to_string())
                .mend("proxmox-api doctor --probe  # again in an hour"),
        );
    }
    findings.push(keep(&store, &place, usable, is_proven, clock).await);
    findings
}

fn now(clock: &dyn Clock) -> i64 {
    i64::try_from(clock.unix_seconds()).unwrap_or(i64::MAX)
}

/// All that is needed, before anything is made.
async fn prepare(
    config: &Config,
    proxmox: &Proxmox,
    id: &str,
    clock: &dyn Clock,
) -> Result<(Place, Store), Box<Finding>> {
    let expected = "the fence can be tried";
    let lacks =
        |found: String, mend: &str| Box::new(Finding::error(CHECK, expected, found).mend(mend));
    let network = &proxmox.config.network;
    let (Some(subnet), Some(gateway), Some(bridge)) = (
        network.subnet,
        network.gateway,
        proxmox.config.bridge.clone(),
    ) else {
        return Err(lacks("PVE_NETWORK is not set".into(), SETUP));
    };
    let start = "start the service once, so that there is a store of this release";
    if !matches!(
        database_condition(&config.database).await,
        Ok(DatabaseCondition::InOrder)
    ) {
        return Err(lacks(
            "there is no store that could keep the outcome".into(),
            start,
        ));
    }
    let store = Store::open_database(&config.database).await;
    let store = store.map_err(|error| lacks(error.to_string(), start))?;
    let templates = proxmox.templates().await;
    let templates = templates.map_err(|error| lacks(error.safe_text(), "proxmox-api doctor"))?;
    let Some(template) = templates.first() else {
        return Err(lacks(
            "there is no template".into(),
            "proxmox-api doctor  # names the command",
        ));
    };
    let Some(pool) = proxmox.config.address_pool() else {
        return Err(lacks("PVE_NETWORK is not set".into(), SETUP));
    };
    // Last of all: what is claimed has to be given back.
    let claimed = store.claim_probe_addresses(id, pool, ADDRESSES, now(clock));
    let claimed = claimed
        .await
        .map_err(|error| lacks(error.to_string(), start))?;
    let addresses = match claimed {
        ProbeClaim::Claimed(addresses) => <[Ipv4Addr; ADDRESSES]>::try_from(addresses)
            .map_err(|_| lacks("the store gave too few addresses".into(), start))?,
        ProbeClaim::Busy(since) => {
            let minutes = (now(clock) - since) / 60;
            return Err(lacks(
                format!("another probe began {minutes} minutes ago, and has not ended"),
                "proxmox-api doctor --probe  # when it has; if it was killed, in an hour",
            ));
        }
        ProbeClaim::TooFew => {
            return Err(lacks(
                "too few addresses of PVE_NETWORK are free".into(),
                "PVE_NETWORK=…  # a larger one",
            ));
        }
    };
    let place = Place {
        bridge,
        vlan: network.vlan,
        subnet,
        gateway,
        addresses,
        template: template.volume.clone(),
    };
    Ok((place, store))
}

async fn on_node(
    proxmox: &Proxmox,
    guests: &Guests<'_>,
    node: &NodeName,
    place: &Place,
    ways: &Ways,
    beside: &mut Vec<Finding>,
    stopped: &AtomicBool,
) -> Result<Vec<Finding>, String> {
    let go_on = || match stopped.load(Ordering::Relaxed) {
        true => Err("it was stopped".to_owned()),
        false => Ok(()),
    };
    go_on()?;
    let [own, other, free] = place.addresses;
    let tenant = guests.start(node, own).await?;
    go_on()?;
    let neighbour = guests.start(node, other).await?;
    go_on()?;
    let to_neighbour = |what: &str| Way::closed(what, other, 22);
    let these = match ways {
        Ways::These(ways, _) => ways.clone(),
        Ways::OfTenants => {
            let (hosts, more) = known(proxmox, node).await;
            let mut all = ways::of_container(place.gateway.into(), &hosts, &more);
            all.push(to_neighbour("another tenant, on the bridge"));
            all
        }
    };
    if matches!(ways, Ways::OfTenants) {
        for vmid in [tenant, neighbour] {
            // A system needs some seconds until its network is up; without it every way seems closed.
            guests.says(node, vmid, NETWORK_UP.to_owned()).await?;
        }
    }
    if let (Ways::OfTenants, Some(source)) = (ways, proxmox.config.network.ssh_source) {
        let container = SocketAddr::new(own.into(), 22);
        beside.push(way_in::examine(source, container).await);
    }
    let mut findings = tried(guests, node, tenant, &these).await?;
    go_on()?;
    if matches!(ways, Ways::OfTenants) {
        for (vmid, to) in [(tenant, other), (neighbour, own)] {
            by_gateway(guests, node, vmid, to, place.gateway).await?;
        }
        let around = [to_neighbour("another tenant, by way of the gateway")];
        findings.extend(tried(guests, node, tenant, &around).await?);
    }
    go_on()?;
    let Beside { claim, processes } = ways.beside();
    if let Some(claim) = claim {
        let addresses = Addresses {
            own,
            other: free,
            gateway: place.gateway,
        };
        let at = (node, tenant);
        beside.push(claim::examine(proxmox, guests, at, &addresses, &claim).await?);
        go_on()?;
    }
    if let Some(most) = processes {
        beside.push(processes::examine(guests, node, neighbour, most).await?);
    }
    Ok(findings)
}

/// Addresses of the host, and of machines near it, as far as they are known here.
async fn known(proxmox: &Proxmox, node: &NodeName) -> (Vec<IpAddr>, Vec<IpAddr>) {
    let network = &proxmox.config.network;
    let (mut hosts, mut more): (Vec<IpAddr>, Vec<IpAddr>) = Default::default();
    for bridge in proxmox.client.bridges(node).await.unwrap_or_default() {
        hosts.extend(bridge.own_addresses());
        let router = bridge
            .gateway
            .and_then(|router| router.parse::<IpAddr>().ok());
        more.extend(router);
    }
    let url: Option<url::Url> = proxmox.config.host.parse().ok();
    let addresses = url.as_ref().and_then(|url| url.socket_addrs(|| None).ok());
    hosts.extend(addresses.into_iter().flatten().map(|address| address.ip()));
    more.extend(
        network
            .ssh_source
            .filter(|source| source.prefix_len() == source.max_prefix_len())
            .map(|source| source.addr()),
    );
    // From inside, loopback is the container itself.
    let fits = |address: &IpAddr| {
        !address.is_loopback() && network.gateway.map(IpAddr::V4) != Some(*address)
    };
    hosts.retain(fits);
    more.retain(fits);
    hosts.sort();
    hosts.dedup();
    (hosts, more)
}

/// Sends what is for an address to the gateway.
async fn by_gateway(
    guests: &Guests<'_>,
    node: &NodeName,
    vmid: Vmid,
    to: Ipv4Addr,
    gateway: Ipv4Addr,
) -> Result<(), String> {
    let script = format!("ip route replace {to}/32 via {gateway} && echo routed");
    let said = guests.says(node, vmid, script).await?;
    match said.contains("routed") {
        true => Ok(()),
        false => Err(
            "the template has no `ip`, by which the way around is tried: name another \
        one first in PVE_OS_TEMPLATE"
                .into(),
        ),
    }
}

async fn tried(
    guests: &Guests<'_>,
    node: &NodeName,
    vmid: Vmid,
    ways: &[Way],
) -> Result<Vec<Finding>, String> {
    if ways.is_empty() {
        return Ok(Vec::new());
    }
    let said = guests.says(node, vmid, ways::script(ways)).await?;
    if said.contains("no tools") {
        return Err(
            "the template has no bash or no timeout: name Debian's first in PVE_OS_TEMPLATE".into(),
        );
    }
    let answers = ways::answers(ways, &said);
    Ok(ways
        .iter()
        .zip(answers)
        .map(|(way, answer)| finding(node, way, answer))
        .collect())
}

fn finding(node: &NodeName, way: &Way, answer: Option<bool>) -> Finding {
    let Way {
        what,
        host,
        port,
        open,
    } = way;
    let word = |open: bool| if open { "open" } else { "closed" };
    let expected = format!(
        "from a container on {node}, {what} ({host}, port {port}) is {}",
        word(*open)
    );
    match answer {
        Some(reached) if reached == *open => Finding::ok(CHECK, &expected, "it is"),
        None => Finding::error(CHECK, &expected, "the container did not say")
            .mend("proxmox-api doctor --probe  # again"),
        Some(true) => Finding::error(CHECK, &expected, "it is open").mend(SETUP),
        Some(false) => Finding::error(CHECK, &expected, "it is closed")
            .mend("nft list ruleset  # on the host; and whether the host itself reaches it"),
    }
}

/// What was shown counts until it is shown otherwise.
async fn keep(
    store: &Store,
    place: &Place,
    nodes: Vec<NodeName>,
    is_proven: bool,
    clock: &dyn Clock,
) -> Finding {
    let expected = "the outcome is kept for the service";
    let proof = Proof {
        bridge: place.bridge.clone(),
        network: place.subnet.to_string(),
        vlan: place.vlan,
        nodes,
        at: now(clock),
    };
    let value = match is_proven {
        true => serde_json::to_string(&proof).unwrap_or_default(),
        false => "{}".to_owned(),
    };
    match store.set_installation_value(PROVEN, value).await {
        Ok(_) if is_proven => {
            let found = format!(
                "the table on {} fences {} in: leases need no other fence",
                place.bridge, place.subnet
            );
            Finding::ok(CHECK, expected, found)
        }
        Ok(_) => Finding::warning(
            CHECK,
            expected,
            "the fence is not proven, and the service knows",
        )
        .mend("proxmox-api doctor --probe  # again, when the errors are mended"),
        Err(error) => Finding::error(CHECK, expected, error.to_string()).mend("proxmox-api doctor"),
    }
}

//! The probe of one node: which network paths are open from inside of a container.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

use pve::{NodeName, Vmid};

use super::{
    CHECK, ExtraChecks, Finding, ProbeScope, SETUP,
    address_claim::{self, ClaimAddresses},
    containers::ProbeContainers,
    paths::{self, NetworkPath},
    prepare::ProbeNetwork,
    processes, ssh_access,
};
use crate::{config::Config, lease::guest::connect::SSH_PORT, proxmox::Proxmox};

/// Waits in a container until it knows its router.
const NETWORK_UP: &str =
    "n=0; until ip route show default | grep -q . || [ $n -ge 20 ]; do n=$((n+1)); sleep 1; done";

/// The probe of one node.
pub(super) struct NodeProbe<'a> {
    pub(super) config: &'a Config,
    pub(super) proxmox: &'a Proxmox,
    pub(super) containers: &'a ProbeContainers<'a>,
    pub(super) node: &'a NodeName,
    pub(super) network: &'a ProbeNetwork,
    pub(super) scope: &'a ProbeScope,
    /// Ends the probe before its next step.
    pub(super) stopped: &'a AtomicBool,
}

impl NodeProbe<'_> {
    /// Makes two containers and tries the paths; the findings of the extra checks go to `extra`.
    ///
    /// # Errors
    /// The probe cannot be done or was stopped. The containers are still there.
    pub(super) async fn run(&self, extra: &mut Vec<Finding>) -> Result<Vec<Finding>, String> {
        let Self {
            containers, node, ..
        } = *self;
        let [own, other, _] = self.network.addresses;
        self.check_stopped()?;
        let tenant = containers.start(node, own).await?;
        self.check_stopped()?;
        let neighbour = containers.start(node, other).await?;
        self.check_stopped()?;
        let is_complete = matches!(self.scope, ProbeScope::AllPaths);
        if is_complete {
            for vmid in [tenant, neighbour] {
                // A system needs some seconds until its network is up; without it every path seems
                // closed.
                let script = NETWORK_UP.to_owned();
                containers.run_script(node, vmid, script).await?;
            }
        }
        if self.scope.extra_checks().ssh {
            extra.extend(self.try_ssh(own).await);
            self.check_stopped()?;
        }
        let mut findings = self.try_paths(tenant, &self.paths().await).await?;
        self.check_stopped()?;
        if is_complete {
            for (vmid, target) in [(tenant, other), (neighbour, own)] {
                self.route_by_gateway(vmid, target).await?;
            }
            let path = to_neighbour("another tenant, by way of the gateway", other);
            findings.extend(self.try_paths(tenant, &[path]).await?);
        }
        self.check_stopped()?;
        self.check_extra(tenant, neighbour, extra).await?;
        Ok(findings)
    }

    /// The service's way into the first container.
    async fn try_ssh(&self, address: Ipv4Addr) -> Option<Finding> {
        if let Some(target) = self.containers.target(address) {
            return Some(ssh_access::log_in(self.config, target).await);
        }
        let source = self.proxmox.config.network.ssh_source?;
        let container = SocketAddr::new(address.into(), SSH_PORT);
        Some(ssh_access::examine(source, container).await)
    }

    fn check_stopped(&self) -> Result<(), String> {
        match self.stopped.load(Ordering::Relaxed) {
            true => Err("it was stopped".to_owned()),
            false => Ok(()),
        }
    }

    /// The paths to be tried before routes are changed.
    async fn paths(&self) -> Vec<NetworkPath> {
        match self.scope {
            ProbeScope::Only(paths, _) => paths.clone(),
            ProbeScope::AllPaths => {
                let (hosts, more) = known_addresses(self.proxmox, self.node).await;
                let [_, other, _] = self.network.addresses;
                let mut all = paths::of_tenants(self.network.gateway.into(), &hosts, &more);
                all.push(to_neighbour("another tenant, on the bridge", other));
                all
            }
        }
    }

    async fn check_extra(
        &self,
        tenant: Vmid,
        neighbour: Vmid,
        findings: &mut Vec<Finding>,
    ) -> Result<(), String> {
        let ExtraChecks {
            claim, processes, ..
        } = self.scope.extra_checks();
        if let Some(claim) = claim {
            let [own, _, free] = self.network.addresses;
            let addresses = ClaimAddresses {
                own,
                other: free,
                gateway: self.network.gateway,
            };
            let container = (self.node, tenant);
            let (proxmox, containers) = (self.proxmox, self.containers);
            let finding =
                address_claim::examine(proxmox, containers, container, &addresses, &claim).await?;
            findings.push(finding);
            self.check_stopped()?;
        }
        if let Some(count) = processes {
            let finding = processes::examine(self.containers, self.node, neighbour, count).await?;
            findings.push(finding);
        }
        Ok(())
    }

    /// Routes packets for an address through the gateway.
    async fn route_by_gateway(&self, vmid: Vmid, target: Ipv4Addr) -> Result<(), String> {
        let gateway = self.network.gateway;
        let script = format!("ip route replace {target}/32 via {gateway} && echo routed");
        let output = self.containers.run_script(self.node, vmid, script).await?;
        match output.contains("routed") {
            true => Ok(()),
            false => Err(
                "the template has no `ip`, which changes the route: name another one first in \
                 PVE_OS_TEMPLATE"
                    .into(),
            ),
        }
    }

    async fn try_paths(&self, vmid: Vmid, paths: &[NetworkPath]) -> Result<Vec<Finding>, String> {
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let script = paths::script(paths);
        let output = self.containers.run_script(self.node, vmid, script).await?;
        if output.contains("no tools") {
            return Err(
                "the template has no bash or no timeout: name Debian's first in PVE_OS_TEMPLATE"
                    .into(),
            );
        }
        let results = paths::read_results(paths, &output);
        let findings = paths.iter().zip(results);
        Ok(findings
            .map(|(path, reached)| path_finding(self.node, path, reached))
            .collect())
    }
}

fn to_neighbour(what: &str, address: Ipv4Addr) -> NetworkPath {
    NetworkPath::closed(what, address, 22)
}

/// Addresses of the host, and of machines near it, as far as the settings and Proxmox tell them.
async fn known_addresses(proxmox: &Proxmox, node: &NodeName) -> (Vec<IpAddr>, Vec<IpAddr>) {
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

fn path_finding(node: &NodeName, path: &NetworkPath, reached: Option<bool>) -> Finding {
    let NetworkPath {
        what,
        host,
        port,
        open,
    } = path;
    let word = |open: bool| if open { "open" } else { "closed" };
    let expected = format!(
        "from a container on {node}, {what} ({host}, port {port}) is {}",
        word(*open)
    );
    match reached {
        Some(reached) if reached == *open => Finding::ok(CHECK, &expected, "it is"),
        None => Finding::error(CHECK, &expected, "the container did not say")
            .mend("proxmox-api doctor --probe  # again"),
        Some(true) => Finding::error(CHECK, &expected, "it is open").mend(SETUP),
        Some(false) => Finding::error(CHECK, &expected, "it is closed")
            .mend("nft list ruleset  # on the host; and whether the host itself reaches it"),
    }
}

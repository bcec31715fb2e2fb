//! How busy the containers are, by one request for all of them.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use pve::{ContainerState, ContainerStatus, GuestResource, NodeName, Vmid};

use super::Proxmox;

/// How long figures for people are good; whoever watches them polls every few seconds, and many may watch.
const USAGE_FRESH: Duration = Duration::from_secs(3);
/// How far the cluster's list may lag: ten seconds, and two of a cache.
const LAG: Duration = Duration::from_secs(12);

/// The figures of one container; bytes where they are sizes.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct Usage {
    pub vmid: Vmid,
    pub node: NodeName,
    pub state: ContainerState,
    /// Share of its own cores, from 0 to 1.
    pub cpu: Option<f64>,
    pub memory: Option<u64>,
    pub max_memory: Option<u64>,
    pub disk: Option<u64>,
    pub max_disk: Option<u64>,
    pub network_in: Option<u64>,
    pub network_out: Option<u64>,
    /// Seconds.
    pub uptime: Option<u64>,
    /// The operation that holds it, such as `backup`.
    pub lock: Option<String>,
}

impl Proxmox {
    /// Every container that we may see: by the node's own list, which is live, where there is one node, else by the cluster's,
    /// which lags a few seconds.
    ///
    /// # Errors
    /// Proxmox did not answer.
    pub async fn usage(&self) -> Result<Vec<Usage>, pve::Error> {
        if let [node] = self.config.nodes.as_slice() {
            let containers = self.client.containers(node).await?;
            return Ok(containers
                .into_iter()
                .map(|container| of_container(node, container))
                .collect());
        }
        let guests = self.client.resources().await?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, (at, _)| at.elapsed() < LAG);
        let containers = guests.into_iter().filter(|guest| guest.kind == "lxc");
        Ok(containers
            .map(|guest| GuestResource {
                status: seen
                    .get(&guest.vmid)
                    .map_or(guest.status, |(_, state)| *state),
                ..guest
            })
            .map(of_guest)
            .collect())
    }

    /// The same, for these numbers at least: a container may have been moved from the one node to another.
    ///
    /// # Errors
    /// Proxmox did not answer.
    pub async fn usage_of(&self, vmids: &[Vmid]) -> Result<Vec<Usage>, pve::Error> {
        let mut usage = self.usage().await?;
        let is_known = |vmid: Vmid| usage.iter().any(|known| known.vmid == vmid);
        let missing: Vec<Vmid> = vmids
            .iter()
            .copied()
            .filter(|vmid| !is_known(*vmid))
            .collect();
        if self.config.nodes.len() == 1 && !missing.is_empty() {
            let guests = self.client.resources().await?;
            let elsewhere = guests
                .into_iter()
                .filter(|guest| guest.kind == "lxc" && missing.contains(&guest.vmid));
            usage.extend(elsewhere.map(of_guest));
        }
        Ok(usage)
    }

    /// Remembers a state that we have just brought about, until the cluster's list has it too.
    pub async fn saw(&self, vmid: Vmid, state: ContainerState) {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(vmid, (Instant::now(), state));
        *self.usage.lock().await = None;
    }

    /// The state that we have brought about a moment ago, which the cluster's list may not have
    /// yet.
    pub fn brought_about(&self, vmid: Vmid) -> Option<ContainerState> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, state) = seen.get(&vmid)?;
        (at.elapsed() < LAG).then_some(*state)
    }

    /// The same, a few seconds old at most.
    ///
    /// # Errors
    /// Proxmox did not answer.
    pub async fn recent_usage(&self) -> Result<Vec<Usage>, pve::Error> {
        // Held while Proxmox is asked: those who come meanwhile wait for this answer.
        let mut kept = self.usage.lock().await;
        if let Some((read, usage)) = &*kept
            && read.elapsed() < USAGE_FRESH
        {
            return Ok(usage.clone());
        }
        let usage = self.usage().await?;
        *kept = Some((Instant::now(), usage.clone()));
        Ok(usage)
    }
}

fn of_container(node: &NodeName, status: ContainerStatus) -> Usage {
    Usage {
        vmid: status.vmid,
        node: node.clone(),
        state: status.status,
        cpu: status.cpu,
        memory: status.mem,
        max_memory: status.maxmem,
        disk: status.disk,
        max_disk: status.maxdisk,
        network_in: status.netin,
        network_out: status.netout,
        uptime: status.uptime,
        lock: status.lock,
    }
}

fn of_guest(guest: GuestResource) -> Usage {
    Usage {
        vmid: guest.vmid,
        node: guest.node,
        state: guest.status,
        cpu: guest.cpu,
        memory: guest.mem,
        max_memory: guest.maxmem,
        disk: guest.disk,
        max_disk: guest.maxdisk,
        network_in: guest.netin,
        network_out: guest.netout,
        uptime: guest.uptime,
        lock: guest.lock,
    }
}

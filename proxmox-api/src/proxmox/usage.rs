//! The usage of all containers, by one request for all of them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use pve::{ContainerState, ContainerStatus, GuestResource, NodeName, Vmid};

use super::Proxmox;

/// How long figures for people are good: a page polls every few seconds, and many may be open.
const USAGE_FRESH: Duration = Duration::from_secs(3);
/// For how long a container that was asked for and not shown stays in the requests of later looks.
const ASKED_LATELY: Duration = Duration::from_secs(10);
/// How far the cluster's list may lag: ten seconds, and two of a cache.
const LAG: Duration = Duration::from_secs(12);

/// The figures of one container; bytes where they are sizes.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct ContainerUsage {
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

/// The containers as Proxmox showed them a few seconds ago.
#[derive(Debug)]
pub struct RecentUsage {
    /// When Proxmox was asked.
    pub at: Instant,
    all: HashMap<Vmid, ContainerUsage>,
}

impl RecentUsage {
    /// Without containers, for callers that need none.
    pub fn nothing() -> Self {
        Self {
            at: Instant::now(),
            all: HashMap::new(),
        }
    }

    /// The figures of a container; `None` where it is not shown.
    pub fn of(&self, vmid: Vmid) -> Option<&ContainerUsage> {
        self.all.get(&vmid)
    }
}

/// The last look at all containers.
#[derive(Default)]
pub(super) struct UsageCache {
    /// Its containers.
    kept: Option<Arc<RecentUsage>>,
    /// The numbers that were looked for and not seen, and when each was asked for last.
    absent: HashMap<Vmid, Instant>,
    /// The last failure, and when it was known.
    failed: Option<(Instant, pve::Error)>,
}

impl UsageCache {
    /// The last look, if it is fresh and was made for all of `needed`.
    fn fresh(&mut self, needed: &[Vmid], now: Instant) -> Option<Arc<RecentUsage>> {
        let usage = self.kept.as_ref()?;
        if now.saturating_duration_since(usage.at) >= USAGE_FRESH {
            return None;
        }
        for vmid in needed.iter().filter(|vmid| usage.of(**vmid).is_none()) {
            *self.absent.get_mut(vmid)? = now;
        }
        Some(Arc::clone(usage))
    }

    /// The containers that the next look has to search for: `needed`, and those that other callers
    /// missed lately, so that they need no look of their own.
    fn wanted(&mut self, needed: &[Vmid], now: Instant) -> HashSet<Vmid> {
        self.absent
            .retain(|_, asked| now.saturating_duration_since(*asked) < ASKED_LATELY);
        self.absent.extend(needed.iter().map(|vmid| (*vmid, now)));
        self.absent.keys().copied().collect()
    }
}

impl Proxmox {
    /// Every container that we may see: by the node's own list, which is live, where there is one
    /// node, else by the cluster's, which lags a few seconds.
    ///
    /// # Errors
    /// Proxmox did not answer.
    async fn usage(&self) -> Result<Vec<ContainerUsage>, pve::Error> {
        if let [node] = self.config.nodes.as_slice() {
            let containers = self.client.containers(node).await?;
            return Ok(containers
                .into_iter()
                .map(|container| usage_of_container(node, container))
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
            .map(usage_of_guest)
            .collect())
    }

    /// Remembers a state that we have just set, until the cluster's list has it too.
    pub async fn remember_state(&self, vmid: Vmid, state: ContainerState) {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(vmid, (Instant::now(), state));
        self.usage.lock().await.kept = None;
    }

    /// The state that we set within the last seconds, which the cluster's list may not have yet.
    pub fn state_set_by_us(&self, vmid: Vmid) -> Option<ContainerState> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, state) = seen.get(&vmid)?;
        (at.elapsed() < LAG).then_some(*state)
    }

    /// The containers that we may see, a few seconds old at most, and no older than what is missing
    /// of `needed`. All who ask meanwhile share one look, and its failure.
    ///
    /// # Errors
    /// Proxmox did not answer.
    pub async fn recent_usage(
        &self,
        needed: impl IntoIterator<Item = Vmid>,
    ) -> Result<Arc<RecentUsage>, pve::Error> {
        let (needed, asked) = (Vec::from_iter(needed), Instant::now());
        // Held while Proxmox is asked, so that concurrent callers share the answer.
        let mut figures = self.usage.lock().await;
        if let Some(usage) = figures.fresh(&needed, Instant::now()) {
            return Ok(usage);
        }
        if let Some((failed, error)) = &figures.failed
            && *failed > asked
        {
            return Err(error.clone());
        }
        let wanted = figures.wanted(&needed, Instant::now());
        match self.read_usage(wanted).await {
            Ok(usage) => {
                let usage = Arc::new(usage);
                figures.absent.retain(|vmid, _| usage.of(*vmid).is_none());
                figures.kept = Some(Arc::clone(&usage));
                Ok(usage)
            }
            Err(error) => {
                // That look was not made for all containers that are wanted by now.
                figures.kept = None;
                figures.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Every container, and where there is one node also those of `wanted` that were moved away
    /// from it.
    async fn read_usage(&self, mut wanted: HashSet<Vmid>) -> Result<RecentUsage, pve::Error> {
        let at = Instant::now();
        let mut all = by_vmid(self.usage().await?);
        wanted.retain(|vmid| !all.contains_key(vmid));
        if self.config.nodes.len() == 1 && !wanted.is_empty() {
            let guests = self.client.resources().await?;
            let elsewhere = guests
                .into_iter()
                .filter(|guest| guest.kind == "lxc" && wanted.contains(&guest.vmid));
            all.extend(by_vmid(elsewhere.map(usage_of_guest)));
        }
        Ok(RecentUsage { at, all })
    }

    /// One container as it is now, by its own status; where its node does not show it, by the
    /// cluster's list, as it may have been moved. `None`: it is not shown at all.
    ///
    /// # Errors
    /// Proxmox did not answer.
    pub async fn usage_of(
        &self,
        node: &NodeName,
        vmid: Vmid,
    ) -> Result<Option<ContainerUsage>, pve::Error> {
        let error = match self.client.container(node, vmid).await {
            Ok(status) => return Ok(Some(usage_of_container(node, status))),
            Err(error) => error,
        };
        // The list tells a node that is away from a container that is gone.
        let guests = self.client.resources().await.map_err(|_| error)?;
        let found = guests
            .into_iter()
            .find(|guest| guest.kind == "lxc" && guest.vmid == vmid);
        Ok(found.map(usage_of_guest))
    }
}

fn by_vmid(all: impl IntoIterator<Item = ContainerUsage>) -> HashMap<Vmid, ContainerUsage> {
    all.into_iter().map(|usage| (usage.vmid, usage)).collect()
}

fn usage_of_container(node: &NodeName, status: ContainerStatus) -> ContainerUsage {
    ContainerUsage {
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

fn usage_of_guest(guest: GuestResource) -> ContainerUsage {
    ContainerUsage {
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

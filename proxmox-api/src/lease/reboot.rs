//! Starts again what ran before its node rebooted. Containers do not start with their node by themselves, so that nothing runs
//! before its fence is up; what their owners switched off, inside or here, stays off.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pve::{ContainerState, GuestResource, Node, NodeName, NodeState};
use serde_json::json;
use tokio::time::Instant;

use super::{
    LeaseState,
    lanes::per_node,
    locate::{Located, locate},
    start, traffic,
};
use crate::{error::ApiError, ids::LeaseId, state::App, store::Lease};

/// Seconds after which the time at which a container was seen running is written down again.
const REFRESH: i64 = 3600;
/// Seconds by which a boot time may be wrong: uptimes come in whole seconds, and take a moment to come.
const CLOCKS: i64 = 2;
/// Seconds for which a container has to be off until it counts as switched off inside: a node stops
/// its containers minutes before it goes down, and is seen meanwhile.
const OFF_AFTER: i64 = 300;
/// Containers that are started at a time on one node.
const AT_ONCE: usize = 4;
/// How long a start may take.
const START_AT_MOST: Duration = Duration::from_secs(120);

/// Notes which containers run, and starts those that ran until their node rebooted; the leases of the latter.
///
/// # Errors
/// Proxmox or the store did not answer.
pub(super) async fn start_what_ran(
    app: &App,
    nodes: &[Node],
    leases: &[(&Lease, &GuestResource)],
) -> Result<Vec<LeaseId>, ApiError> {
    let now = app.now();
    let booted = boot_times(nodes, now);
    let seen = app.store.running_seen().await?;
    let (mut running, mut stopped, mut to_start) = (Vec::new(), Vec::new(), Vec::new());
    let mut off = HashMap::new();
    for (lease, guest) in leases {
        let paid = lease.expires_at.is_some_and(|end| end > now);
        if lease.state != LeaseState::Active || !paid {
            continue;
        }
        let id = lease.lease_id.clone();
        let sight = Sight {
            state: app
                .proxmox
                .brought_about(guest.vmid)
                .unwrap_or(guest.status),
            uptime: guest.uptime.and_then(|uptime| i64::try_from(uptime).ok()),
            boot: booted.get(&guest.node).copied(),
            running_seen: seen.get(&id).copied(),
            off_since: app.seen_off.since(&id),
        };
        match sight.meaning(now) {
            Meaning::Runs => running.push(id),
            Meaning::SwitchedOff => {
                tracing::info!(
                    lease.id = id.as_str(),
                    boot = sight.boot,
                    running_seen = sight.running_seen,
                    off_since = sight.off_since,
                    "a container counts as switched off by its owner"
                );
                stopped.push(id);
            }
            Meaning::WasRebooted => to_start.push((*lease).clone()),
            Meaning::OffSince(since) => {
                off.insert(id, since);
            }
            Meaning::Nothing => {}
        }
    }
    app.seen_off.set(off);
    if !running.is_empty() {
        app.store.saw_running(running, now).await?;
    }
    if !stopped.is_empty() {
        app.store.saw_stopped(stopped).await?;
    }
    Ok(start_all(app, to_start).await)
}

/// Containers of active leases that are seen off and may have been switched off inside: since when,
/// Unix seconds, by lease id.
#[derive(Default)]
pub struct SeenOff(Mutex<HashMap<LeaseId, i64>>);

impl SeenOff {
    fn since(&self, lease_id: &LeaseId) -> Option<i64> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(lease_id).copied()
    }

    fn set(&self, all: HashMap<LeaseId, i64>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = all;
    }
}

/// What is seen of the container of an active lease. Times in Unix seconds.
struct Sight {
    state: ContainerState,
    /// Seconds for which it runs, by the cluster's list.
    uptime: Option<i64>,
    /// When its node booted.
    boot: Option<i64>,
    /// When it was last seen running, unless its owner switched it off after that.
    running_seen: Option<i64>,
    /// Since when it is seen off.
    off_since: Option<i64>,
}

/// What that means.
#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    /// It runs, which has to be written down.
    Runs,
    /// It is off, by its owner or for long enough that nothing else switched it off.
    SwitchedOff,
    /// It is off since then; why is not known yet.
    OffSince(i64),
    /// It ran until its node went down.
    WasRebooted,
    /// Nothing new.
    Nothing,
}

impl Sight {
    fn meaning(&self, now: i64) -> Meaning {
        let boot = self.boot.unwrap_or(0);
        let ran_before = self.running_seen.is_some_and(|seen| seen < boot - CLOCKS);
        match (self.state, self.running_seen) {
            // The cluster's list lags: what it says runs for longer than its node is of before the
            // boot.
            (ContainerState::Running, _) if ran_before => match self.uptime {
                Some(uptime) if uptime == 0 || now - uptime < boot - CLOCKS => Meaning::Nothing,
                _ => Meaning::Runs,
            },
            (ContainerState::Running, seen) if seen.is_none_or(|at| now - at > REFRESH) => {
                Meaning::Runs
            }
            (ContainerState::Stopped, Some(_)) => {
                let since = self.off_since.unwrap_or(now);
                let until = if ran_before { boot } else { now };
                match until - since >= OFF_AFTER {
                    true => Meaning::SwitchedOff,
                    false if ran_before => Meaning::WasRebooted,
                    false => Meaning::OffSince(since),
                }
            }
            _ => Meaning::Nothing,
        }
    }
}

/// When each node booted, Unix seconds, where this account may see that.
fn boot_times(nodes: &[Node], now: i64) -> HashMap<NodeName, i64> {
    nodes
        .iter()
        .filter(|node| node.status == NodeState::Online)
        .filter_map(|node| {
            let uptime = i64::try_from(node.uptime?).ok()?;
            Some((node.node.clone(), now - uptime))
        })
        .collect()
}

async fn start_all(app: &App, leases: Vec<Lease>) -> Vec<LeaseId> {
    let starts = leases
        .into_iter()
        .map(|lease| (lease.node.clone(), start_one(app.clone(), lease)));
    let started = per_node(starts, AT_ONCE).await;
    started.into_iter().flatten().collect()
}

async fn start_one(app: App, lease: Lease) -> Option<LeaseId> {
    match try_start(&app, &lease.lease_id).await {
        Ok(true) => Some(lease.lease_id),
        Ok(false) => None,
        Err(error) => {
            tracing::warn!(
                lease.id = lease.lease_id.as_str(),
                code = %error.code,
                "a container cannot be started after its node's boot; it is tried again"
            );
            None
        }
    }
}

async fn try_start(app: &App, lease_id: &LeaseId) -> Result<bool, ApiError> {
    let _turn = app.leases_in_work.take(lease_id).await?;
    // Read again: its owner may have stopped, renewed or ended it meanwhile.
    let lease = app.store.lease(lease_id).await?;
    let Some(lease) = lease.filter(|lease| lease.state == LeaseState::Active) else {
        return Ok(false);
    };
    if app.store.running_seen_of(lease_id).await?.is_none()
        || traffic::keeps_off(app, lease_id).await?.is_some()
    {
        return Ok(false);
    }
    let Located::Here(place) = locate(app, &lease).await? else {
        return Ok(false);
    };
    if place.lock.is_some() || place.template {
        return Ok(false);
    }
    let client = &app.proxmox.client;
    // A node may reboot once more while this goes on.
    let asked = app.now();
    let status = client.container(&place.node, place.vmid).await?;
    if !status.is_running() {
        let deadline = Instant::now() + START_AT_MOST;
        start::start(app, &place.node, place.vmid, deadline).await?;
        metrics::counter!("containers_started_after_boot_total").increment(1);
        app.record_event(
            lease_id,
            "started_after_boot",
            json!({ "vmid": lease.vmid }),
        )
        .await;
        start::note_late_address(app.clone(), lease.clone());
    }
    app.store.saw_running(vec![lease.lease_id], asked).await?;
    Ok(!status.is_running())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 100_000;

    fn seen(state: ContainerState, running_seen: Option<i64>) -> Sight {
        Sight {
            state,
            uptime: None,
            boot: Some(NOW - 100),
            running_seen,
            off_since: None,
        }
    }

    #[test]
    fn what_the_list_says_runs_for_longer_than_its_node_is_not_believed() {
        let ran = seen(ContainerState::Running, Some(NOW - 1_000));
        for (uptime, meaning) in [
            (Some(5_000), Meaning::Nothing),
            (Some(0), Meaning::Nothing),
            (Some(90), Meaning::Runs),
            (None, Meaning::Runs),
        ] {
            let sight = Sight { uptime, ..ran };
            assert_eq!(sight.meaning(NOW), meaning, "{uptime:?}");
        }
    }

    #[test]
    fn what_is_seen_off_shortly_before_a_boot_was_stopped_by_its_node() {
        let off = |off_since| Sight {
            off_since,
            ..seen(ContainerState::Stopped, Some(NOW - 1_000))
        };
        for since in [None, Some(NOW - 50), Some(NOW - 399)] {
            assert_eq!(off(since).meaning(NOW), Meaning::WasRebooted, "{since:?}");
        }
        assert_eq!(off(Some(NOW - 400)).meaning(NOW), Meaning::SwitchedOff);
    }

    #[test]
    fn what_is_off_without_a_boot_is_switched_off_after_a_while() {
        let off = |boot, off_since| Sight {
            boot,
            off_since,
            ..seen(ContainerState::Stopped, Some(NOW - 50))
        };
        for boot in [None, Some(NOW - 100)] {
            assert_eq!(off(boot, None).meaning(NOW), Meaning::OffSince(NOW));
            let since = NOW - 299;
            assert_eq!(
                off(boot, Some(since)).meaning(NOW),
                Meaning::OffSince(since)
            );
            assert_eq!(
                off(boot, Some(NOW - 300)).meaning(NOW),
                Meaning::SwitchedOff
            );
        }
    }

    #[test]
    fn what_its_owner_switched_off_is_not_looked_at() {
        let sight = seen(ContainerState::Stopped, None);
        assert_eq!(sight.meaning(NOW), Meaning::Nothing);
    }
}

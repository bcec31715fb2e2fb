//! Starts the containers that ran before their node rebooted. Containers do not start with their
//! node, so that none runs before its fence is up; containers that their owners switched off stay
//! off.

use std::collections::HashMap;
use std::time::Duration;

use pve::{ContainerState, GuestResource, Node, NodeName, NodeState};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    error::ApiError,
    ids::LeaseId,
    lease::{
        container::{
            address,
            locate::{Located, locate},
            start,
        },
        ending::lanes::per_node,
        network::traffic,
    },
    state::App,
    store::{Lease, LeaseState},
};

/// Seconds after which the time at which a container was last seen running is stored again.
const REFRESH: i64 = 3600;
/// Seconds by which a boot time may be wrong: uptimes come in whole seconds, with a delay.
const CLOCKS: i64 = 2;
/// Seconds for which a container has to be off until it counts as switched off inside: a node stops
/// its containers minutes before it goes down, and is seen meanwhile.
const OFF_AFTER: i64 = 300;
/// Containers that are started at a time on one node.
const AT_ONCE: usize = 4;
/// How long a start may take.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// Stores which containers run, and starts those that ran until their node rebooted. Returns the
/// leases of the started ones.
///
/// # Errors
/// Proxmox or the store did not answer.
pub(super) async fn start_rebooted(
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
        let observation = Observation {
            state: app
                .proxmox
                .state_set_by_us(guest.vmid)
                .unwrap_or(guest.status),
            uptime: guest.uptime.and_then(|uptime| i64::try_from(uptime).ok()),
            boot: booted.get(&guest.node).copied(),
            running_seen: seen.get(&id).copied(),
            off_since: app.seen_off.since(&id),
        };
        match observation.conclusion(now) {
            Conclusion::Runs => running.push(id),
            Conclusion::SwitchedOff => {
                tracing::info!(
                    lease.id = id.as_str(),
                    boot = observation.boot,
                    running_seen = observation.running_seen,
                    off_since = observation.off_since,
                    "a container counts as switched off by its owner"
                );
                stopped.push(id);
            }
            Conclusion::WasRebooted => to_start.push((*lease).clone()),
            Conclusion::OffSince(since) => {
                off.insert(id, since);
            }
            Conclusion::Nothing => {}
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

/// The power state of an active lease's container, as the list and the store show it. Times in Unix
/// seconds.
struct Observation {
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

/// What an observation means.
#[derive(Debug, PartialEq, Eq)]
enum Conclusion {
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

impl Observation {
    fn conclusion(&self, now: i64) -> Conclusion {
        let boot = self.boot.unwrap_or(0);
        let ran_before = self.running_seen.is_some_and(|seen| seen < boot - CLOCKS);
        match (self.state, self.running_seen) {
            // The cluster's list lags: what it says runs for longer than its node is of before the
            // boot.
            (ContainerState::Running, _) if ran_before => match self.uptime {
                Some(uptime) if uptime == 0 || now - uptime < boot - CLOCKS => Conclusion::Nothing,
                _ => Conclusion::Runs,
            },
            (ContainerState::Running, seen) if seen.is_none_or(|at| now - at > REFRESH) => {
                Conclusion::Runs
            }
            (ContainerState::Stopped, Some(_)) => {
                let since = self.off_since.unwrap_or(now);
                let until = if ran_before { boot } else { now };
                match until - since >= OFF_AFTER {
                    true => Conclusion::SwitchedOff,
                    false if ran_before => Conclusion::WasRebooted,
                    false => Conclusion::OffSince(since),
                }
            }
            _ => Conclusion::Nothing,
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
                "the container cannot be started after its node's boot; the next comparison tries again"
            );
            None
        }
    }
}

async fn try_start(app: &App, lease_id: &LeaseId) -> Result<bool, ApiError> {
    let _lock = app.leases_in_work.take(lease_id).await?;
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
    let Located::Here(location) = locate(app, &lease).await? else {
        return Ok(false);
    };
    if location.lock.is_some() || location.template {
        return Ok(false);
    }
    let client = &app.proxmox.client;
    // A node may reboot once more while this goes on.
    let asked = app.now();
    let status = client.container(&location.node, location.vmid).await?;
    if !status.is_running() {
        let deadline = Instant::now() + START_TIMEOUT;
        start::start(app, &location.node, location.vmid, deadline).await?;
        metrics::counter!("containers_started_after_boot_total").increment(1);
        app.record_event(
            lease_id,
            "started_after_boot",
            json!({ "vmid": lease.vmid }),
        )
        .await;
        address::store_late_address(app.clone(), lease.clone());
    }
    app.store.saw_running(vec![lease.lease_id], asked).await?;
    Ok(!status.is_running())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 100_000;

    fn seen(state: ContainerState, running_seen: Option<i64>) -> Observation {
        Observation {
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
        for (uptime, conclusion) in [
            (Some(5_000), Conclusion::Nothing),
            (Some(0), Conclusion::Nothing),
            (Some(90), Conclusion::Runs),
            (None, Conclusion::Runs),
        ] {
            let observation = Observation { uptime, ..ran };
            assert_eq!(observation.conclusion(NOW), conclusion, "{uptime:?}");
        }
    }

    #[test]
    fn what_is_seen_off_shortly_before_a_boot_was_stopped_by_its_node() {
        let off = |off_since| Observation {
            off_since,
            ..seen(ContainerState::Stopped, Some(NOW - 1_000))
        };
        for since in [None, Some(NOW - 50), Some(NOW - 399)] {
            assert_eq!(
                off(since).conclusion(NOW),
                Conclusion::WasRebooted,
                "{since:?}"
            );
        }
        assert_eq!(
            off(Some(NOW - 400)).conclusion(NOW),
            Conclusion::SwitchedOff
        );
    }

    #[test]
    fn what_is_off_without_a_boot_is_switched_off_after_a_while() {
        let off = |boot, off_since| Observation {
            boot,
            off_since,
            ..seen(ContainerState::Stopped, Some(NOW - 50))
        };
        for boot in [None, Some(NOW - 100)] {
            assert_eq!(off(boot, None).conclusion(NOW), Conclusion::OffSince(NOW));
            let since = NOW - 299;
            assert_eq!(
                off(boot, Some(since)).conclusion(NOW),
                Conclusion::OffSince(since)
            );
            assert_eq!(
                off(boot, Some(NOW - 300)).conclusion(NOW),
                Conclusion::SwitchedOff
            );
        }
    }

    #[test]
    fn what_its_owner_switched_off_is_not_looked_at() {
        let observation = seen(ContainerState::Stopped, None);
        assert_eq!(observation.conclusion(NOW), Conclusion::Nothing);
    }
}

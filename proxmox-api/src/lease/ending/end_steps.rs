//! One step towards the end of a lease, under its lock: stop the container, and destroy it after
//! the grace. `expiry` decides when.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::{held, lost, remove};
use crate::{
    ids::LeaseId,
    lease::{
        container::{
            error::ContainerError,
            halt,
            locate::{Located, locate},
            start,
        },
        network::traffic,
    },
    memory::alarms::Trouble,
    state::App,
    store::{Lease, LeaseState},
};

/// How long a container may take to start that was halted while its lease was renewed.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Unix milliseconds; 0 for a time before 1970.
pub(super) fn millis(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0).saturating_mul(1000)
}

/// How late something begins that was due at `due_at`, Unix seconds.
fn measure_lateness(app: &App, step: &'static str, due_at: Option<i64>) {
    let due = millis(due_at.unwrap_or(i64::MAX));
    let late = app.clock.unix_millis().saturating_sub(due);
    metrics::histogram!("lease_end_lateness_seconds", "step" => step).record(late as f64 / 1000.0);
}

/// The end of a lease was done, or put off by a renewal: its next tries begin anew, and what held
/// it up is over.
pub fn forget_failures(app: &App, lease_id: &LeaseId) {
    app.retries.reset(lease_id);
    if matches!(
        app.alarms.of(lease_id),
        Some(Trouble::Locked | Trouble::NodeAway)
    ) {
        app.alarms.clear(lease_id, &[]);
    }
}

/// Does what is due for a lease.
///
/// # Errors
/// The step could not be done; it is tried again.
pub(super) async fn step(app: &App, lease_id: &LeaseId) -> Result<(), ContainerError> {
    // Read again under its lock: it may have been renewed.
    let Some(lease) = app.store.lease(lease_id).await? else {
        return Ok(());
    };
    let now = app.now();
    let passed = |at: Option<i64>| at.is_some_and(|at| at <= now);
    match lease.state {
        LeaseState::Active if passed(lease.expires_at) => {
            let moved = app
                .store
                .move_lease(lease_id, LeaseState::Active, LeaseState::Expiring, now)
                .await?;
            if moved {
                measure_lateness(app, "stop", lease.expires_at);
                stop(app, &lease).await
            } else {
                Ok(())
            }
        }
        LeaseState::Expiring => stop(app, &lease).await,
        LeaseState::Stopped if passed(lease.destroy_at) => {
            measure_lateness(app, "destroy", lease.destroy_at);
            end_grace(app, &lease).await
        }
        LeaseState::Probed => held::advance(app, lease_id).await,
        LeaseState::Undoing | LeaseState::Destroying => remove::remove(app, &lease).await,
        _ => Ok(()),
    }
}

/// Ends the grace. A container that was lost in the paid time, too late for the ten minutes of the
/// comparison, is owed now.
async fn end_grace(app: &App, lease: &Lease) -> Result<(), ContainerError> {
    if let Some(since) = app.store.gone_since(&lease.lease_id).await?
        && matches!(locate(app, lease).await?, Located::Gone)
        && lost::end_lost_lease(app, lease, Trouble::Gone, since).await?
    {
        return Ok(());
    }
    destroy(app, lease).await
}

async fn stop(app: &App, lease: &Lease) -> Result<(), ContainerError> {
    match locate(app, lease).await? {
        Located::Here(location) if location.template => {}
        Located::Here(location) => {
            halt::halt_for_good(app, lease, &location).await?;
        }
        // Another guest with its number is left alone, and the lease ends all the same.
        Located::Gone => {}
        Located::Unclear(trouble) => return Err(ContainerError::Unclear(trouble)),
        Located::Away => return Err(ContainerError::Away),
    }
    let moved = app
        .store
        .move_lease(
            &lease.lease_id,
            LeaseState::Expiring,
            LeaseState::Stopped,
            app.now(),
        )
        .await?;
    if moved {
        app.record_event(
            &lease.lease_id,
            "stopped",
            json!({ "destroysAt": lease.destroy_at }),
        )
        .await;
        return Ok(());
    }
    start_if_renewed(app, &lease.lease_id).await
}

/// Starts the container again if another replica has renewed the lease while this one halted it,
/// which happens where the lock was lost with its session. Paid time has to run.
async fn start_if_renewed(app: &App, lease_id: &LeaseId) -> Result<(), ContainerError> {
    let lease = app.store.lease(lease_id).await?;
    let Some(lease) = lease.filter(|lease| lease.state == LeaseState::Active) else {
        return Ok(());
    };
    if traffic::keeps_off(app, lease_id).await?.is_some() {
        return Ok(());
    }
    if let Located::Here(location) = locate(app, &lease).await? {
        let deadline = Instant::now() + START_TIMEOUT;
        let started = start::start(app, &location.node, location.vmid, deadline).await;
        started.map_err(|error| ContainerError::Proxmox(error.message))?;
        tracing::warn!(
            lease.id = lease_id.as_str(),
            "a container was halted while another replica renewed its lease; it runs again"
        );
    }
    Ok(())
}

/// Destroys a lease that was paid for: at the end of its grace, or because its owner asked. The
/// caller holds its lock.
///
/// # Errors
/// The container is still there; the lease stays `destroying` and the worker goes on.
pub async fn destroy(app: &App, lease: &Lease) -> Result<(), ContainerError> {
    let destroying = LeaseState::Destroying;
    let moved = app
        .store
        .move_lease(&lease.lease_id, lease.state, destroying, app.now())
        .await?;
    if !moved {
        return Ok(());
    }
    let lease = Lease {
        state: destroying,
        ..lease.clone()
    };
    remove::remove(app, &lease).await
}

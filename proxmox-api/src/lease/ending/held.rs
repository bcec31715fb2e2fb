//! The container of a lease whose payment has an unknown outcome. It is stopped after two minutes,
//! destroyed a day after the payment's window, and started again when the transfer is seen.
//! `payment` decides over the payment, by evidence only; if the container is gone by then, the
//! payment is owed.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::{
    lanes::{LaneTask, NodeLane},
    remove, unpaid,
};
use crate::{
    error::ApiError,
    ids::LeaseId,
    lease::container::{
        address,
        error::ContainerError,
        halt,
        locate::{self, Located, locate},
        start,
    },
    payment_machine::PaymentState,
    state::App,
    store::{HeldContainer, HeldPower, Lease, LeaseState, StoreError},
};

/// Seconds of an unknown outcome after which the container is stopped.
pub const STOP_AFTER: i64 = 120;
/// How long a start may take once the money is seen.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the address of a started container is waited for.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(3);

/// The next step with a held container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeldStep {
    Stop,
    Destroy,
}

/// The next step of a held container. One whose payment is still being settled by the request itself
/// is left to it for as long as the facilitator may take.
fn step_by_times(held: &HeldContainer, settle_seconds: i64, held_seconds: i64) -> (HeldStep, i64) {
    let unknown_since = match held.lease.payment {
        Some(PaymentState::Settling) => held.since + settle_seconds,
        _ => held.since,
    };
    let stop_at = unknown_since + STOP_AFTER;
    match held.power {
        HeldPower::Running => (HeldStep::Stop, stop_at),
        HeldPower::Stopping => (HeldStep::Stop, held.since),
        // Counted from the end of the window, however long ago the payment became unknown.
        HeldPower::Stopped => (HeldStep::Destroy, held.valid_before + held_seconds),
    }
}

fn next_step(app: &App, held: &HeldContainer) -> (HeldStep, i64) {
    let settle = app.config.payments.settle_timeout.as_secs();
    let settle = i64::try_from(settle).unwrap_or(i64::MAX);
    step_by_times(held, settle, app.config.held_seconds.into())
}

/// A lease whose container is due to be stopped or destroyed: since when, Unix seconds, and in
/// which lane.
pub(super) type DueContainer = (i64, NodeLane, LeaseId);

/// The leases whose container has something to be done with now, and when the next one has.
///
/// # Errors
/// The store failed.
pub(super) async fn due(app: &App) -> Result<(Vec<DueContainer>, Option<i64>), StoreError> {
    let now = app.now();
    let (mut due, mut later) = (Vec::new(), None::<i64>);
    for held in app.store.held_containers().await? {
        let (step, at) = next_step(app, &held);
        if at <= now {
            let task = match step {
                HeldStep::Stop => LaneTask::Stop,
                HeldStep::Destroy => LaneTask::Remove,
            };
            let node = held.lease.node;
            due.push((at, NodeLane { node, task }, held.lease.lease_id));
        } else {
            later = Some(later.map_or(at, |earliest| earliest.min(at)));
        }
    }
    Ok((due, later))
}

/// Does what is due with the container of a lease. The caller holds the lease's lock.
///
/// # Errors
/// It could not be done; try again later.
pub async fn advance(app: &App, lease_id: &LeaseId) -> Result<(), ContainerError> {
    // Read under the lock, because the transfer may have been seen before it was taken.
    let all = app.store.held_containers().await?;
    let Some(held) = all
        .into_iter()
        .find(|held| held.lease.lease_id == *lease_id)
    else {
        return Ok(());
    };
    match next_step(app, &held) {
        (_, at) if at > app.now() => Ok(()),
        (HeldStep::Stop, _) => stop(app, &held.lease).await,
        (HeldStep::Destroy, _) => destroy(app, &held.lease).await,
    }
}

async fn stop(app: &App, lease: &Lease) -> Result<(), ContainerError> {
    let id = &lease.lease_id;
    if !app.store.set_held_power(id, HeldPower::Stopping).await? {
        return Ok(());
    }
    match locate(app, lease).await? {
        Located::Here(location) => {
            halt::halt_for_good(app, lease, &location).await?;
        }
        Located::Gone => {}
        Located::Unclear(trouble) => return Err(ContainerError::Unclear(trouble)),
        Located::Away => return Err(ContainerError::Away),
    }
    app.store.set_held_power(id, HeldPower::Stopped).await?;
    // Here and not when it is destroyed a day later: until the money is seen it counts as an
    // unpaid container.
    unpaid::count(app, lease).await;
    metrics::counter!("held_machines_total", "step" => "stopped").increment(1);
    app.record_event(id, "held_stopped", json!({ "paymentId": lease.payment_id }))
        .await;
    Ok(())
}

async fn destroy(app: &App, lease: &Lease) -> Result<(), ContainerError> {
    if !app.store.give_up_held(&lease.lease_id, app.now()).await? {
        return Ok(());
    }
    metrics::counter!("held_machines_total", "step" => "destroyed").increment(1);
    let data = json!({ "paymentId": lease.payment_id });
    app.record_event(&lease.lease_id, "held_given_up", data)
        .await;
    let undoing = Lease {
        state: LeaseState::Undoing,
        ..lease.clone()
    };
    remove::remove(app, &undoing).await
}

/// Makes sure that the container of a lease whose transfer was seen exists and runs: it may have
/// been stopped, or removed by an administrator or a crash (`resumed`). A container that was just
/// probed is not checked again. The caller holds the lease's lock.
///
/// # Errors
/// It is gone, does not start, or Proxmox did not answer.
pub async fn ensure_running(app: &App, lease: &Lease, resumed: bool) -> Result<(), ApiError> {
    let stopped = app.store.held_power(&lease.lease_id).await? != HeldPower::Running;
    if !(stopped || resumed && lease.state.is_in_flight()) {
        return Ok(());
    }
    let location = locate::find(app, lease).await?;
    let client = &app.proxmox.client;
    let status = client.container(&location.node, location.vmid).await?;
    if status.is_running() {
        return Ok(());
    }
    let deadline = Instant::now() + START_TIMEOUT;
    start::start(app, &location.node, location.vmid, deadline).await?;
    metrics::counter!("held_machines_total", "step" => "started").increment(1);
    // It may come back with another address.
    let until = Instant::now() + ADDRESS_TIMEOUT;
    Ok(address::store_address(app, lease, (&location.node, location.vmid), until).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(payment: PaymentState, power: HeldPower) -> HeldContainer {
        let lease = Lease {
            state: LeaseState::Probed,
            payment: Some(payment),
            expires_at: None,
            destroy_at: None,
            ..Lease::example(900)
        };
        HeldContainer {
            lease,
            since: 1_000,
            power,
            valid_before: 1_300,
        }
    }

    #[test]
    fn a_container_is_stopped_after_two_minutes_and_destroyed_after_the_window() {
        let of = |payment, power| step_by_times(&held(payment, power), 60, 3600);
        let unknown = PaymentState::Unknown;
        assert_eq!(of(unknown, HeldPower::Running), (HeldStep::Stop, 1_120));
        assert_eq!(of(unknown, HeldPower::Stopping), (HeldStep::Stop, 1_000));
        assert_eq!(of(unknown, HeldPower::Stopped), (HeldStep::Destroy, 4_900));
    }

    #[test]
    fn one_whose_settlement_was_cut_off_waits_as_long_as_a_settlement_may_take() {
        let of = |power, hours: i64| {
            step_by_times(&held(PaymentState::Settling, power), 240, hours * 3600)
        };
        assert_eq!(of(HeldPower::Running, 1), (HeldStep::Stop, 1_360));
        assert_eq!(of(HeldPower::Stopped, 0), (HeldStep::Destroy, 1_300));
    }
}

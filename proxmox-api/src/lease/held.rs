//! The machine of a lease whose payment nobody knows the outcome of. It is nobody's yet: after two minutes it is stopped, a
//! day after the payment's window it is destroyed, and it is started again when the money is seen. What becomes of the
//! payment is decided elsewhere, by evidence only; a machine that is gone by then makes it owed.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::{
    LeaseState, halt,
    lanes::{Lane, Task},
    locate::{self, Located, locate},
    remove::{self, RemoveError},
    start, unpaid,
};
use crate::{
    error::ApiError,
    ids::LeaseId,
    payment_machine::PaymentState,
    state::App,
    store::{HeldMachine, HeldPower, Lease, StoreError},
};

/// Seconds of an unknown outcome after which the machine is stopped.
pub const STOP_AFTER: i64 = 120;
/// How long a start may take once the money is seen.
const START_AT_MOST: Duration = Duration::from_secs(60);
/// How long the address of a started container is waited for.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(3);

/// What is to be done with a held machine, and from when, Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Stop,
    Destroy,
}

/// The next step of a held machine. One whose payment is still being settled by the request itself is left to it for as long
/// as the facilitator may take.
fn next(held: &HeldMachine, settle_seconds: i64, held_seconds: i64) -> (Step, i64) {
    let unknown_since = match held.lease.payment {
        Some(PaymentState::Settling) => held.since + settle_seconds,
        _ => held.since,
    };
    let stop_at = unknown_since + STOP_AFTER;
    match held.power {
        HeldPower::Running => (Step::Stop, stop_at),
        HeldPower::Stopping => (Step::Stop, held.since),
        // Whenever its payment came to the state that it is in.
        HeldPower::Stopped => (Step::Destroy, held.valid_before + held_seconds),
    }
}

fn step_of(app: &App, held: &HeldMachine) -> (Step, i64) {
    let settle = app.config.payments.settle_timeout.as_secs();
    let settle = i64::try_from(settle).unwrap_or(i64::MAX);
    next(held, settle, app.config.held_seconds.into())
}

/// A lease whose machine is due to be stopped or destroyed: since when, Unix seconds, and in which
/// lane.
pub(super) type DueMachine = (i64, Lane, LeaseId);

/// The leases whose machine has something to be done with now, and when the next one has.
///
/// # Errors
/// The store failed.
pub(super) async fn due(app: &App) -> Result<(Vec<DueMachine>, Option<i64>), StoreError> {
    let now = app.now();
    let (mut due, mut later) = (Vec::new(), None::<i64>);
    for held in app.store.held_machines().await? {
        let (step, at) = step_of(app, &held);
        if at <= now {
            let task = match step {
                Step::Stop => Task::Stop,
                Step::Destroy => Task::Remove,
            };
            let node = held.lease.node;
            due.push((at, Lane { node, task }, held.lease.lease_id));
        } else {
            later = Some(later.map_or(at, |earliest| earliest.min(at)));
        }
    }
    Ok((due, later))
}

/// Does what is due with the machine of a lease. The caller has the lease's turn.
///
/// # Errors
/// It could not be done; try again later.
pub async fn take_on(app: &App, lease_id: &LeaseId) -> Result<(), RemoveError> {
    // Read under the turn: the money may have been seen meanwhile.
    let all = app.store.held_machines().await?;
    let Some(held) = all
        .into_iter()
        .find(|held| held.lease.lease_id == *lease_id)
    else {
        return Ok(());
    };
    match step_of(app, &held) {
        (_, at) if at > app.now() => Ok(()),
        (Step::Stop, _) => stop(app, &held.lease).await,
        (Step::Destroy, _) => destroy(app, &held.lease).await,
    }
}

async fn stop(app: &App, lease: &Lease) -> Result<(), RemoveError> {
    let id = &lease.lease_id;
    if !app.store.set_held_power(id, HeldPower::Stopping).await? {
        return Ok(());
    }
    match locate(app, lease).await? {
        Located::Here(place) => {
            halt::halt_for_good(app, lease, &place).await?;
        }
        Located::Gone => {}
        Located::Unclear(trouble) => return Err(RemoveError::Unclear(trouble)),
        Located::Away => return Err(RemoveError::Away),
    }
    app.store.set_held_power(id, HeldPower::Stopped).await?;
    // Here and not when it is destroyed a day later: until the money is seen it counts as a machine for nothing.
    unpaid::count(app, lease).await;
    metrics::counter!("held_machines_total", "step" => "stopped").increment(1);
    app.record_event(id, "held_stopped", json!({ "paymentId": lease.payment_id }))
        .await;
    Ok(())
}

async fn destroy(app: &App, lease: &Lease) -> Result<(), RemoveError> {
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

/// Makes sure that the machine of a lease whose money was seen is there and runs: it may have been stopped meanwhile, and
/// after a while (`resumed`) an administrator or a crash may have removed it. One that was probed a moment ago needs no look.
/// The caller has the lease's turn.
///
/// # Errors
/// It is gone, does not start, or Proxmox did not answer.
pub async fn wake(app: &App, lease: &Lease, resumed: bool) -> Result<(), ApiError> {
    let stopped = app.store.held_power(&lease.lease_id).await? != HeldPower::Running;
    if !(stopped || resumed && lease.state.is_in_flight()) {
        return Ok(());
    }
    let place = locate::find(app, lease).await?;
    let client = &app.proxmox.client;
    let status = client.container(&place.node, place.vmid).await?;
    if status.is_running() {
        return Ok(());
    }
    let deadline = Instant::now() + START_AT_MOST;
    start::start(app, &place.node, place.vmid, deadline).await?;
    metrics::counter!("held_machines_total", "step" => "started").increment(1);
    // It may come back with another address.
    let until = Instant::now() + ADDRESS_TIMEOUT;
    Ok(start::note_address(app, lease, (&place.node, place.vmid), until).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(payment: PaymentState, power: HeldPower) -> HeldMachine {
        let lease = Lease {
            state: LeaseState::Probed,
            payment: Some(payment),
            expires_at: None,
            destroy_at: None,
            ..Lease::example(900)
        };
        HeldMachine {
            lease,
            since: 1_000,
            power,
            valid_before: 1_300,
        }
    }

    #[test]
    fn a_machine_is_stopped_after_two_minutes_and_destroyed_after_the_window() {
        let of = |payment, power| next(&held(payment, power), 60, 3600);
        let unknown = PaymentState::Unknown;
        assert_eq!(of(unknown, HeldPower::Running), (Step::Stop, 1_120));
        assert_eq!(of(unknown, HeldPower::Stopping), (Step::Stop, 1_000));
        assert_eq!(of(unknown, HeldPower::Stopped), (Step::Destroy, 4_900));
    }

    #[test]
    fn one_whose_settlement_was_cut_off_waits_as_long_as_a_settlement_may_take() {
        let of = |power, hours: i64| next(&held(PaymentState::Settling, power), 240, hours * 3600);
        assert_eq!(of(HeldPower::Running, 1), (Step::Stop, 1_360));
        assert_eq!(of(HeldPower::Stopped, 0), (Step::Destroy, 1_300));
    }
}

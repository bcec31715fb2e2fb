//! The worker that ends leases in time: it sleeps until the next deadline, warns, stops, and after the grace destroys. What
//! cannot be done now is tried again. It also finishes removals that were begun, by an undo or by their owner, and stops and
//! destroys machines that are held for a payment of unknown outcome.

use std::time::Duration;

use serde_json::json;
use tokio::{task::JoinSet, time::Instant};

use super::{
    LeaseState,
    alarms::Trouble,
    halt, held,
    locate::{Located, locate},
    reconcile,
    remove::{self, RemoveError},
    start, traffic,
};
use crate::{
    ids::LeaseId,
    locks::Turn,
    state::App,
    store::{DueAction, Lease, StoreError},
};

/// Seconds before the end at which the owner is warned.
pub const WARN_SECONDS: i64 = 300;
/// Seconds after which work that was not done is tried again.
const RETRY_SECONDS: i64 = 5;
/// The longest sleep, in seconds.
const LONGEST: i64 = 300;
/// The same where another replica may set a deadline, and die before it comes.
const LONGEST_AMONG_REPLICAS: i64 = 15;
/// How long a container may take to start that was halted by mistake.
const START_AT_MOST: Duration = Duration::from_secs(60);
/// Containers that are stopped or removed at a time.
const AT_ONCE: usize = 8;

/// Works until the process ends.
pub async fn run(app: App) {
    loop {
        let wake = match tick(&app).await {
            Ok(wake) => wake,
            Err(error) => {
                tracing::error!(%error, "deadlines cannot be read");
                app.now() + RETRY_SECONDS
            }
        };
        let millis = u64::try_from(wake).unwrap_or(0).saturating_mul(1000);
        tokio::select! {
            () = app.clock.sleep_until(millis) => {}
            () = app.deadlines_moved.notified() => {}
        }
    }
}

/// Does what is due and says when to come again, Unix seconds.
///
/// # Errors
/// The store failed.
pub async fn tick(app: &App) -> Result<i64, StoreError> {
    let now = app.now();
    let mut work = Vec::new();
    for due in app.store.due_leases(WARN_SECONDS, now).await? {
        match due.action {
            DueAction::Warn => warn(app, &due.lease).await?,
            DueAction::Stop | DueAction::Destroy => work.push(due.lease),
        }
    }
    let begun = [
        LeaseState::Expiring,
        LeaseState::Undoing,
        LeaseState::Destroying,
    ];
    let unfinished = app.store.unfinished_leases().await?;
    work.extend(
        unfinished
            .into_iter()
            .filter(|lease| begun.contains(&lease.state)),
    );

    work.extend(held::due(app).await?.0);

    let mut running = JoinSet::new();
    let mut all_done = true;
    let mut retry = i64::MAX;
    for lease in work {
        if let Some(next) = app
            .retries
            .next(&lease.lease_id, now)
            .filter(|next| *next > now)
        {
            retry = retry.min(next);
            continue;
        }
        // Somebody who works on it now will leave it in order, or it is here again next time.
        let turn = app.leases_in_work.try_take(&lease.lease_id).await;
        let turn = turn.inspect_err(|error| tracing::warn!(%error, "no turn to end a lease"));
        let Ok(Some(turn)) = turn else {
            all_done = false;
            continue;
        };
        if running.len() >= AT_ONCE
            && let Some(ended) = running.join_next().await
        {
            retry = retry.min(ended.unwrap_or(now + RETRY_SECONDS));
        }
        running.spawn(end(app.clone(), lease.lease_id, turn));
    }
    while let Some(ended) = running.join_next().await {
        retry = retry.min(ended.unwrap_or(now + RETRY_SECONDS));
    }
    let deadline = app.store.next_deadline(WARN_SECONDS).await?;
    let now = app.now();
    let next = deadline
        .unwrap_or(i64::MAX)
        .min(next_of_held(app, now).await?);
    // A deadline that has passed and waits for its next try must not wake the worker at once.
    let earliest = if retry == i64::MAX { now } else { now + 1 };
    Ok(if all_done {
        let longest = if app.config.database.is_shared() {
            LONGEST_AMONG_REPLICAS
        } else {
            LONGEST
        };
        next.min(retry).clamp(earliest, now + longest)
    } else {
        now + RETRY_SECONDS
    })
}

/// When a held machine has something to be done with next, Unix seconds: the step that was just done may be followed by one
/// that is due as well.
async fn next_of_held(app: &App, now: i64) -> Result<i64, StoreError> {
    let (due, later) = held::due(app).await?;
    let waits = |lease: &Lease| app.retries.next(&lease.lease_id, now).is_some();
    if due.iter().any(|lease| !waits(lease)) {
        return Ok(now + 1);
    }
    Ok(later.unwrap_or(i64::MAX))
}

async fn warn(app: &App, lease: &Lease) -> Result<(), StoreError> {
    if app.store.mark_warned(&lease.lease_id, app.now()).await? {
        let data = json!({ "expiresAt": lease.expires_at, "destroysAt": lease.destroy_at });
        app.note(&lease.lease_id, "expires_soon", data).await;
    }
    Ok(())
}

/// Takes one lease a step further; when it has to be tried again, Unix seconds.
async fn end(app: App, lease_id: LeaseId, _turn: Turn) -> i64 {
    match step(&app, &lease_id).await {
        Ok(()) => {
            forget_failures(&app, &lease_id);
            i64::MAX
        }
        Err(error) => {
            let pause = app.retries.failed(&lease_id, app.now());
            if let Some(trouble) = error.trouble()
                && let Ok(Some(lease)) = app.store.lease(&lease_id).await
            {
                app.alarms.raise(&lease_id, lease.vmid, trouble, app.now());
            }
            tracing::warn!(lease.id = lease_id.as_str(), pause, %error, "a lease cannot be ended yet");
            app.now() + pause
        }
    }
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

async fn step(app: &App, lease_id: &LeaseId) -> Result<(), RemoveError> {
    // Read again under its turn: it may have been renewed.
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
                stop(app, &lease).await
            } else {
                Ok(())
            }
        }
        LeaseState::Expiring => stop(app, &lease).await,
        LeaseState::Stopped if passed(lease.destroy_at) => over(app, &lease).await,
        LeaseState::Probed => held::take_on(app, lease_id).await,
        LeaseState::Undoing | LeaseState::Destroying => remove::remove(app, &lease).await,
        _ => Ok(()),
    }
}

/// The grace is over. A container that was lost in the paid time, and too late for the comparison's ten minutes, is owed now.
async fn over(app: &App, lease: &Lease) -> Result<(), RemoveError> {
    let missed = app.store.missed().await?;
    if let Some(since) = missed.get(&lease.lease_id)
        && matches!(locate(app, lease).await?, Located::Gone)
        && reconcile::end_missed(app, lease, Trouble::Gone, *since).await?
    {
        return Ok(());
    }
    destroy(app, lease).await
}

async fn stop(app: &App, lease: &Lease) -> Result<(), RemoveError> {
    match locate(app, lease).await? {
        Located::Here(place) if place.template => {}
        Located::Here(place) => {
            halt::halt_for_good(app, lease, &place).await?;
        }
        // Another guest with its number is left alone, and the lease ends all the same.
        Located::Gone => {}
        Located::Unclear(trouble) => return Err(RemoveError::Unclear(trouble)),
        Located::Away => return Err(RemoveError::Away),
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
        app.note(
            &lease.lease_id,
            "stopped",
            json!({ "destroysAt": lease.destroy_at }),
        )
        .await;
        return Ok(());
    }
    start_if_renewed(app, &lease.lease_id).await
}

/// Another replica may have renewed a lease while this one halted its container: where the turn was lost with its session. What
/// was bought has to run.
async fn start_if_renewed(app: &App, lease_id: &LeaseId) -> Result<(), RemoveError> {
    let lease = app.store.lease(lease_id).await?;
    let Some(lease) = lease.filter(|lease| lease.state == LeaseState::Active) else {
        return Ok(());
    };
    if traffic::keeps_off(app, lease_id).await?.is_some() {
        return Ok(());
    }
    if let Located::Here(place) = locate(app, &lease).await? {
        let deadline = Instant::now() + START_AT_MOST;
        let started = start::start(app, &place.node, place.vmid, deadline).await;
        started.map_err(|error| RemoveError::Proxmox(error.message))?;
        tracing::warn!(
            lease.id = lease_id.as_str(),
            "a container was halted while another replica renewed its lease; it runs again"
        );
    }
    Ok(())
}

/// Destroys a lease that was paid for: at the end of its grace, or because its owner asked. The caller has its turn.
///
/// # Errors
/// The container is still there; the lease stays `destroying` and the worker goes on.
pub async fn destroy(app: &App, lease: &Lease) -> Result<(), RemoveError> {
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

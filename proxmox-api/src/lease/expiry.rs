//! The worker that ends leases in time: it sleeps until the next deadline, warns, stops, and after
//! the grace destroys. Work is done in `lanes` of each node, so that an end that falls due during
//! others begins at once. Work that fails is tried again. It also finishes removals that were
//! begun, by an undo or by their owner, and stops and destroys machines that are held for a payment
//! of unknown outcome. All replicas have the same queue; the lease's lock decides which one does it.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use serde_json::json;
use tokio::time::Instant;

use super::{
    LeaseState,
    alarms::Trouble,
    halt, held,
    lanes::{Ended, Lane, Lanes, Places, Task},
    locate::{Located, locate},
    reconcile,
    remove::{self, RemoveError},
    start, traffic,
};
use crate::{
    ids::LeaseId,
    state::App,
    store::{DueEnd, Lease, StoreError},
};

/// Seconds before the end at which the owner is warned.
pub const WARN_SECONDS: i64 = 300;
/// Owners that are warned by one commit.
const WARN_AT_ONCE: i64 = 200;
/// Seconds after which work that was not done is tried again.
const RETRY_SECONDS: i64 = 5;
/// The longest sleep, in seconds.
const LONGEST: i64 = 300;
/// The same where another replica may set a deadline, and die before it comes.
const LONGEST_AMONG_REPLICAS: i64 = 15;
/// Milliseconds between two looks for work, however often a deadline is moved meanwhile.
const BETWEEN_LOOKS: u64 = 250;
/// How long a container may take to start that was halted while its lease was renewed.
const START_AT_MOST: Duration = Duration::from_secs(60);

/// Works until the process ends.
pub async fn run(app: App) {
    let mut ends = Ends::new(&app);
    loop {
        let looked = app.clock.unix_millis();
        let wake = match ends.look(&app).await {
            Ok(wake) => wake,
            Err(error) => {
                tracing::error!(%error, "deadlines cannot be read");
                app.now() + RETRY_SECONDS
            }
        };
        ends.work_until(&app, millis(wake), looked).await;
    }
}

/// Does all work that is due, and returns when none is left that can be done now.
///
/// # Errors
/// The store failed.
pub async fn tick(app: &App) -> Result<(), StoreError> {
    let mut ends = Ends::new(app);
    ends.look(app).await?;
    while ends.lanes.in_hand().0 > 0 {
        if let Some(ended) = ends.lanes.changed().await {
            ends.note_end(app, ended);
        }
        ends.start(app);
    }
    Ok(())
}

/// The outcome of one step of work on a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// A step was done, or there was none to do. The next step may be due.
    Done,
    /// It has to be tried again then, Unix seconds.
    Failed(i64),
    /// Another process, or a request of this one, works on the lease: it leaves it in order, or it
    /// is here again later.
    Taken,
}

/// The work of one process.
struct Ends {
    lanes: Lanes<Outcome>,
    /// Leases whose lock another task held, and when they are tried again, Unix seconds.
    taken: HashMap<LeaseId, i64>,
}

impl Ends {
    fn new(app: &App) -> Self {
        let stops = app.config.proxmox.ends_per_node;
        let removals = (stops / 2).max(1);
        Self {
            lanes: Lanes::new(Places {
                stops: app.shares.share_of(stops),
                removals: app.shares.share_of(removals),
            }),
            taken: HashMap::new(),
        }
    }

    /// Begins due work and warns owners. Returns when to look again, Unix seconds.
    async fn look(&mut self, app: &App) -> Result<i64, StoreError> {
        let now = app.now();
        let mut due: Vec<(i64, Lane, LeaseId)> = Vec::new();
        due.extend(app.store.ends_due(now).await?.into_iter().map(in_lane));
        // Machines that are held must not keep paid leases from ending.
        let (held, held_later) = held::due(app).await.unwrap_or_else(|error| {
            tracing::error!(%error, "held machines cannot be read");
            (Vec::new(), Some(now + RETRY_SECONDS))
        });
        due.extend(held);
        self.forget_what_is_over(app, &due);
        let mut next = held_later.unwrap_or(i64::MAX);
        // A time that is further away was noted before the clock was set back.
        self.taken
            .retain(|_, at| (now + 1..=now + RETRY_SECONDS).contains(at));
        due.retain(|(_, _, lease_id)| {
            let failed = app.retries.next(lease_id, now).filter(|at| *at > now);
            let later = failed.or(self.taken.get(lease_id).copied());
            next = next.min(later.unwrap_or(i64::MAX));
            later.is_none()
        });
        // Work that has failed before comes last: it may fail again, and take long.
        due.sort_by_cached_key(|(at, _, lease_id)| (app.retries.since(lease_id).is_some(), *at));
        self.lanes
            .refill(due.into_iter().map(|(_, lane, lease_id)| (lane, lease_id)));
        self.start(app);

        if warn(app, now).await? {
            next = now + 1;
        }
        let deadline = app.store.next_end(WARN_SECONDS, now).await?;
        let longest = match app.config.database.is_shared() {
            true => LONGEST_AMONG_REPLICAS,
            false => LONGEST,
        };
        let next = next.min(deadline.unwrap_or(i64::MAX));
        Ok(next.clamp(now + 1, now + longest))
    }

    /// Forgets the backoff of leases that are no longer due: another replica may have ended or
    /// renewed them.
    fn forget_what_is_over(&self, app: &App, due: &[(i64, Lane, LeaseId)]) {
        let failed = app.retries.leases();
        if failed.is_empty() {
            return;
        }
        let due: HashSet<&LeaseId> = due.iter().map(|(_, _, lease_id)| lease_id).collect();
        for lease_id in failed.iter().filter(|lease_id| !due.contains(lease_id)) {
            forget_failures(app, lease_id);
        }
    }

    /// Works on the queue until it is time to look again.
    async fn work_until(&mut self, app: &App, mut wake: u64, looked: u64) {
        loop {
            tokio::select! {
                () = app.clock.sleep_until(wake) => return,
                () = app.deadlines_moved.notified() => wake = wake.min(looked + BETWEEN_LOOKS),
                ended = self.lanes.changed() => {
                    if let Some(ended) = ended {
                        wake = wake.min(millis(self.note_end(app, ended)));
                    }
                    self.start(app);
                }
            }
        }
    }

    fn start(&mut self, app: &App) {
        self.lanes.start(|lease_id| end(app.clone(), lease_id));
        metrics::gauge!("lease_ends_waiting").set(self.lanes.waiting() as f64);
        let (in_hand, slow) = self.lanes.in_hand();
        metrics::gauge!("lease_ends_in_hand").set(in_hand as f64);
        metrics::gauge!("lease_ends_slow").set(slow as f64);
    }

    /// When to look again after work has ended, Unix seconds.
    fn note_end(&mut self, app: &App, ended: Ended<Outcome>) -> i64 {
        let now = app.now();
        match ended.outcome {
            // The next step may be due as well.
            Some(Outcome::Done) => now + 1,
            Some(Outcome::Failed(again)) => again,
            Some(Outcome::Taken) => {
                self.taken.insert(ended.lease_id, now + RETRY_SECONDS);
                now + RETRY_SECONDS
            }
            None => {
                let pause = app.retries.failed(&ended.lease_id, now);
                let id = ended.lease_id.as_str();
                tracing::error!(lease.id = id, pause, "the end of a lease broke off");
                now + pause
            }
        }
    }
}

fn millis(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0).saturating_mul(1000)
}

fn in_lane(due: DueEnd) -> (i64, Lane, LeaseId) {
    let task = match due.state {
        LeaseState::Active | LeaseState::Expiring => Task::Stop,
        _ => Task::Remove,
    };
    let node = due.node;
    (due.due_at, Lane { node, task }, due.lease_id)
}

/// Warns the owners whose leases end soon. Returns whether there are more.
async fn warn(app: &App, now: i64) -> Result<bool, StoreError> {
    let warned = app.store.warn_of_ends(WARN_SECONDS, now, WARN_AT_ONCE);
    let warned = warned.await?;
    for one in &warned {
        let data = json!({ "expiresAt": one.expires_at, "destroysAt": one.destroy_at });
        let subject = one.lease_id.as_str();
        tracing::info!(subject, event = "expires_soon", %data, "noted");
    }
    Ok(i64::try_from(warned.len()).unwrap_or(i64::MAX) >= WARN_AT_ONCE)
}

/// Takes one lease a step further, unless another task holds its lock.
async fn end(app: App, lease_id: LeaseId) -> Outcome {
    let lock = app.leases_in_work.try_take(&lease_id).await;
    let lock =
        lock.inspect_err(|error| tracing::warn!(%error, "a lease cannot be locked to end it"));
    let Ok(Some(_lock)) = lock else {
        return Outcome::Taken;
    };
    match step(&app, &lease_id).await {
        Ok(()) => {
            forget_failures(&app, &lease_id);
            Outcome::Done
        }
        Err(error) => {
            let pause = app.retries.failed(&lease_id, app.now());
            if let Some(trouble) = error.trouble()
                && let Ok(Some(lease)) = app.store.lease(&lease_id).await
            {
                app.alarms.raise(&lease_id, lease.vmid, trouble, app.now());
            }
            tracing::warn!(lease.id = lease_id.as_str(), pause, %error, "a lease cannot be ended yet");
            Outcome::Failed(app.now() + pause)
        }
    }
}

/// How late something begins that was due at `due_at`, Unix seconds.
fn measure_lateness(app: &App, step: &'static str, due_at: Option<i64>) {
    let late = app
        .clock
        .unix_millis()
        .saturating_sub(millis(due_at.unwrap_or(i64::MAX)));
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

async fn step(app: &App, lease_id: &LeaseId) -> Result<(), RemoveError> {
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
            over(app, &lease).await
        }
        LeaseState::Probed => held::take_on(app, lease_id).await,
        LeaseState::Undoing | LeaseState::Destroying => remove::remove(app, &lease).await,
        _ => Ok(()),
    }
}

/// The grace is over. A container that was lost in the paid time, and too late for the comparison's ten minutes, is owed now.
async fn over(app: &App, lease: &Lease) -> Result<(), RemoveError> {
    if let Some(since) = app.store.missing_since(&lease.lease_id).await?
        && matches!(locate(app, lease).await?, Located::Gone)
        && reconcile::end_missed(app, lease, Trouble::Gone, since).await?
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

/// Starts the container again if another replica has renewed the lease while this one halted it, which happens where the lock
/// was lost with its session. Paid time has to run.
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

//! The worker that ends leases in time. It sleeps until the next deadline, warns the owner, stops
//! the container, and destroys it after the grace. Work is done in `lanes` of each node, so that an
//! end that falls due during others begins at once; failed work is retried with backoff. The worker
//! also finishes removals that an undo or an owner began, and passes containers whose payment is
//! unknown to `held`. All replicas have the same queue; the lease's lock decides which one does the
//! work.

use std::collections::{HashMap, HashSet};

use serde_json::json;

use super::{
    end_steps::{forget_failures, millis, step},
    held,
    lanes::{LaneCapacity, LaneTask, Lanes, NodeLane, WorkResult},
};
use crate::{
    ids::LeaseId,
    state::App,
    store::{DueEnd, LeaseState, StoreError, log_event},
};

/// Seconds before the end at which the owner is warned.
pub const WARN_SECONDS: i64 = 300;
/// Owners that are warned by one commit.
const WARN_AT_ONCE: i64 = 200;
/// Seconds until work that could not be done is retried.
const RETRY_SECONDS: i64 = 5;
/// The longest sleep of the worker, in seconds.
const LONGEST: i64 = 300;
/// The longest sleep among replicas: another one may set a deadline and die before it comes.
const LONGEST_AMONG_REPLICAS: i64 = 15;
/// Milliseconds between two reads of due work, however often deadlines are moved.
const BETWEEN_LOOKS: u64 = 250;

/// Works until the process ends.
pub async fn run(app: App) {
    let mut ends = EndsWorker::new(&app);
    loop {
        let looked = app.clock.unix_millis();
        let wake = match ends.start_due(&app).await {
            Ok(wake) => wake,
            Err(error) => {
                tracing::error!(%error, "the deadlines of leases cannot be read");
                app.now() + RETRY_SECONDS
            }
        };
        ends.work_until(&app, millis(wake), looked).await;
    }
}

/// Does all due work, and returns when no more can be done now. For tests.
///
/// # Errors
/// The store failed.
pub async fn tick(app: &App) -> Result<(), StoreError> {
    let mut ends = EndsWorker::new(app);
    ends.start_due(app).await?;
    while ends.lanes.in_progress().0 > 0 {
        if let Some(ended) = ends.lanes.changed().await {
            ends.handle_result(app, ended);
        }
        ends.start(app);
    }
    Ok(())
}

/// The outcome of one step of work on a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StepOutcome {
    /// A step was done, or there was none to do. The next step may be due.
    Done,
    /// It has to be tried again then, Unix seconds.
    Failed(i64),
    /// Another task holds the lease's lock. The lease is looked at again later.
    Taken,
}

/// The state of the worker.
struct EndsWorker {
    lanes: Lanes<StepOutcome>,
    /// Leases whose lock another task held, and when they are tried again, Unix seconds.
    taken: HashMap<LeaseId, i64>,
}

impl EndsWorker {
    fn new(app: &App) -> Self {
        let stops = app.config.proxmox.ends_per_node;
        let removals = (stops / 2).max(1);
        Self {
            lanes: Lanes::new(LaneCapacity {
                stops: app.shares.share_of(stops),
                removals: app.shares.share_of(removals),
            }),
            taken: HashMap::new(),
        }
    }

    /// Begins due work and warns owners. Returns when to look again, Unix seconds.
    async fn start_due(&mut self, app: &App) -> Result<i64, StoreError> {
        let now = app.now();
        let mut due: Vec<(i64, NodeLane, LeaseId)> = Vec::new();
        due.extend(app.store.ends_due(now).await?.into_iter().map(in_lane));
        // A failure to read held containers must not keep paid leases from ending.
        let (held, held_later) = held::due(app).await.unwrap_or_else(|error| {
            tracing::error!(%error, "the held containers cannot be read");
            (Vec::new(), Some(now + RETRY_SECONDS))
        });
        due.extend(held);
        self.forget_what_is_over(app, &due);
        let mut next = held_later.unwrap_or(i64::MAX);
        // A later time was computed before the clock was set back.
        self.taken
            .retain(|_, at| (now + 1..=now + RETRY_SECONDS).contains(at));
        due.retain(|(_, _, lease_id)| {
            let failed = app.retries.next(lease_id, now).filter(|at| *at > now);
            let later = failed.or(self.taken.get(lease_id).copied());
            next = next.min(later.unwrap_or(i64::MAX));
            later.is_none()
        });
        // Work that failed before comes last, because it may take long and fail again.
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
    fn forget_what_is_over(&self, app: &App, due: &[(i64, NodeLane, LeaseId)]) {
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
                        wake = wake.min(millis(self.handle_result(app, ended)));
                    }
                    self.start(app);
                }
            }
        }
    }

    fn start(&mut self, app: &App) {
        self.lanes.start(|lease_id| end(app.clone(), lease_id));
        metrics::gauge!("lease_ends_waiting").set(self.lanes.waiting() as f64);
        let (in_progress, slow) = self.lanes.in_progress();
        metrics::gauge!("lease_ends_in_hand").set(in_progress as f64);
        metrics::gauge!("lease_ends_slow").set(slow as f64);
    }

    /// When to look again after work has ended, Unix seconds.
    fn handle_result(&mut self, app: &App, ended: WorkResult<StepOutcome>) -> i64 {
        let now = app.now();
        match ended.outcome {
            // The next step may be due as well.
            Some(StepOutcome::Done) => now + 1,
            Some(StepOutcome::Failed(again)) => again,
            Some(StepOutcome::Taken) => {
                self.taken.insert(ended.lease_id, now + RETRY_SECONDS);
                now + RETRY_SECONDS
            }
            None => {
                let pause = app.retries.failed(&ended.lease_id, now);
                let id = ended.lease_id.as_str();
                tracing::error!(lease.id = id, pause, "the work to end a lease broke off");
                now + pause
            }
        }
    }
}

fn in_lane(due: DueEnd) -> (i64, NodeLane, LeaseId) {
    let task = match due.state {
        LeaseState::Active | LeaseState::Expiring => LaneTask::Stop,
        _ => LaneTask::Remove,
    };
    let node = due.node;
    (due.due_at, NodeLane { node, task }, due.lease_id)
}

/// Warns the owners whose leases end soon. Returns whether there are more.
async fn warn(app: &App, now: i64) -> Result<bool, StoreError> {
    let warned = app.store.warn_of_ends(WARN_SECONDS, now, WARN_AT_ONCE);
    let warned = warned.await?;
    for one in &warned {
        let data = json!({ "expiresAt": one.expires_at, "destroysAt": one.destroy_at });
        log_event(&one.lease_id, "expires_soon", &data);
    }
    Ok(i64::try_from(warned.len()).unwrap_or(i64::MAX) >= WARN_AT_ONCE)
}

/// Takes one lease a step further, unless another task holds its lock.
async fn end(app: App, lease_id: LeaseId) -> StepOutcome {
    let lock = app.leases_in_work.try_take(&lease_id).await;
    let lock = lock.inspect_err(
        |error| tracing::warn!(%error, "the lock of a lease cannot be taken to end it"),
    );
    let Ok(Some(_lock)) = lock else {
        return StepOutcome::Taken;
    };
    match step(&app, &lease_id).await {
        Ok(()) => {
            forget_failures(&app, &lease_id);
            StepOutcome::Done
        }
        Err(error) => {
            let pause = app.retries.failed(&lease_id, app.now());
            if let Some(trouble) = error.trouble()
                && let Ok(Some(lease)) = app.store.lease(&lease_id).await
            {
                app.alarms.raise(&lease_id, lease.vmid, trouble, app.now());
            }
            tracing::warn!(lease.id = lease_id.as_str(), pause, %error, "the lease cannot be ended yet");
            StepOutcome::Failed(app.now() + pause)
        }
    }
}

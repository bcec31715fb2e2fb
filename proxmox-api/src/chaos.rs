//! A clock that a campaign moves. Windows, sweeps and leases take minutes and hours, and a campaign
//! has one minute: time runs faster in all of its processes alike, and is put forward once the
//! faults are over.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use service::clock::{Clock, Sleep, SystemClock};

use crate::{
    ids::LeaseId,
    store::{PaymentState, Store},
};

/// Names the file that says how time runs.
const CLOCK: &str = "CHAOS_CLOCK";
/// How often the file is read.
const READ_EVERY: Duration = Duration::from_millis(10);
/// How often a sleeper reads the clock.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Milliseconds of the campaign's time: `shown + (now - since) * speed`.
#[derive(Clone, Copy, Default)]
struct Run {
    since: u64,
    shown: u64,
    speed: u64,
}

#[derive(Clone, Default)]
struct ChaosClock(Arc<Mutex<Run>>);

/// The campaign's clock, where the environment names its file.
pub(crate) fn clock() -> Option<Arc<dyn Clock>> {
    let file = PathBuf::from(std::env::var_os(CLOCK)?);
    let clock = ChaosClock::default();
    clock.read(&file);
    let read = clock.clone();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(READ_EVERY);
            read.read(&file);
        }
    });
    Some(Arc::new(clock))
}

impl ChaosClock {
    fn run(&self) -> MutexGuard<'_, Run> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file has three numbers: real milliseconds, the milliseconds shown then, and how fast
    /// time runs. It is replaced as a whole, and what cannot be read changes nothing.
    fn read(&self, file: &Path) {
        let Ok(text) = std::fs::read_to_string(file) else {
            return;
        };
        let numbers: Vec<u64> = text.split_whitespace().flat_map(str::parse).collect();
        if let [since, shown, speed] = numbers[..] {
            *self.run() = Run {
                since,
                shown,
                speed,
            };
        }
    }
}

impl Clock for ChaosClock {
    fn unix_millis(&self) -> u64 {
        let run = *self.run();
        run.shown + SystemClock.unix_millis().saturating_sub(run.since) * run.speed
    }

    fn sleep_until(&self, deadline_millis: u64) -> Sleep<'_> {
        Box::pin(async move {
            while self.unix_millis() < deadline_millis {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        })
    }
}

/// The bug `skip-undo`: a machine whose settlement was refused is not taken back, at once or by the
/// sweep.
pub(crate) async fn skips_undo(store: &Store, lease_id: &LeaseId) -> bool {
    if !x402::chaos::has(x402::chaos::Bug::SkipUndo) {
        return false;
    }
    let lease = store.lease(lease_id).await;
    lease.is_ok_and(|lease| lease.is_some_and(|lease| lease.payment == Some(PaymentState::Refused)))
}

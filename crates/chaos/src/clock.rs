//! The campaign's time, which its processes share through a file: it runs faster than real time,
//! and is put forward while things settle.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result};

/// What the file says: real milliseconds, the milliseconds shown then, and how fast time runs.
#[derive(Clone, Copy)]
struct Run {
    since: u64,
    shown: u64,
    speed: u64,
}

/// The campaign's clock.
pub struct Clock {
    file: PathBuf,
    run: Mutex<Run>,
}

impl Clock {
    /// A clock that begins with the real time.
    ///
    /// # Errors
    /// Its file cannot be written.
    pub fn start(file: PathBuf, speed: u64) -> Result<Self> {
        let now = real_millis();
        let run = Run {
            since: now,
            shown: now,
            speed,
        };
        write(&file, run)?;
        Ok(Self {
            file,
            run: Mutex::new(run),
        })
    }

    /// Where the file is.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Milliseconds since 1970 of the campaign's time.
    pub fn millis(&self) -> u64 {
        let run = *self.run.lock().unwrap_or_else(PoisonError::into_inner);
        shown(run, real_millis())
    }

    /// The same in seconds.
    pub fn seconds(&self) -> u64 {
        self.millis() / 1000
    }

    /// Puts the time forward.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn advance(&self, by: Duration) -> Result<()> {
        let by = u64::try_from(by.as_millis()).unwrap_or(0);
        let mut run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        let now = real_millis();
        *run = Run {
            since: now,
            shown: shown(*run, now) + by,
            speed: run.speed,
        };
        write(&self.file, *run)
    }
}

fn shown(run: Run, now: u64) -> u64 {
    run.shown + now.saturating_sub(run.since) * run.speed
}

fn write(file: &Path, run: Run) -> Result<()> {
    let beside = file.with_extension("new");
    let text = format!("{} {} {}\n", run.since, run.shown, run.speed);
    std::fs::write(&beside, text)
        .and_then(|()| std::fs::rename(&beside, file))
        .with_context(|| format!("cannot write {}", file.display()))
}

fn real_millis() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

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
struct ClockRate {
    since: u64,
    shown: u64,
    speed: u64,
}

/// The campaign's clock.
pub struct CampaignClock {
    file: PathBuf,
    rate: Mutex<ClockRate>,
    /// Clocks that are wrong, and by how many milliseconds.
    wrong: Mutex<Vec<(PathBuf, i64)>>,
}

impl CampaignClock {
    /// A clock that begins with the real time.
    ///
    /// # Errors
    /// Its file cannot be written.
    pub fn start(file: PathBuf, speed: u64) -> Result<Self> {
        let now = real_millis();
        let rate = ClockRate {
            since: now,
            shown: now,
            speed,
        };
        write(&file, rate)?;
        Ok(Self {
            file,
            rate: Mutex::new(rate),
            wrong: Mutex::default(),
        })
    }

    /// Where the file is.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The file of a clock that is always wrong by so many seconds.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn off_by(&self, seconds: i64) -> Result<PathBuf> {
        let file = self.file.with_extension(format!("off-{seconds}"));
        let rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.push((file.clone(), seconds * 1_000));
        self.write(*rate, &wrong)?;
        Ok(file)
    }

    fn write(&self, rate: ClockRate, wrong: &[(PathBuf, i64)]) -> Result<()> {
        write(&self.file, rate)?;
        for (file, by) in wrong {
            let shown = rate.shown.saturating_add_signed(*by);
            write(file, ClockRate { shown, ..rate })?;
        }
        Ok(())
    }

    /// How long so much of the campaign's time takes.
    pub fn real(&self, time: Duration) -> Duration {
        let rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        let speed = u32::try_from(rate.speed).unwrap_or(u32::MAX);
        time / speed.max(1)
    }

    /// Milliseconds since 1970 of the campaign's time.
    pub fn millis(&self) -> u64 {
        let rate = *self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        shown(rate, real_millis())
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
        let mut rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        let now = real_millis();
        *rate = ClockRate {
            since: now,
            shown: shown(*rate, now) + by,
            speed: rate.speed,
        };
        let wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(*rate, &wrong)
    }
}

fn shown(rate: ClockRate, now: u64) -> u64 {
    rate.shown + now.saturating_sub(rate.since) * rate.speed
}

fn write(file: &Path, rate: ClockRate) -> Result<()> {
    let beside = file.with_extension("new");
    let text = format!("{} {} {}\n", rate.since, rate.shown, rate.speed);
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

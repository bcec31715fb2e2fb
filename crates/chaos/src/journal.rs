//! The campaign's record of events: the timeline of each payment and lease, and counts.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use crate::clock::CampaignClock;

/// One event.
#[derive(Clone, Debug)]
pub struct JournalEntry {
    /// Real seconds since the campaign's start.
    pub real: f64,
    /// The campaign's time, Unix seconds.
    pub at: u64,
    /// The subject: a nonce, a lease's id, a process.
    pub subject: String,
    /// The event in words.
    pub text: String,
}

#[derive(Default)]
struct JournalContents {
    entries: Vec<JournalEntry>,
    counts: BTreeMap<String, u64>,
}

/// The events of a campaign, which all of its tasks write.
pub struct Journal {
    start: Instant,
    clock: Arc<CampaignClock>,
    contents: Mutex<JournalContents>,
}

impl Journal {
    /// An empty journal.
    pub fn new(clock: Arc<CampaignClock>) -> Self {
        Self {
            start: Instant::now(),
            clock,
            contents: Mutex::default(),
        }
    }

    fn contents(&self) -> MutexGuard<'_, JournalContents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records an event about a subject.
    pub fn record(&self, subject: &str, text: impl Into<String>) {
        let entry = JournalEntry {
            real: self.start.elapsed().as_secs_f64(),
            at: self.clock.seconds(),
            subject: subject.to_owned(),
            text: text.into(),
        };
        self.contents().entries.push(entry);
    }

    /// Adds one to the count `group / what`.
    pub fn count(&self, group: &str, what: &str) {
        *self
            .contents()
            .counts
            .entry(format!("{group} / {what}"))
            .or_default() += 1;
    }

    /// Records and counts a fault that was injected.
    pub fn fault(&self, subject: &str, kind: &str) {
        self.count("fault", kind);
        self.record(subject, format!("fault: {kind}"));
    }

    /// All counts, by name.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.contents().counts.clone()
    }

    /// All events, oldest first.
    pub fn entries(&self) -> Vec<JournalEntry> {
        self.contents().entries.clone()
    }

    /// The events about these subjects, oldest first.
    pub fn about(&self, subjects: &[String]) -> Vec<JournalEntry> {
        let contents = self.contents();
        let asked = |entry: &&JournalEntry| subjects.contains(&entry.subject);
        contents.entries.iter().filter(asked).cloned().collect()
    }
}

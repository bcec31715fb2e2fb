//! What happened, in order: the timeline of each payment and lease, and counts of everything.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use crate::clock::CampaignClock;

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct JournalEntry {
    /// Real seconds since the campaign's start.
    pub real: f64,
    /// The campaign's time, Unix seconds.
    pub at: u64,
    /// What it is about: a nonce, a lease's id, a process.
    pub subject: String,
    /// What happened.
    pub text: String,
}

#[derive(Default)]
struct JournalContents {
    entries: Vec<JournalEntry>,
    counts: BTreeMap<String, u64>,
}

/// Everybody writes into it.
pub struct Journal {
    start: Instant,
    clock: Arc<CampaignClock>,
    contents: Mutex<JournalContents>,
}

impl Journal {
    /// An empty one.
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

    /// Notes something about a subject.
    pub fn record(&self, subject: &str, text: impl Into<String>) {
        let entry = JournalEntry {
            real: self.start.elapsed().as_secs_f64(),
            at: self.clock.seconds(),
            subject: subject.to_owned(),
            text: text.into(),
        };
        self.contents().entries.push(entry);
    }

    /// Counts something: `group / what`.
    pub fn count(&self, group: &str, what: &str) {
        *self
            .contents()
            .counts
            .entry(format!("{group} / {what}"))
            .or_default() += 1;
    }

    /// A fault was injected.
    pub fn fault(&self, subject: &str, kind: &str) {
        self.count("fault", kind);
        self.record(subject, format!("fault: {kind}"));
    }

    /// All counts, by name.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.contents().counts.clone()
    }

    /// Everything, oldest first.
    pub fn entries(&self) -> Vec<JournalEntry> {
        self.contents().entries.clone()
    }

    /// What is known of these subjects, oldest first.
    pub fn about(&self, subjects: &[String]) -> Vec<JournalEntry> {
        let contents = self.contents();
        let asked = |entry: &&JournalEntry| subjects.contains(&entry.subject);
        contents.entries.iter().filter(asked).cloned().collect()
    }
}

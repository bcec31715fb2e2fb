//! What happened, in order: the timeline of each payment and lease, and counts of everything.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use crate::clock::Clock;

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Entry {
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
struct Pages {
    entries: Vec<Entry>,
    counts: BTreeMap<String, u64>,
}

/// Everybody writes into it.
pub struct Journal {
    start: Instant,
    clock: Arc<Clock>,
    pages: Mutex<Pages>,
}

impl Journal {
    /// An empty one.
    pub fn new(clock: Arc<Clock>) -> Self {
        Self {
            start: Instant::now(),
            clock,
            pages: Mutex::default(),
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes something about a subject.
    pub fn note(&self, subject: &str, text: impl Into<String>) {
        let entry = Entry {
            real: self.start.elapsed().as_secs_f64(),
            at: self.clock.seconds(),
            subject: subject.to_owned(),
            text: text.into(),
        };
        self.pages().entries.push(entry);
    }

    /// Counts something: `group / what`.
    pub fn count(&self, group: &str, what: &str) {
        *self
            .pages()
            .counts
            .entry(format!("{group} / {what}"))
            .or_default() += 1;
    }

    /// A fault was injected.
    pub fn fault(&self, subject: &str, kind: &str) {
        self.count("fault", kind);
        self.note(subject, format!("fault: {kind}"));
    }

    /// All counts, by name.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.pages().counts.clone()
    }

    /// Everything, oldest first.
    pub fn entries(&self) -> Vec<Entry> {
        self.pages().entries.clone()
    }

    /// What is known of these subjects, oldest first.
    pub fn about(&self, subjects: &[String]) -> Vec<Entry> {
        let pages = self.pages();
        let asked = |entry: &&Entry| subjects.contains(&entry.subject);
        pages.entries.iter().filter(asked).cloned().collect()
    }
}

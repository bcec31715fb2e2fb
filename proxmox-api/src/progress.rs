//! Progress events while a customer waits (`Accept: text/event-stream`).

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::Value;
use tokio::sync::mpsc;

/// What an event takes in memory beside its text, in bytes.
const EVENT_BYTES: usize = 512;
/// How many bytes of one operation's events may wait for a client that reads slowly.
const WAITING_LIMIT: usize = 8 << 20;
/// The same for all operations together, and how much each may have waiting above that.
const WAITING_IN_ALL: usize = 128 << 20;
const WAITING_WHEN_FULL: usize = 256 << 10;

/// Bytes of events that wait in this process.
static IN_ALL: AtomicUsize = AtomicUsize::new(0);

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct ProgressEvent {
    /// Name of the event: `progress`, `stdout`, `stderr`.
    pub name: &'static str,
    /// Its data.
    pub data: Value,
}

/// Sends progress events of an operation. Without a listener it does nothing; it never waits.
#[derive(Debug, Clone, Default)]
pub struct Progress(Option<EventSender>);

#[derive(Debug, Clone)]
struct EventSender {
    events: mpsc::UnboundedSender<WaitingEvent>,
    /// Bytes of this operation's events that wait.
    waiting: Arc<AtomicUsize>,
}

/// Receives the events.
#[derive(Debug)]
pub struct ProgressEvents(mpsc::UnboundedReceiver<WaitingEvent>);

/// An event, counted until it is taken or the listener is gone.
#[derive(Debug)]
struct WaitingEvent {
    event: ProgressEvent,
    _weight: Weight,
}

#[derive(Debug)]
struct Weight {
    bytes: usize,
    waiting: Arc<AtomicUsize>,
}

impl Weight {
    fn new(bytes: usize, waiting: &Arc<AtomicUsize>) -> Self {
        let waiting = waiting.clone();
        waiting.fetch_add(bytes, Ordering::Relaxed);
        IN_ALL.fetch_add(bytes, Ordering::Relaxed);
        Self { bytes, waiting }
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.bytes, Ordering::Relaxed);
        IN_ALL.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Progress {
    /// A sender with a listener.
    pub fn listened() -> (Self, ProgressEvents) {
        let (events, receiver) = mpsc::unbounded_channel();
        let waiting = Arc::default();
        let sender = EventSender { events, waiting };
        (Self(Some(sender)), ProgressEvents(receiver))
    }

    /// Whether there is a listener.
    pub fn is_listened(&self) -> bool {
        let sender = self.0.as_ref();
        sender.is_some_and(|sender| !sender.events.is_closed())
    }

    /// Sends an event, unless the listener is gone.
    pub fn say(&self, name: &'static str, data: Value) {
        if let Some(sender) = &self.0 {
            sender.send(0, ProgressEvent { name, data });
        }
    }

    /// Sends a piece of output as an event, unless the listener is gone. `false`, and nothing is
    /// sent, if too much waits for the listener already: what a container prints is as much as it
    /// likes, in pieces as small as it likes.
    pub fn say_output(&self, name: &'static str, text: String) -> bool {
        let Some(sender) = &self.0 else { return true };
        let bytes = text.len() + EVENT_BYTES;
        let limit = match IN_ALL.load(Ordering::Relaxed) + bytes > WAITING_IN_ALL {
            true => WAITING_WHEN_FULL,
            false => WAITING_LIMIT,
        };
        if sender.waiting.load(Ordering::Relaxed) + bytes > limit {
            return false;
        }
        let data = serde_json::json!({ "text": text });
        sender.send(bytes, ProgressEvent { name, data });
        true
    }

    /// Sends that a step has begun.
    pub fn step(&self, step: &str) {
        self.say("progress", serde_json::json!({ "step": step }));
    }
}

impl EventSender {
    fn send(&self, bytes: usize, event: ProgressEvent) {
        let _weight = Weight::new(bytes, &self.waiting);
        // An error means that the listener is gone.
        let _ = self.events.send(WaitingEvent { event, _weight });
    }
}

impl ProgressEvents {
    /// The next event; `None` once the operation has ended and all events are taken.
    pub async fn recv(&mut self) -> Option<ProgressEvent> {
        self.0.recv().await.map(|waiting| waiting.event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_more_output_waits_than_the_limit_however_small_its_pieces_are() {
        let (progress, mut events) = Progress::listened();
        let mut sent = 0;
        while progress.say_output("stdout", "x".into()) {
            sent += 1;
            assert!(sent <= WAITING_LIMIT / EVENT_BYTES, "{sent} pieces wait");
        }
        events.recv().await.unwrap();
        assert!(progress.say_output("stdout", "x".into()), "there is room");
        assert!(!progress.say_output("stdout", "x".into()));
        let waiting = progress.0.as_ref().unwrap().waiting.clone();
        drop(events);
        assert_eq!(waiting.load(Ordering::Relaxed), 0);
        assert!(!progress.is_listened());
    }
}

//! Progress events while a customer waits (`Accept: text/event-stream`).

use serde_json::Value;
use tokio::sync::mpsc;

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
pub struct Progress(Option<mpsc::UnboundedSender<ProgressEvent>>);

impl Progress {
    /// A sender with a listener.
    pub fn listened() -> (Self, mpsc::UnboundedReceiver<ProgressEvent>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(Some(sender)), receiver)
    }

    /// Whether there is a listener.
    pub fn is_listened(&self) -> bool {
        self.0.as_ref().is_some_and(|sender| !sender.is_closed())
    }

    /// Sends an event, unless the listener is gone.
    pub fn say(&self, name: &'static str, data: Value) {
        if let Some(sender) = &self.0 {
            let _ = sender.send(ProgressEvent { name, data });
        }
    }

    /// Sends that a step has begun.
    pub fn step(&self, step: &str) {
        self.say("progress", serde_json::json!({ "step": step }));
    }
}

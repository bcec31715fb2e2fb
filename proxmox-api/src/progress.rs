//! What happens while a customer waits, for those who asked to be told (`Accept: text/event-stream`).

use serde_json::Value;
use tokio::sync::mpsc;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct ProgressEvent {
    /// Name of the event: `progress`, `stdout`, `stderr`.
    pub name: &'static str,
    /// Its data.
    pub data: Value,
}

/// Where an operation says how far it is. Saying it to nobody costs nothing, and never waits.
#[derive(Debug, Clone, Default)]
pub struct Progress(Option<mpsc::UnboundedSender<ProgressEvent>>);

impl Progress {
    /// A progress that is listened to.
    pub fn listened() -> (Self, mpsc::UnboundedReceiver<ProgressEvent>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(Some(sender)), receiver)
    }

    /// Whether somebody listens.
    pub fn is_listened(&self) -> bool {
        self.0.as_ref().is_some_and(|sender| !sender.is_closed())
    }

    /// Says something; a listener that has gone is nobody.
    pub fn say(&self, name: &'static str, data: Value) {
        if let Some(sender) = &self.0 {
            let _ = sender.send(ProgressEvent { name, data });
        }
    }

    /// Says which step has begun.
    pub fn step(&self, step: &str) {
        self.say("progress", serde_json::json!({ "step": step }));
    }
}

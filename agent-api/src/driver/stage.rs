//! Where a request's events go: to a listener as they happen, and all but the words into the answer.

use api_types::ChatEvent;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// The events of one request.
#[derive(Debug, Default)]
pub struct Stage {
    listener: Option<UnboundedSender<ChatEvent>>,
    events: Vec<ChatEvent>,
}

impl Stage {
    /// Nobody listens; the events are kept for the answer.
    pub fn quiet() -> Self {
        Self::default()
    }

    /// Somebody listens. A turn is bounded, so what waits for a slow listener is as well.
    pub fn listened() -> (Self, UnboundedReceiver<ChatEvent>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let stage = Self {
            listener: Some(sender),
            events: Vec::new(),
        };
        (stage, receiver)
    }

    /// Some of the agent's words.
    pub fn token(&self, text: &str) {
        if let Some(listener) = &self.listener
            && !text.is_empty()
        {
            let text = text.to_owned();
            // Whoever hung up is noticed where the stream is.
            let _ = listener.send(ChatEvent::Token { text });
        }
    }

    /// Anything else.
    pub fn happened(&mut self, event: ChatEvent) {
        match &self.listener {
            Some(listener) => drop(listener.send(event)),
            None => self.events.push(event),
        }
    }

    /// What happened, where nobody listened.
    pub fn into_events(self) -> Vec<ChatEvent> {
        self.events
    }
}

//! The events of a request: sent to a listener as they happen, or collected for the response.

use api_types::ChatEvent;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// The events of one request.
#[derive(Debug, Default)]
pub struct EventSink {
    listener: Option<UnboundedSender<ChatEvent>>,
    events: Vec<ChatEvent>,
}

impl EventSink {
    /// A sink that collects the events for the response.
    pub fn buffered() -> Self {
        Self::default()
    }

    /// A sink that sends each event at once. The queue for a slow listener is bounded, because a
    /// turn is.
    pub fn streaming() -> (Self, UnboundedReceiver<ChatEvent>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let sink = Self {
            listener: Some(sender),
            events: Vec::new(),
        };
        (sink, receiver)
    }

    /// Sends a piece of the agent's text.
    pub fn token(&self, text: &str) {
        if let Some(listener) = &self.listener
            && !text.is_empty()
        {
            let text = text.to_owned();
            // A send error means that the client hung up; the stream handles that.
            let _ = listener.send(ChatEvent::Token { text });
        }
    }

    /// Records any other event.
    pub fn emit(&mut self, event: ChatEvent) {
        match &self.listener {
            Some(listener) => drop(listener.send(event)),
            None => self.events.push(event),
        }
    }

    /// The buffered events.
    pub fn into_events(self) -> Vec<ChatEvent> {
        self.events
    }
}

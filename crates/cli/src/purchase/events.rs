//! Server-sent events (HTML standard, section 9.2.6) of a paid request: a name and a JSON value
//! each.

use reqwest::{Response, header::CONTENT_TYPE};
use serde_json::Value;

/// The longest line, and the most data of one event, in bytes: the `result` of a command with all
/// its outputs is far shorter. More is left out, so that a broken server cannot fill the memory.
const LARGEST: usize = 4 << 20;

/// An event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its name: `progress`, `stdout`, `stderr`, `result`.
    pub name: String,
    /// Its data; null where that is no JSON.
    pub data: Value,
}

/// Whether the response is a stream of events.
pub fn is_stream(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE);
    kind.and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("text/event-stream"))
}

/// Turns chunks of bytes into events.
#[derive(Debug, Default)]
pub struct EventParser {
    line: Vec<u8>,
    name: String,
    data: Option<String>,
    after_cr: bool,
}

impl EventParser {
    /// Reads a chunk and returns the events that it completes.
    pub fn push(&mut self, chunk: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for &byte in chunk {
            // CR LF is one line break, even if a chunk ends between the two.
            let second_half = self.after_cr && byte == b'\n';
            self.after_cr = byte == b'\r';
            match byte {
                _ if second_half => {}
                b'\r' | b'\n' => events.extend(self.end_line()),
                _ if self.line.len() < LARGEST => self.line.push(byte),
                _ => {}
            }
        }
        events
    }

    fn end_line(&mut self) -> Option<Event> {
        let bytes = std::mem::take(&mut self.line);
        if bytes.is_empty() {
            let name = std::mem::take(&mut self.name);
            let data = self.data.take()?;
            let data = serde_json::from_str(&data).unwrap_or_default();
            return Some(Event { name, data });
        }
        let line = String::from_utf8_lossy(&bytes);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match (field, &mut self.data) {
            ("event", _) => value.clone_into(&mut self.name),
            ("data", Some(data)) if data.len() + value.len() < LARGEST => {
                data.push('\n');
                data.push_str(value);
            }
            ("data", none @ None) => *none = Some(value.to_owned()),
            // A line without a field name is a comment, which keeps the connection open.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_server_that_never_ends_an_event_fills_no_memory() {
        let mut parser = EventParser::default();
        let line = format!("data: {}\n", "x".repeat(1 << 20));
        for _ in 0..20 {
            assert_eq!(parser.push(line.as_bytes()), []);
        }
        assert!(parser.data.unwrap().len() < LARGEST);
    }

    #[test]
    fn any_split_of_a_stream_gives_the_same_events() {
        let stream =
            "event: stdout\r\ndata: {\"text\":\"grüße\"}\r\n\r\n: still here\n\nevent: result\ndata: {\ndata: \"status\": 200}\n\nevent: lost\n\n"
                .as_bytes();
        let expected = [
            Event {
                name: "stdout".to_owned(),
                data: json!({"text": "grüße"}),
            },
            Event {
                name: "result".to_owned(),
                data: json!({"status": 200}),
            },
        ];
        for at in 0..stream.len() {
            let mut parser = EventParser::default();
            let mut events = parser.push(&stream[..at]);
            events.extend(parser.push(&stream[at..]));
            assert_eq!(events, expected, "split at {at}");
        }
    }
}

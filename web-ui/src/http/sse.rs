//! Parser of server-sent events (HTML standard, section 9.2.6), because `EventSource` cannot send a
//! `POST`. Ids and retry times are ignored, since a chat turn is never resumed by id.

/// One event: its name and its data, lines joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseEvent {
    /// The name; `message` where the stream gives none.
    pub event: String,
    /// The data.
    pub data: String,
}

/// The longest line, in bytes. A longer one is cut, so that a broken server cannot fill the memory.
const LONGEST_LINE: usize = 4 * 1024 * 1024;

/// Turns chunks of bytes into events. A chunk may end anywhere, even within a character or a line
/// break.
#[derive(Debug, Default)]
pub struct SseParser {
    line: Vec<u8>,
    event: String,
    data: Option<String>,
    after_cr: bool,
    begun: bool,
}

impl SseParser {
    /// A parser at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a chunk and returns the events that it completes.
    pub fn push(&mut self, chunk: &[u8]) -> Vec<SseEvent> {
        let mut events = Vec::new();
        for &byte in chunk {
            // CR LF is one line break, even if a chunk ends between the two.
            let second_half = self.after_cr && byte == b'\n';
            self.after_cr = byte == b'\r';
            match byte {
                _ if second_half => {}
                b'\r' | b'\n' => events.extend(self.end_line()),
                _ if self.line.len() < LONGEST_LINE => self.line.push(byte),
                _ => {}
            }
        }
        events
    }

    fn end_line(&mut self) -> Option<SseEvent> {
        let bytes = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&bytes);
        let mark = if self.begun { "" } else { "\u{feff}" };
        let line = text.strip_prefix(mark).unwrap_or(&text);
        self.begun = true;
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            // A line without a field name is a comment, which servers send to keep the connection
            // open.
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<SseEvent> {
        let event = std::mem::take(&mut self.event);
        let data = self.data.take()?;
        let event = if event.is_empty() {
            "message".to_owned()
        } else {
            event
        };
        Some(SseEvent { event, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(event: &str, data: &str) -> SseEvent {
        SseEvent {
            event: event.to_owned(),
            data: data.to_owned(),
        }
    }

    #[test]
    fn events_have_a_name_and_joined_lines() {
        let stream = b"event: token\ndata: {\"text\":\"Hi\"}\n\n: keep-alive\n\ndata: a\ndata:b\ndata:  c\n\n";
        assert_eq!(
            SseParser::new().push(stream),
            [
                event("token", "{\"text\":\"Hi\"}"),
                event("message", "a\nb\n c")
            ]
        );
    }

    #[test]
    fn any_split_of_the_stream_gives_the_same_events() {
        let stream =
            "\u{feff}event: token\r\ndata: grüße 👋\r\n\r\nevent: final\rdata: x\r\rdata\n\n"
                .as_bytes();
        let whole = SseParser::new().push(stream);
        assert_eq!(
            whole,
            [
                event("token", "grüße 👋"),
                event("final", "x"),
                event("message", "")
            ]
        );
        for at in 0..stream.len() {
            let mut parser = SseParser::new();
            let mut events = parser.push(&stream[..at]);
            events.extend(parser.push(&stream[at..]));
            assert_eq!(events, whole, "split at {at}");
        }
        let mut parser = SseParser::new();
        let bytewise: Vec<_> = stream.iter().flat_map(|b| parser.push(&[*b])).collect();
        assert_eq!(bytewise, whole);
    }

    #[test]
    fn an_event_without_its_empty_line_is_not_given() {
        let mut parser = SseParser::new();
        assert_eq!(parser.push(b"data: half"), []);
        assert_eq!(parser.push(b"\n"), []);
        assert_eq!(parser.push(b"\n"), [event("message", "half")]);
    }

    #[test]
    fn a_name_without_data_is_forgotten() {
        assert_eq!(
            SseParser::new().push(b"event: token\n\ndata: x\n\n"),
            [event("message", "x")]
        );
    }
}

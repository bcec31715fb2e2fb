//! The byte stream of termproxy: one line with the ticket, then messages `0:length:bytes`
//! (keystrokes), `1:columns:rows:` (size) and `2` (keepalive). The borders of WebSocket frames
//! have no meaning in it.

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ClientMessage {
    Keys(Vec<u8>),
    Size { columns: u16, rows: u16 },
    Ping,
}

/// Parses the stream.
#[derive(Debug, Default)]
pub(super) struct MessageReader {
    buffer: Vec<u8>,
    /// A header that lies across the end of the read buffer is not understood.
    splits_headers: bool,
    /// Bytes of messages that were parsed.
    position: usize,
    /// The borders of messages are lost.
    lost: bool,
}

/// What termproxy reads at a time.
const READ_BUFFER: usize = 4096;

/// A message that termproxy does not know; it closes the connection then.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed terminal message")]
pub(super) struct MalformedMessage;

/// A length or size never has more digits.
const LONGEST_NUMBER: usize = 10;

/// The most keystrokes in one message; clients send 64 KiB at most.
const LONGEST_KEYS: usize = 1024 * 1024;

impl MessageReader {
    /// With termproxy's defect, for a reader that is always behind, or without.
    pub(super) fn new(splits_headers: bool) -> Self {
        Self {
            splits_headers,
            ..Self::default()
        }
    }

    /// Adds received bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The first line without its end, if it is there as a whole.
    pub(super) fn line(&mut self) -> Option<Vec<u8>> {
        let end = self.buffer.iter().position(|byte| *byte == b'\n')?;
        let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
        line.pop();
        Some(line)
    }

    /// Bytes of an incomplete line or message.
    pub(super) fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// The next whole message.
    pub(super) fn next(&mut self) -> Result<Option<ClientMessage>, MalformedMessage> {
        if self.lost {
            self.buffer.clear();
            return Ok(None);
        }
        let (message, used) = match self.buffer.first() {
            None => return Ok(None),
            Some(b'2') => (ClientMessage::Ping, 1),
            Some(b'0') => {
                let Some((length, start)) = self.number(1)? else {
                    return Ok(None);
                };
                if length > LONGEST_KEYS {
                    return Err(MalformedMessage);
                }
                let end = start + length;
                let Some(keys) = self.buffer.get(start..end) else {
                    return Ok(None);
                };
                (ClientMessage::Keys(keys.to_vec()), end)
            }
            Some(b'1') => {
                let Some((columns, middle)) = self.number(1)? else {
                    return Ok(None);
                };
                let Some((rows, end)) = self.number(middle - 1)? else {
                    return Ok(None);
                };
                let size = |number: usize| u16::try_from(number).map_err(|_| MalformedMessage);
                let (columns, rows) = (size(columns)?, size(rows)?);
                (ClientMessage::Size { columns, rows }, end)
            }
            Some(_) => return Err(MalformedMessage),
        };
        let header = match &message {
            ClientMessage::Keys(keys) => used - keys.len(),
            ClientMessage::Size { .. } | ClientMessage::Ping => used,
        };
        let last = self.position + header - 1;
        if self.splits_headers && self.position / READ_BUFFER != last / READ_BUFFER {
            self.lost = true;
            return self.next();
        }
        self.position += used;
        self.buffer.drain(..used);
        Ok(Some(message))
    }

    /// The number between the colon at `at` and the next one, and the position after that.
    fn number(&self, at: usize) -> Result<Option<(usize, usize)>, MalformedMessage> {
        match self.buffer.get(at) {
            None => return Ok(None),
            Some(b':') => {}
            Some(_) => return Err(MalformedMessage),
        }
        let rest = &self.buffer[at + 1..];
        let Some(length) = rest.iter().position(|byte| *byte == b':') else {
            let plausible = rest.len() <= LONGEST_NUMBER && rest.iter().all(u8::is_ascii_digit);
            return if plausible {
                Ok(None)
            } else {
                Err(MalformedMessage)
            };
        };
        let digits = &rest[..length];
        if digits.is_empty() || length > LONGEST_NUMBER || !digits.iter().all(u8::is_ascii_digit) {
            return Err(MalformedMessage);
        }
        let number = digits
            .iter()
            .fold(0, |number, digit| number * 10 + usize::from(digit - b'0'));
        Ok(Some((number, at + 1 + length + 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(messages: &mut MessageReader) -> Vec<ClientMessage> {
        std::iter::from_fn(|| messages.next().unwrap()).collect()
    }

    #[test]
    fn messages_are_the_same_however_the_stream_is_cut() {
        let stream = b"u@pve!t:PVEVNC:1::a\n0:3:l:\r21:200:50:0:0:2";
        for step in 1..stream.len() {
            let mut messages = MessageReader::default();
            let mut line = None;
            let mut seen = Vec::new();
            for part in stream.chunks(step) {
                messages.feed(part);
                if line.is_none() {
                    line = messages.line();
                }
                if line.is_some() {
                    seen.extend(all(&mut messages));
                }
            }
            assert_eq!(line.as_deref(), Some(&b"u@pve!t:PVEVNC:1::a"[..]));
            let size = ClientMessage::Size {
                columns: 200,
                rows: 50,
            };
            let keys = |text: &[u8]| ClientMessage::Keys(text.to_vec());
            assert_eq!(
                seen,
                [
                    keys(b"l:\r"),
                    ClientMessage::Ping,
                    size,
                    keys(b""),
                    ClientMessage::Ping
                ],
                "step {step}"
            );
        }
    }

    #[test]
    fn a_header_across_the_end_of_the_read_buffer_loses_all_that_follows() {
        let message = format!("0:462:{}", "x".repeat(462));
        for (defect, expected) in [(false, 100), (true, 35)] {
            let mut messages = MessageReader::new(defect);
            messages.feed(message.repeat(100).as_bytes());
            assert_eq!(all(&mut messages).len(), expected);
            messages.feed(b"2");
            assert_eq!(all(&mut messages).len(), usize::from(!defect));
        }
    }

    #[test]
    fn what_is_no_message_is_malformed() {
        for text in [
            "x",
            "0x",
            "0:x:",
            "0::",
            "0:12345678901",
            "0:1048577:",
            "1:99999:1:",
            "1:1:x",
        ] {
            let mut messages = MessageReader::default();
            messages.feed(text.as_bytes());
            assert_eq!(messages.next(), Err(MalformedMessage), "{text}");
        }
    }
}

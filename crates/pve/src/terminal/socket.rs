//! The WebSocket as Proxmox's web server speaks it (RFC 6455 with narrower habits): our frames are masked, whole and
//! without extensions; the server's end is a cut connection, not a closing handshake.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use reqwest::Upgraded;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;

use crate::terminal::error::TerminalError;
use crate::terminal::framing;

const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The server's frames hold at most 128 KiB; anything far above is not that server.
const MAX_FRAME: u64 = 1024 * 1024;

/// Messages on their way out; a full queue holds the sender back.
const QUEUE: usize = 16;

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the system has randomness");
    bytes
}

/// A fresh `Sec-WebSocket-Key`.
pub(crate) fn handshake_key() -> String {
    STANDARD.encode(random::<16>())
}

/// Checks that the server has understood the handshake.
pub(crate) fn check_accept(headers: &HeaderMap, key: &str) -> Result<(), TerminalError> {
    let joined = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let expected = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, joined.as_bytes()));
    let given = headers
        .get("sec-websocket-accept")
        .and_then(|v| v.to_str().ok());
    if given == Some(expected.as_str()) {
        Ok(())
    } else {
        Err(TerminalError::Protocol(
            "the WebSocket handshake was not accepted".to_owned(),
        ))
    }
}

/// Queues messages for a task that writes them, so that an abandoned send never leaves half a frame behind.
#[derive(Clone, Debug)]
pub(crate) struct SocketWriter {
    queue: mpsc::Sender<Frame>,
}

#[derive(Debug)]
struct Frame {
    opcode: u8,
    payload: Bytes,
    /// The bytes before the typed ones, of a message for the terminal proxy.
    header: Option<usize>,
}

/// The terminal proxy reads into a buffer of this size, and loses the borders of messages for good
/// where it finds a part of a header at its end.
const BORDER: usize = 4096;

/// How many one-byte messages have to come before a header so that it is read as a whole.
fn filling(position: usize, header: usize) -> usize {
    let room = BORDER - position % BORDER;
    if room < header { room } else { 0 }
}

impl SocketWriter {
    /// Queues the line with the ticket, which comes before all messages.
    pub(crate) async fn send_ticket(&self, line: Bytes) -> Result<(), TerminalError> {
        self.queue(line, None).await
    }

    /// Queues one message of at most 128 KiB, which begins with a header of that length.
    pub(crate) async fn send(&self, payload: Bytes, header: usize) -> Result<(), TerminalError> {
        self.queue(payload, Some(header)).await
    }

    async fn queue(&self, payload: Bytes, header: Option<usize>) -> Result<(), TerminalError> {
        let frame = Frame {
            opcode: BINARY,
            payload,
            header,
        };
        self.queue
            .send(frame)
            .await
            .map_err(|_| TerminalError::Lost("it was closed".to_owned()))
    }
}

/// Reads the server's bytes; frame borders mean nothing.
#[derive(Debug)]
pub(crate) struct SocketReader {
    stream: ReadHalf<Upgraded>,
    buffer: BytesMut,
    /// Weak, so that the connection ends when the writers do.
    pongs: mpsc::WeakSender<Frame>,
    ended: bool,
}

/// Makes the two ends of an upgraded connection.
pub(crate) fn split(upgraded: Upgraded) -> (SocketReader, SocketWriter) {
    let (read, write) = tokio::io::split(upgraded);
    let (queue, outgoing) = mpsc::channel(QUEUE);
    tokio::spawn(write_frames(write, outgoing));
    let reader = SocketReader {
        stream: read,
        buffer: BytesMut::new(),
        pongs: queue.downgrade(),
        ended: false,
    };
    (reader, SocketWriter { queue })
}

async fn write_frames(mut stream: WriteHalf<Upgraded>, mut outgoing: mpsc::Receiver<Frame>) {
    let mut position = 0;
    while let Some(frame) = outgoing.recv().await {
        if let Some(header) = frame.header {
            let signs = framing::ping().repeat(filling(position, header));
            position += signs.len() + frame.payload.len();
            if !signs.is_empty() && !write_one(&mut stream, BINARY, &signs).await {
                return;
            }
        }
        if !write_one(&mut stream, frame.opcode, &frame.payload).await {
            return;
        }
    }
    let _ = stream
        .write_all(&encode(CLOSE, &1000_u16.to_be_bytes(), random()))
        .await;
    let _ = stream.shutdown().await;
}

async fn write_one(stream: &mut WriteHalf<Upgraded>, opcode: u8, payload: &[u8]) -> bool {
    let bytes = encode(opcode, payload, random());
    stream.write_all(&bytes).await.is_ok() && stream.flush().await.is_ok()
}

impl SocketReader {
    /// The next bytes, or `None` at the end. May be abandoned and called again.
    pub(crate) async fn read(&mut self) -> Result<Option<Bytes>, TerminalError> {
        loop {
            if self.ended {
                return Ok(None);
            }
            while let Some((opcode, payload)) = decode(&mut self.buffer)? {
                match opcode {
                    0..=2 if payload.is_empty() => {}
                    0..=2 => return Ok(Some(payload)),
                    CLOSE => {
                        self.ended = true;
                        return Ok(None);
                    }
                    PING => {
                        if let Some(queue) = self.pongs.upgrade() {
                            // If the queue is full, our own traffic is sign of life enough.
                            let _ = queue.try_send(Frame {
                                opcode: PONG,
                                payload,
                                header: None,
                            });
                        }
                    }
                    PONG => {}
                    other => return Err(TerminalError::Protocol(format!("frame of type {other}"))),
                }
            }
            self.buffer.reserve(16 * 1024);
            match self.stream.read_buf(&mut self.buffer).await {
                // The server drops the connection without a close frame, which arrives as an end or as a reset.
                Ok(0) | Err(_) => self.ended = true,
                Ok(_) => {}
            }
        }
    }
}

/// One whole, masked frame.
fn encode(opcode: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 14);
    frame.push(0x80 | opcode);
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    frame
}

/// Takes one frame off the front of the buffer, if it is complete.
fn decode(buffer: &mut BytesMut) -> Result<Option<(u8, Bytes)>, TerminalError> {
    let broken = |what: &str| Err(TerminalError::Protocol(what.to_owned()));
    if buffer.len() < 2 {
        return Ok(None);
    }
    let (first, second) = (buffer[0], buffer[1]);
    if first & 0x70 != 0 {
        return broken("a frame with an extension that was not asked for");
    }
    if second & 0x80 != 0 {
        return broken("a masked frame from the server");
    }
    let (head, length) = match second & 0x7f {
        126 if buffer.len() < 4 => return Ok(None),
        126 => (4, u64::from(u16::from_be_bytes([buffer[2], buffer[3]]))),
        127 if buffer.len() < 10 => return Ok(None),
        127 => (10, (&buffer[2..10]).get_u64()),
        short => (2, u64::from(short)),
    };
    if length > MAX_FRAME {
        return broken("a frame that is too large");
    }
    let length = length as usize;
    if buffer.len() < head + length {
        return Ok(None);
    }
    buffer.advance(head);
    Ok(Some((first & 0x0f, buffer.split_to(length).freeze())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The server's side of `encode`.
    fn unmask(frame: &[u8]) -> Vec<u8> {
        assert_eq!(frame[0], 0x82, "whole, binary, no extension");
        assert_ne!(frame[1] & 0x80, 0, "masked");
        let (head, length) = match frame[1] & 0x7f {
            126 => (4, u64::from(u16::from_be_bytes([frame[2], frame[3]]))),
            127 => (10, (&frame[2..10]).get_u64()),
            short => (2, u64::from(short)),
        };
        let (mask, body) = frame[head..].split_at(4);
        assert_eq!(body.len() as u64, length);
        body.iter()
            .zip(mask.iter().cycle())
            .map(|(b, k)| b ^ k)
            .collect()
    }

    proptest! {
        #[test]
        fn a_sent_frame_is_masked_whole_and_keeps_its_payload(
            payload in prop::collection::vec(any::<u8>(), 0..300), mask: [u8; 4], blow_up in 0_usize..2,
        ) {
            let payload = payload.repeat(1 + blow_up * 400);
            prop_assert_eq!(unmask(&encode(BINARY, &payload, mask)), payload);
        }

        #[test]
        fn received_bytes_are_the_same_however_they_are_cut(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..6), cut in 1_usize..50,
        ) {
            let mut wire = Vec::new();
            for part in &parts {
                wire.push(0x82);
                if part.len() < 126 {
                    wire.push(part.len() as u8);
                } else {
                    wire.push(126);
                    wire.extend_from_slice(&(part.len() as u16).to_be_bytes());
                }
                wire.extend_from_slice(part);
            }
            let mut buffer = BytesMut::new();
            let mut got = Vec::new();
            for chunk in wire.chunks(cut) {
                buffer.extend_from_slice(chunk);
                while let Some((opcode, payload)) = decode(&mut buffer).unwrap() {
                    prop_assert_eq!(opcode, BINARY);
                    got.extend_from_slice(&payload);
                }
            }
            prop_assert_eq!(got, parts.concat());
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = decode(&mut buffer) {}
        }
    }

    #[test]
    fn no_header_is_cut_by_the_border_of_the_proxys_buffer() {
        for (length, header) in [(1, 1), (9, 9), (468, 6), (65543, 8)] {
            let mut position = 0;
            for _ in 0..10_000 {
                position += filling(position, header);
                let first = position / BORDER;
                assert_eq!((position + header - 1) / BORDER, first, "{length}");
                position += length;
            }
        }
    }

    #[test]
    fn frames_that_proxmox_would_not_send_are_refused() {
        for bad in [
            &[0xc2, 0x00][..],
            &[0x82, 0x80],
            &[0x82, 127, 0, 0, 0, 0, 0xff, 0, 0, 0],
        ] {
            assert!(decode(&mut BytesMut::from(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_handshake_answer_of_the_specification_is_accepted() {
        let mut headers = HeaderMap::new();
        headers.insert(
            "sec-websocket-accept",
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".parse().unwrap(),
        );
        assert!(check_accept(&headers, "dGhlIHNhbXBsZSBub25jZQ==").is_ok());
        assert!(check_accept(&headers, "other").is_err());
        assert!(check_accept(&HeaderMap::new(), "dGhlIHNhbXBsZSBub25jZQ==").is_err());
    }
}

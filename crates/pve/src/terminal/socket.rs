//! The WebSocket as Proxmox's web server speaks it: our messages are single frames without
//! extensions, and the server ends a connection by cutting it, without a closing handshake.

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use http::HeaderMap;
use reqwest::Upgraded;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{Error, ProtocolError};
pub(crate) use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};

use crate::terminal::error::TerminalError;
use crate::terminal::framing;

/// The server's frames hold at most 128 KiB; a frame far above that is from another server.
const MAX_FRAME: usize = 1024 * 1024;

/// The buffer of a connection; the library's default is 128 KiB for each open terminal.
const READ_BUFFER: usize = 16 * 1024;

/// Messages on their way out; a full queue holds the sender back.
const QUEUE: usize = 16;

/// Checks that the server has understood the handshake (RFC 6455, section 4.1).
pub(crate) fn check_accept(headers: &HeaderMap, key: &str) -> Result<(), TerminalError> {
    let given = headers
        .get("sec-websocket-accept")
        .and_then(|v| v.to_str().ok());
    if given == Some(derive_accept_key(key.as_bytes()).as_str()) {
        Ok(())
    } else {
        Err(TerminalError::Protocol(
            "the WebSocket handshake was not accepted".to_owned(),
        ))
    }
}

/// Queues messages for the task that writes them. Clones share the task; the connection is closed
/// when the last one is dropped.
#[derive(Clone, Debug)]
pub(crate) struct SocketWriter {
    queue: mpsc::Sender<OutgoingMessage>,
}

#[derive(Debug)]
struct OutgoingMessage {
    payload: Bytes,
    /// The bytes before the typed ones, of a message for the terminal proxy.
    header: Option<usize>,
}

/// The terminal proxy reads into a buffer of this size. Where a part of a header is at the buffer's
/// end, it misreads all later messages.
const PROXY_BUFFER: usize = 4096;

/// How many one-byte messages have to come before a header so that it is read as a whole.
fn filler_length(position: usize, header: usize) -> usize {
    let room = PROXY_BUFFER - position % PROXY_BUFFER;
    if room < header { room } else { 0 }
}

impl SocketWriter {
    /// Queues the line with the ticket, which comes before all messages.
    pub(crate) async fn send_ticket(&self, line: Bytes) -> Result<(), TerminalError> {
        self.enqueue(line, None).await
    }

    /// Queues one message of at most 128 KiB, which begins with a header of that length.
    pub(crate) async fn send(&self, payload: Bytes, header: usize) -> Result<(), TerminalError> {
        self.enqueue(payload, Some(header)).await
    }

    async fn enqueue(&self, payload: Bytes, header: Option<usize>) -> Result<(), TerminalError> {
        self.queue
            .send(OutgoingMessage { payload, header })
            .await
            .map_err(|_| TerminalError::Lost("it was closed".to_owned()))
    }
}

/// Reads the server's bytes; message borders have no meaning.
#[derive(Debug)]
pub(crate) struct SocketReader<S = Upgraded> {
    messages: SplitStream<WebSocketStream<S>>,
}

/// Makes the two ends of an upgraded connection.
pub(crate) async fn split<S>(upgraded: S) -> (SocketReader<S>, SocketWriter)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .max_frame_size(Some(MAX_FRAME))
        .max_message_size(Some(MAX_FRAME));
    let stream = WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await;
    let (sink, messages) = stream.split();
    let (queue, outgoing) = mpsc::channel(QUEUE);
    tokio::spawn(write_messages(sink, outgoing));
    (SocketReader { messages }, SocketWriter { queue })
}

async fn write_messages<S>(
    mut sink: SplitSink<WebSocketStream<S>, Message>,
    mut outgoing: mpsc::Receiver<OutgoingMessage>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut position = 0;
    while let Some(OutgoingMessage { payload, header }) = outgoing.recv().await {
        if let Some(header) = header {
            let filler = framing::ping().repeat(filler_length(position, header));
            position += filler.len() + payload.len();
            if !filler.is_empty() && sink.send(Message::Binary(filler.into())).await.is_err() {
                return;
            }
        }
        if sink.send(Message::Binary(payload)).await.is_err() {
            return;
        }
    }
    let close = CloseFrame {
        code: CloseCode::Normal,
        reason: "".into(),
    };
    let _ = sink.send(Message::Close(Some(close))).await;
}

impl<S: AsyncRead + AsyncWrite + Unpin> SocketReader<S> {
    /// The next bytes, or `None` at the end. Dropping the future loses nothing.
    pub(crate) async fn read(&mut self) -> Result<Option<Bytes>, TerminalError> {
        loop {
            match self.messages.next().await {
                Some(Ok(message @ (Message::Binary(_) | Message::Text(_)))) => {
                    let payload = message.into_data();
                    if !payload.is_empty() {
                        return Ok(Some(payload));
                    }
                }
                // The library answers pings.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Ok(None),
                Some(Err(error)) if is_cut(&error) => return Ok(None),
                Some(Err(error)) => return Err(TerminalError::Protocol(error.to_string())),
            }
        }
    }
}

/// True for a connection that ended without a close frame, which is how the server ends one.
fn is_cut(error: &Error) -> bool {
    matches!(
        error,
        Error::Io(_) | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const BINARY: u8 = 2;
    const CLOSE: u8 = 8;
    const PING: u8 = 9;
    const PONG: u8 = 10;

    async fn connect() -> (SocketReader<DuplexStream>, SocketWriter, DuplexStream) {
        let (ours, server) = duplex(1 << 20);
        let (reader, writer) = split(ours).await;
        (reader, writer, server)
    }

    /// A frame as the server sends it.
    fn server_frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x80 | opcode];
        if payload.len() < 126 {
            frame.push(payload.len() as u8);
        } else {
            frame.push(126);
            frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        }
        frame.extend_from_slice(payload);
        frame
    }

    /// Reads one whole and masked frame as the server does.
    async fn client_frame(server: &mut DuplexStream) -> (u8, Vec<u8>) {
        let first = server.read_u8().await.unwrap();
        assert_eq!(first & 0xf0, 0x80, "whole and without extensions");
        let second = server.read_u8().await.unwrap();
        assert_ne!(second & 0x80, 0, "masked");
        let length = match second & 0x7f {
            126 => u64::from(server.read_u16().await.unwrap()),
            127 => server.read_u64().await.unwrap(),
            short => u64::from(short),
        };
        let mut mask = [0; 4];
        server.read_exact(&mut mask).await.unwrap();
        let mut payload = vec![0; length as usize];
        server.read_exact(&mut payload).await.unwrap();
        let bytes = payload.iter().zip(mask.iter().cycle());
        (first & 0x0f, bytes.map(|(byte, key)| byte ^ key).collect())
    }

    #[tokio::test]
    async fn a_sent_message_is_masked_whole_and_keeps_its_payload() {
        let (_reader, writer, mut server) = connect().await;
        for length in [0, 1, 125, 126, 65_535, 65_536, 120_000] {
            let payload = Bytes::from(vec![7; length]);
            writer.send_ticket(payload.clone()).await.unwrap();
            let (opcode, sent) = client_frame(&mut server).await;
            assert_eq!((opcode, sent.as_slice()), (BINARY, &payload[..]));
        }
        drop(writer);
        let closed = client_frame(&mut server).await;
        assert_eq!(closed, (CLOSE, 1000_u16.to_be_bytes().to_vec()));
    }

    proptest! {
        #[test]
        fn received_bytes_are_the_same_however_they_are_cut(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..6),
            cut in 1_usize..50,
        ) {
            let wire = parts.iter().flat_map(|part| server_frame(BINARY, part));
            let wire: Vec<u8> = wire.collect();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let got = runtime.block_on(async {
                let (mut reader, _writer, mut server) = connect().await;
                tokio::spawn(async move {
                    for chunk in wire.chunks(cut) {
                        server.write_all(chunk).await.unwrap();
                        tokio::task::yield_now().await;
                    }
                });
                let mut got = Vec::new();
                // The end is a cut connection.
                while let Some(bytes) = reader.read().await.unwrap() {
                    got.extend_from_slice(&bytes);
                }
                got
            });
            prop_assert_eq!(got, parts.concat());
        }
    }

    #[tokio::test]
    async fn a_ping_is_answered_while_the_terminal_is_read() {
        let (mut reader, _writer, mut server) = connect().await;
        server.write_all(&server_frame(PING, b"hi")).await.unwrap();
        server.write_all(&server_frame(BINARY, b"x")).await.unwrap();
        assert_eq!(reader.read().await.unwrap().unwrap(), "x");
        assert_eq!(client_frame(&mut server).await, (PONG, b"hi".to_vec()));
    }

    #[tokio::test]
    async fn a_close_frame_and_a_cut_in_the_middle_of_a_frame_are_the_end() {
        let close = server_frame(CLOSE, &1000_u16.to_be_bytes());
        for end in [&close[..], &[0x82, 5, b'x'], &[]] {
            let (mut reader, _writer, mut server) = connect().await;
            server.write_all(end).await.unwrap();
            drop(server);
            assert!(reader.read().await.unwrap().is_none(), "{end:?}");
            assert!(reader.read().await.unwrap().is_none(), "{end:?}");
        }
    }

    #[test]
    fn no_header_is_cut_by_the_border_of_the_proxys_buffer() {
        for (length, header) in [(1, 1), (9, 9), (468, 6), (65543, 8)] {
            let mut position = 0;
            for _ in 0..10_000 {
                position += filler_length(position, header);
                let first = position / PROXY_BUFFER;
                assert_eq!((position + header - 1) / PROXY_BUFFER, first, "{length}");
                position += length;
            }
        }
    }

    #[tokio::test]
    async fn frames_that_proxmox_would_not_send_are_refused() {
        for (case, bad) in [
            ("an extension", &[0xc2, 0x00][..]),
            ("masked", &[0x82, 0x80, 0, 0, 0, 0]),
            ("too large", &[0x82, 127, 0, 0, 0, 0, 0xff, 0, 0, 0]),
            ("an unknown type", &[0x83, 0x00]),
        ] {
            let (mut reader, _writer, mut server) = connect().await;
            server.write_all(bad).await.unwrap();
            let error = reader.read().await.unwrap_err();
            assert!(matches!(error, TerminalError::Protocol(_)), "{case}");
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

//! The WebSocket as pveproxy implements it: version 13, client frames masked, whole, without
//! extensions and at most 128 KiB; server frames binary; the end is a dropped connection. It is
//! written by hand because libraries accept fragments and answer the closing handshake, which
//! pveproxy does not.

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::encoding;
use crate::response::ErrorResponse;

const LARGEST: u64 = 128 << 10;

const PING: u8 = 9;
const PONG: u8 = 10;

/// The response to a WebSocket handshake, or the refusal.
pub(super) fn handshake<B: Default>(
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response<B>, ErrorResponse> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let upgrade = text("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket"));
    let version = text("sec-websocket-version") == Some("13");
    let key = text("sec-websocket-key").filter(|_| method == Method::GET && upgrade);
    let Some(key) = key.filter(|_| version) else {
        return Err(ErrorResponse::bare(501, "websocket upgrade not possible"));
    };
    let seal = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, seal.as_bytes());
    let mut response = Response::new(B::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let answer = response.headers_mut();
    answer.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    let accept = HeaderValue::from_str(&encoding::base64(digest.as_ref()));
    if let Ok(accept) = accept {
        answer.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if let Some(protocol) = headers.get(header::SEC_WEBSOCKET_PROTOCOL) {
        answer.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol.clone());
    }
    Ok(response)
}

/// A frame of the client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ClientFrame {
    Bytes(Vec<u8>),
    Ping(Vec<u8>),
    /// A close frame, a violation of the protocol, or a lost connection.
    End,
}

/// Reads one frame. Dropping the future loses bytes.
pub(super) async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> ClientFrame {
    read_frame(stream).await.unwrap_or(ClientFrame::End)
}

async fn read_frame<S: AsyncRead + Unpin>(stream: &mut S) -> Option<ClientFrame> {
    loop {
        let [first, second] = take(stream).await?;
        let whole = first & 0x80 != 0;
        let extensions = first & 0x70 != 0;
        let masked = second & 0x80 != 0;
        if !whole || extensions || !masked {
            return None;
        }
        let length = match second & 0x7f {
            126 => u64::from(u16::from_be_bytes(take(stream).await?)),
            127 => u64::from_be_bytes(take(stream).await?),
            short => u64::from(short),
        };
        if length > LARGEST {
            return None;
        }
        let mask: [u8; 4] = take(stream).await?;
        let mut payload = vec![0; usize::try_from(length).ok()?];
        stream.read_exact(&mut payload).await.ok()?;
        for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= mask;
        }
        match first & 0x0f {
            1 | 2 => return Some(ClientFrame::Bytes(payload)),
            PING => return Some(ClientFrame::Ping(payload)),
            PONG => {}
            _ => return None,
        }
    }
}

async fn take<const N: usize, S: AsyncRead + Unpin>(stream: &mut S) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await.ok()?;
    Some(bytes)
}

/// Sends bytes in one binary frame of at most 128 KiB each.
pub(super) async fn write<S: AsyncWrite + Unpin>(
    stream: &mut S,
    bytes: &[u8],
) -> std::io::Result<()> {
    for part in bytes.chunks(128 << 10) {
        stream.write_all(&frame(2, part)).await?;
    }
    stream.flush().await
}

/// Answers a ping.
pub(super) async fn pong<S: AsyncWrite + Unpin>(
    stream: &mut S,
    payload: &[u8],
) -> std::io::Result<()> {
    stream.write_all(&frame(PONG, payload)).await?;
    stream.flush().await
}

fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | kind];
    match payload.len() {
        length @ 0..126 => frame.push(length as u8),
        length @ 126..0x1_0000 => {
            frame.push(126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(first: u8, mask: bool, payload: &[u8]) -> Vec<u8> {
        let mut frame = frame(0, payload);
        frame[0] = first;
        if mask {
            frame[1] |= 0x80;
            let head = frame.len() - payload.len();
            frame.splice(head..head, [0, 0, 0, 0]);
        }
        frame
    }

    #[tokio::test]
    async fn only_whole_masked_plain_frames_are_taken() {
        let large = vec![b'x'; (128 << 10) + 1];
        let cases = [
            (
                client(0x82, true, b"hi"),
                ClientFrame::Bytes(b"hi".to_vec()),
            ),
            (
                client(0x81, true, b"hi"),
                ClientFrame::Bytes(b"hi".to_vec()),
            ),
            (client(0x89, true, b"p"), ClientFrame::Ping(b"p".to_vec())),
            (client(0x82, false, b"hi"), ClientFrame::End),
            (client(0x02, true, b"hi"), ClientFrame::End),
            (client(0xc2, true, b"hi"), ClientFrame::End),
            (client(0x88, true, b""), ClientFrame::End),
            (client(0x82, true, &large), ClientFrame::End),
            (client(0x82, true, b"cut")[..7].to_vec(), ClientFrame::End),
        ];
        for (bytes, expected) in cases {
            assert_eq!(read(&mut &bytes[..]).await, expected, "{:?}", &bytes[..2]);
        }
    }

    #[tokio::test]
    async fn long_output_is_split_into_frames() {
        let mut out = Vec::new();
        write(&mut out, &vec![1; 200 << 10]).await.unwrap();
        assert_eq!(&out[..2], &[0x82, 127]);
        assert_eq!(out.len(), (200 << 10) + 20);
    }
}

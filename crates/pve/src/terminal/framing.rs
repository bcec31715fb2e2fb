//! What is said on a terminal's stream. To the host: `0:<length>:<bytes>` for typed bytes,
//! `1:<columns>:<rows>:` for a new size, `2` for a sign of life. From the host: the terminal's
//! bytes as they are.

use bytes::{BufMut, Bytes, BytesMut};

/// The most typed bytes in one message. A WebSocket frame may hold 128 KiB; a terminal in line mode
/// takes 4095 bytes at a time anyway.
pub(crate) const MAX_DATA: usize = 64 * 1024;

/// Typed bytes, at most [`MAX_DATA`].
pub(crate) fn data(bytes: &[u8]) -> Bytes {
    debug_assert!(bytes.len() <= MAX_DATA);
    let head = format!("0:{}:", bytes.len());
    let mut message = BytesMut::with_capacity(head.len() + bytes.len());
    message.put_slice(head.as_bytes());
    message.put_slice(bytes);
    message.freeze()
}

/// A new size, kept within what a terminal can have.
pub(crate) fn resize(cols: u16, rows: u16) -> Bytes {
    Bytes::from(format!(
        "1:{}:{}:",
        cols.clamp(1, 1000),
        rows.clamp(1, 1000)
    ))
}

/// A sign of life; the host gives up after five minutes without one.
pub(crate) fn ping() -> Bytes {
    Bytes::from_static(b"2")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_the_form_that_the_terminal_proxy_reads() {
        assert_eq!(data(b"ls\r"), "0:3:ls\r");
        assert_eq!(data("é".as_bytes()), "0:2:é", "the length counts bytes");
        assert_eq!(resize(80, 24), "1:80:24:");
        assert_eq!(resize(0, 9999), "1:1:1000:");
        assert_eq!(ping(), "2");
    }
}

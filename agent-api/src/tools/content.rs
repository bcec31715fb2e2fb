//! The content of a file as far as it was read. The lease API sends bytes; models and the
//! interface get text.

use serde::{Deserialize, Serialize};

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByteRange {
    /// The first byte.
    pub offset: u64,
    /// The maximum number of bytes.
    pub length: u32,
}

/// A part of a file's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileContent {
    /// The content; absent if it is no UTF-8 text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Whether it is no UTF-8 text.
    pub binary: bool,
    /// The byte of the file that it begins at.
    pub offset: u64,
    /// The byte of the file that follows it.
    pub next_offset: u64,
    /// Whether the file goes on after it.
    pub more: bool,
    /// The file's size in bytes, if it is known. Files in `/proc` have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

impl FileContent {
    /// Reads the bytes that begin at this offset. A character that the range cuts is left out: its
    /// last bytes at the beginning, its first bytes at the end.
    pub fn new(bytes: &[u8], offset: u64, more: bool, size: Option<u64>) -> Self {
        let begin = match offset {
            0 => 0,
            _ => cut_bytes(bytes),
        };
        let rest = &bytes[begin..];
        let (text, end) = match std::str::from_utf8(rest) {
            Ok(text) => (Some(text), rest.len()),
            Err(error) if error.error_len().is_none() && more => {
                let end = error.valid_up_to();
                (std::str::from_utf8(&rest[..end]).ok(), end)
            }
            Err(_) => (None, rest.len()),
        };
        let text = text.filter(|text| !text.contains('\0'));
        Self {
            content: text.map(str::to_owned),
            binary: text.is_none(),
            offset,
            next_offset: offset + (begin + end) as u64,
            more,
            size,
        }
    }
}

/// The number of bytes at the beginning that belong to a character before them, at most three.
fn cut_bytes(bytes: &[u8]) -> usize {
    let inside = |byte: &&u8| **byte & 0b1100_0000 == 0b1000_0000;
    bytes.iter().take(3).take_while(inside).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_the_range_cuts_is_left_out_and_read_next() {
        let bytes = "aüb".as_bytes();
        let first = FileContent::new(&bytes[..2], 0, true, Some(4));
        assert_eq!(
            (first.content.as_deref(), first.next_offset),
            (Some("a"), 1)
        );
        let next = FileContent::new(&bytes[1..], 1, false, Some(4));
        assert_eq!((next.content.as_deref(), next.next_offset), (Some("üb"), 4));
        let inside = FileContent::new(&bytes[2..], 2, false, Some(4));
        assert_eq!(
            (inside.content.as_deref(), inside.next_offset),
            (Some("b"), 4)
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_binary() {
        for bytes in [&b"\x7fELF\0"[..], b"\xff\xfe", &"aü".as_bytes()[..2]] {
            let read = FileContent::new(bytes, 0, false, None);
            assert!(read.binary && read.content.is_none(), "{bytes:?}");
            assert_eq!(read.next_offset, bytes.len() as u64);
        }
        let empty = FileContent::new(b"", 0, false, Some(0));
        assert_eq!((empty.content.as_deref(), empty.binary), (Some(""), false));
    }
}

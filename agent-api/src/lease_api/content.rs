//! Reads a response that is the content of a file.

use reqwest::header;
use serde_json::Value;

use crate::tools::{ByteRange, FileContent};

/// The content as a JSON value. `more` says that the response goes on after these bytes. A server
/// that ignores the range sends the file from its beginning.
pub(super) fn body(
    range: ByteRange,
    status: u16,
    bytes: &[u8],
    more: bool,
    header: &impl Fn(&str) -> Option<String>,
) -> Value {
    let part = header(header::CONTENT_RANGE.as_str()).filter(|_| status == 206);
    let size = match &part {
        Some(part) => part.rsplit('/').next().map(str::to_owned),
        None => header(header::CONTENT_LENGTH.as_str()),
    };
    let size: Option<u64> = size.and_then(|size| size.parse().ok());
    let offset = part.map_or(0, |_| range.offset);
    let end = offset + bytes.len() as u64;
    let more = more || size.is_some_and(|size| size > end);
    let content = FileContent::new(bytes, offset, more, size);
    serde_json::to_value(content).unwrap_or_default()
}

//! Times of the store as the API writes them.

use api_types::Timestamp;

/// The Unix seconds of a row as a timestamp of the API.
pub fn timestamp(seconds: i64) -> Timestamp {
    Timestamp(u64::try_from(seconds).unwrap_or(0))
}

//! What travels: the JSON of both protocol versions, and the headers that carry it.
//!
//! Every type is lossless: members that this crate does not know are kept in `rest` and written
//! again, because a payment is passed on to the facilitator as the client sent it.

pub mod exact;
pub mod header;
pub mod receipt;
pub mod v1;
pub mod v2;

/// Members that a newer peer may send, kept as they came.
pub type Rest = serde_json::Map<String, serde_json::Value>;

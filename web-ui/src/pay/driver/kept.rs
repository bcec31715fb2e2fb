//! The signed requests that are under way, in this browser's storage: whatever happens to the page, the next one finds them.

use super::super::record::{Record, Records};
use crate::engine::storage;

const KEY: &str = "infra402.payments";

/// Whether there is one.
pub(super) fn any() -> bool {
    storage::read(KEY).is_some_and(|text| text != "{}")
}

/// All of them, by nonce.
pub(super) fn all() -> Records {
    storage::read(KEY).map_or_else(Records::default, |text| Records::read(&text))
}

/// Keeps one.
pub(super) fn put(nonce: &str, record: &Record) {
    let mut records = all();
    records.0.insert(nonce.to_owned(), record.clone());
    storage::write(KEY, &records.write());
}

/// Forgets one, and its credential with it.
pub(super) fn forget(nonce: &str) {
    let mut records = all();
    if records.0.remove(nonce).is_some() {
        storage::write(KEY, &records.write());
    }
}

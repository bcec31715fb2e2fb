//! The signed requests that are under way, in this browser's storage: whatever happens to the page, the next one finds them. What the
//! browser does not keep is kept by the page, as long as that lives.

use std::cell::RefCell;

use super::super::record::{Record, Records};
use crate::engine::storage;

const KEY: &str = "infra402.payments";

thread_local! {
    static UNKEPT: RefCell<Records> = RefCell::default();
}

/// Whether there is one.
pub(super) fn any() -> bool {
    storage::read(KEY).is_some_and(|text| text != "{}")
}

/// All of them, by nonce.
pub(super) fn all() -> Records {
    let mut all = stored();
    UNKEPT.with_borrow(|unkept| all.0.extend(unkept.0.clone()));
    all
}

fn stored() -> Records {
    storage::read(KEY).map_or_else(Records::default, |text| Records::read(&text))
}

/// Keeps one.
pub(super) fn put(nonce: &str, record: &Record) {
    let mut records = stored();
    records.0.insert(nonce.to_owned(), record.clone());
    let kept = storage::write(KEY, &records.write());
    UNKEPT.with_borrow_mut(|unkept| {
        if kept {
            drop(unkept.0.remove(nonce));
        } else {
            drop(unkept.0.insert(nonce.to_owned(), record.clone()));
        }
    });
}

/// Forgets one, and its credential with it.
pub(super) fn forget(nonce: &str) {
    UNKEPT.with_borrow_mut(|unkept| drop(unkept.0.remove(nonce)));
    let mut records = stored();
    if records.0.remove(nonce).is_some() {
        storage::write(KEY, &records.write());
    }
}

//! The payments under way, in this browser's storage, so that the next page finds them. What the
//! browser does not store is kept in memory as long as the page lives.

use std::cell::RefCell;

use super::super::stored_payment::{StoredPayment, StoredPayments};
use crate::browser::storage;

const STORED_AT: &str = "infra402.payments";

thread_local! {
    static NOT_STORED: RefCell<StoredPayments> = RefCell::default();
}

/// Whether a payment is stored.
pub(super) fn any() -> bool {
    storage::read(STORED_AT).is_some_and(|text| text != "{}")
}

/// All payments under way, by nonce.
pub(super) fn all() -> StoredPayments {
    let mut all = stored();
    NOT_STORED.with_borrow(|not_stored| all.0.extend(not_stored.0.clone()));
    all
}

fn stored() -> StoredPayments {
    storage::read(STORED_AT)
        .map_or_else(StoredPayments::default, |text| StoredPayments::read(&text))
}

/// Stores a payment.
pub(super) fn insert(nonce: &str, payment: &StoredPayment) {
    let mut payments = stored();
    payments.0.insert(nonce.to_owned(), payment.clone());
    let is_stored = storage::write(STORED_AT, &payments.write());
    NOT_STORED.with_borrow_mut(|not_stored| {
        if is_stored {
            drop(not_stored.0.remove(nonce));
        } else {
            drop(not_stored.0.insert(nonce.to_owned(), payment.clone()));
        }
    });
}

/// Removes a payment and its credential.
pub(super) fn remove(nonce: &str) {
    NOT_STORED.with_borrow_mut(|not_stored| drop(not_stored.0.remove(nonce)));
    let mut payments = stored();
    if payments.0.remove(nonce).is_some() {
        storage::write(STORED_AT, &payments.write());
    }
}

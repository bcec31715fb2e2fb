//! Bugs that the environment variable `CHAOS_BUG` switches on. A test campaign has to find each of
//! them, which proves that its checker can fail.

use std::sync::OnceLock;

/// A bug on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The container of a payment is not removed when the payment's settlement is refused.
    SkipUndo,
    /// Any transfer to the payee counts as the payment's transfer.
    AnyTransfer,
    /// Claims are made without a lock, which shows when many run at once.
    ClaimsSideBySide,
}

/// Whether `CHAOS_BUG` names this bug.
#[must_use]
pub fn has(bug: Bug) -> bool {
    static SELECTED_BUG: OnceLock<Option<Bug>> = OnceLock::new();
    let selected = SELECTED_BUG.get_or_init(|| match std::env::var("CHAOS_BUG").ok()?.as_str() {
        "skip-undo" => Some(Bug::SkipUndo),
        "any-transfer" => Some(Bug::AnyTransfer),
        "claims-side-by-side" => Some(Bug::ClaimsSideBySide),
        _ => None,
    });
    *selected == Some(bug)
}

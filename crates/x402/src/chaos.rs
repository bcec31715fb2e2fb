//! Bugs that a campaign has to find, each named by the environment variable `CHAOS_BUG`. They prove that its checker can fail.

use std::sync::OnceLock;

/// A bug on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// What was made for a payment is not taken back when its settlement is refused.
    SkipUndo,
    /// Any transfer to the payee is taken for the one that is looked for.
    AnyTransfer,
    /// Claims are not kept apart from each other, which shows where many write at once.
    ClaimsSideBySide,
}

/// Whether this process was selected to have the bug.
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

//! The receipts page.

/// What it is.
pub const HELP: &str = "Every payment of this wallet, with its transaction.";
/// Nothing yet.
pub const EMPTY: &str = "Nothing paid yet";
/// What to do.
pub const EMPTY_HELP: &str =
    "Once you lease something, its receipt shows up here with a link to the transaction.";
/// Sum.
pub const SUM: &str = "Settled in all";
/// The file.
pub const CSV: &str = "Download CSV";
/// The file's name.
pub const CSV_NAME: &str = "infra402-receipts.csv";
/// The file for programs.
pub const JSON: &str = "Download JSON";
/// Its name.
pub const JSON_NAME: &str = "infra402-receipts.json";
/// Columns.
pub const COLUMNS: [&str; 6] = [
    "When",
    "What for",
    "Container",
    "Amount",
    "State",
    "Transaction",
];
/// No transaction yet.
pub const NO_TRANSACTION: &str = "none";

/// A payment's state. An unknown one is shown in the service's word.
pub fn state(state: &str) -> String {
    let known = match state {
        "reserved" => "Reserved",
        "verified" => "Verified",
        "released" => "Not charged",
        "settling" => "Settling",
        "reconciling" => "Checking",
        "settled" => "Settled",
        "refused" => "Refused",
        "owed" => "Owed to you",
        "unresolved" => "Being looked into",
        other => {
            return format!(
                "Other: {}",
                crate::format::one_line(&other.replace('_', " "), 40)
            );
        }
    };
    known.to_owned()
}

/// Whether the name of a state needs no explanation.
pub fn is_plain(state: &str) -> bool {
    matches!(
        state,
        "reserved" | "verified" | "released" | "settling" | "reconciling" | "settled" | "refused"
    )
}

/// What that means for the money, and what can be done.
pub fn meaning(state: &str) -> &'static str {
    match state {
        "reserved" | "verified" => "No money has moved yet.",
        "released" => "It was released unused. No money has moved.",
        "refused" => "It was refused. No money has moved.",
        "settling" | "reconciling" => {
            "The service checks whether money has moved. You need not do anything."
        }
        "settled" => "Paid.",
        "owed" => {
            "You paid, and it could not be delivered. The amount is owed to you: do not pay for it again."
        }
        "unresolved" => {
            "It is not known for sure whether money has moved. The seller looks into it: do not pay for it again."
        }
        _ => "This page does not know this state. Reload it for its newest version.",
    }
}

/// What is owed in all.
pub const OWED: &str = "Owed to you";

/// What a payment was for, from method and path. The path is the route's own, with no container's
/// number in it.
pub fn operation(operation: &str) -> &str {
    match operation {
        "POST /lease/container" => "New lease",
        "POST /lease/{ctid}/renew" => "Renewal",
        "POST /management/exec/{ctid}" => "Command",
        "POST /management/console/{ctid}" => "Terminal",
        "GET /management/list" => "List of leases",
        _ => operation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_told_in_words() {
        assert_eq!(operation("POST /lease/container"), "New lease");
        assert_eq!(operation("POST /lease/{ctid}/renew"), "Renewal");
        assert_eq!(operation("POST /management/exec/{ctid}"), "Command");
        assert_eq!(operation("POST /management/console/{ctid}"), "Terminal");
        assert_eq!(operation("GET /management/list"), "List of leases");
        assert_eq!(operation("lease_container"), "lease_container");
    }

    #[test]
    fn every_state_has_plain_words_also_one_of_a_later_service() {
        for name in ["owed", "unresolved"] {
            assert!(!state(name).contains(name), "{name}");
            assert!(meaning(name).contains("do not pay for it again"), "{name}");
        }
        assert_eq!(state("paid_back\u{202e}"), "Other: paid back<U+202E>");
        assert!(meaning("paid_back").contains("does not know"));
    }
}

//! The frame around the pages: names, banners, errors, settings.

use crate::format::duration;

/// The product's name.
pub const NAME: &str = "infra402";
/// What it is, in one line.
pub const CLAIM: &str = "Linux containers by the minute, paid in USDC.";
/// A link for the keyboard.
pub const SKIP: &str = "Skip to content";
/// The main navigation.
pub const NAVIGATION: &str = "Main";
/// The banners below the header.
pub const NOTICES: &str = "Notices";
/// The chat page.
pub const CHAT: &str = "Chat";
/// The board page.
pub const LEASES: &str = "Leases";
/// The receipts page.
pub const RECEIPTS: &str = "Receipts";
/// The settings page.
pub const SETTINGS: &str = "Settings";
/// An address without a page.
pub const UNKNOWN: &str = "There is no such page";
/// Where to go from there.
pub const UNKNOWN_BACK: &str = "Go to the chat";

/// Copies a text.
pub const COPY: &str = "Copy";
/// Copies something that has a name.
pub fn copy(name: &str) -> String {
    format!("{COPY} {name}")
}
/// It was copied.
pub const COPIED: &str = "Copied";
/// Closes a dialog.
pub const CLOSE: &str = "Close";
/// Cancels.
pub const CANCEL: &str = "Cancel";
/// Asks again.
pub const RETRY: &str = "Try again";
/// Closes a message.
pub const DISMISS: &str = "Dismiss";
/// Shown while something loads.
pub const LOADING: &str = "Loading…";
/// A lazily loaded chunk could not be loaded.
pub const CHUNK_MISSING: &str =
    "This part of the page could not be loaded. Try again; if that does not help, reload the page.";
/// The id in the service's log.
pub const REQUEST_ID: &str = "Request";

/// The browser has no network.
pub const OFFLINE: &str = "You are offline. What you see may be out of date; nothing can be paid until the network is back.";
/// The lease API does not answer.
pub const LEASE_API_DOWN: &str = "The lease service does not answer. Leases, prices and payments have to wait; the page keeps trying.";
/// The agent does not answer.
pub const AGENT_DOWN: &str =
    "The chat agent does not answer. You can still lease with the form on the Leases page.";

/// The browser stores nothing for the page.
pub const NOT_STORED: &str = "This browser stores nothing for this page: its storage is blocked or full. Conversations, limits and payments under way are lost when the page is closed.";
/// The device's clock is so many seconds ahead of the service's, or behind it. Where the difference
/// is too large to be followed, the customer has to set it.
pub fn clock_off(ahead: i64, followed: bool) -> String {
    let minutes = (ahead.unsigned_abs() + 30) / 60;
    let time = duration(minutes * 60);
    let which = if ahead > 0 { "ahead of" } else { "behind" };
    let then = if followed {
        "Countdowns and signatures here go by the service's."
    } else {
        "That is too much to pay here: set this device's clock, then reload."
    };
    format!("This device's clock is {time} {which} the service's. {then}")
}

/// Says which parts are simulated, and what the simulator says of its shells.
pub fn simulated(parts: &[String], notice: Option<&str>) -> String {
    let names: Vec<&str> = parts.iter().map(|part| simulated_part(part)).collect();
    let list = match names.as_slice() {
        [] => return String::new(),
        [one] => (*one).to_owned(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    };
    match notice {
        Some(notice) => format!("Demo: {list}. {notice}"),
        None => format!("Demo: {list}."),
    }
}

fn simulated_part(part: &str) -> &str {
    match part {
        "proxmox" => "containers are simulated",
        "payments" => "payments use test money",
        "model" => "answers come from a small rule-based assistant",
        other => other,
    }
}

/// The theme's choice.
pub const THEME: &str = "Theme";
/// Follows the system.
pub const THEME_SYSTEM: &str = "System";
/// Light.
pub const THEME_LIGHT: &str = "Light";
/// Dark.
pub const THEME_DARK: &str = "Dark";

/// The button that changes the theme.
pub fn theme_button(current: &str) -> String {
    format!("Theme: {current}. Change it")
}

/// Heading of the budget settings.
pub const BUDGET: &str = "Budget";
/// What the budget does.
pub const BUDGET_HELP: &str =
    "Checked in this browser before your wallet opens. Leave a field empty for no limit.";
/// The cap of one payment.
pub const BUDGET_PAYMENT: &str = "Limit per payment";
/// The cap of a session.
pub const BUDGET_SESSION: &str = "Limit for this session";
/// There is no cap.
pub const NO_LIMIT: &str = "no limit";
/// When the customer is asked.
pub const ASK: &str = "Before a payment";
/// Each time.
pub const ASK_ALWAYS: &str = "Ask always";
/// Not for small amounts.
pub const ASK_ABOVE: &str = "Ask above";
/// From which amount on.
pub const ASK_LIMIT: &str = "Pay without asking up to";
/// What that means.
pub const ASK_HELP: &str = "With the burner wallet, such payments are signed at once. Other wallets still ask you themselves, and a new container always waits for you to choose how to log in.";
/// An amount that cannot be read.
pub const BAD_AMOUNT: &str = "An amount such as 0.05, with at most six decimals.";
/// Heading of the data settings.
pub const DATA: &str = "Data in this browser";
/// What is stored.
pub const DATA_HELP: &str = "Conversations, budgets and the burner wallet are stored in this browser and nowhere else. Passwords are never stored.";
/// Deletes all conversations.
pub const DELETE_ALL: &str = "Delete all conversations";
/// They are gone.
pub const DELETED_ALL: &str = "All conversations are deleted.";
/// Heading of what is connected.
pub const ABOUT: &str = "Connected to";
/// The lease API's address.
pub const LEASE_SERVICE: &str = "Lease service";
/// The agent's address.
pub const AGENT_SERVICE: &str = "Chat agent";
/// What has been spent.
pub const SPENT: &str = "Spent in this session";
/// The agent's model.
pub const MODEL: &str = "Model";
/// The network.
pub const NETWORK: &str = "Network";
/// Who is paid.
pub const PAYEE: &str = "Payee";
/// Not known.
pub const NOT_KNOWN: &str = "not known";

/// The keyboard's help.
pub const KEYS: &str = "Keyboard";
/// Opens the list of commands.
pub const KEY_PALETTE: &str = "Ctrl / ⌘ + K";
/// Begins another conversation.
pub const KEY_NEW_CHAT: &str = "Alt + N";
/// Held with a number to go to a page.
pub const KEY_ALT: &str = "Alt";
/// Shows the list of keys.
pub const KEY_HELP: &str = "?";
/// Each key and what it does.
pub const KEY_LIST: [(&str, &str); 8] = [
    (KEY_PALETTE, "Commands: pages, leases, conversations"),
    ("Enter", "Send the message"),
    ("Shift + Enter", "New line"),
    ("Esc", "Stop the answer, close a dialog"),
    (
        "↑",
        "Bring back your last message (in an empty message box)",
    ),
    (KEY_NEW_CHAT, "New chat"),
    ("Alt + 1 … 4", "Chat, leases, receipts, settings"),
    (KEY_HELP, "This list"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_clock_is_told_in_whole_minutes() {
        assert_eq!(
            clock_off(-598, true),
            "This device's clock is 10 min behind the service's. Countdowns and signatures here go by the service's."
        );
        assert!(
            clock_off(86_400, true)
                .starts_with("This device's clock is 1 d ahead of the service's.")
        );
        assert!(clock_off(40 * 86_400, false).contains("set this device's clock"));
    }

    #[test]
    fn the_banner_is_a_sentence() {
        let say = |parts: &[&str]| {
            let parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
            simulated(&parts, None)
        };
        assert_eq!(say(&[]), "");
        assert_eq!(say(&["payments"]), "Demo: payments use test money.");
        assert_eq!(
            say(&["proxmox", "payments", "model"]),
            "Demo: containers are simulated, payments use test money and answers come from a small rule-based assistant."
        );
        assert_eq!(
            simulated(&["proxmox".to_owned()], Some("Commands are imitated.")),
            "Demo: containers are simulated. Commands are imitated."
        );
    }
}

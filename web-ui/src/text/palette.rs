//! The command palette.

/// What it is called.
pub const TITLE: &str = "Commands";
/// The search field.
pub const SEARCH: &str = "Search commands";
/// The placeholder of the field.
pub const PLACEHOLDER: &str = "A page, a lease, a conversation…";
/// Nothing is found.
pub const NOTHING: &str = "No command matches. Try another word.";

/// How many are found.
pub fn count(found: usize) -> String {
    match found {
        0 => NOTHING.to_owned(),
        1 => "1 command".to_owned(),
        _ => format!("{found} commands"),
    }
}

/// Begins another conversation.
pub const NEW_CHAT: &str = "New chat";
/// Goes to the form.
pub const LEASE: &str = "Lease a container";
/// Other words for it.
pub const LEASE_WORDS: &str = "rent buy new machine server";
/// Connects a wallet.
pub const CONNECT: &str = "Connect a wallet";
/// Shows the wallet that is connected.
pub const WALLET: &str = "Open the wallet";
/// Other words for it.
pub const WALLET_WORDS: &str = "balance account sign in out";
/// Disconnects it.
pub const DISCONNECT: &str = "Disconnect the wallet";
/// Shows the list of keys.
pub const KEYS: &str = "Keyboard help";
/// Other words for it.
pub const KEYS_WORDS: &str = "shortcuts";
/// The note beside the current choice.
pub const CHOSEN: &str = "chosen";
/// The note beside a conversation.
pub const CONVERSATION: &str = "Conversation";

/// Goes to a page.
pub fn go(page: &str) -> String {
    format!("Go to {page}")
}

/// Follows the system's theme.
pub const THEME_SYSTEM: &str = "Theme: as the system";
/// Chooses the light theme.
pub const THEME_LIGHT: &str = "Theme: light";
/// Chooses the dark theme.
pub const THEME_DARK: &str = "Theme: dark";

/// Opens a lease's terminal.
pub fn terminal(hostname: &str) -> String {
    format!("Terminal of {hostname}")
}

/// Runs a command in a lease's container.
pub fn run(hostname: &str) -> String {
    format!("Run a command in {hostname}")
}

/// Renews a lease.
pub fn renew(hostname: &str) -> String {
    format!("Renew {hostname}")
}

/// The note beside a command for a lease.
pub fn container(ctid: u32) -> String {
    format!("Container {ctid}")
}

//! The command palette: the commands that are available, and those that match a search.

use api_types::LeaseView;

use super::{
    lease::clock::{is_renewable, is_running},
    route::{PendingAction, Route},
    theme::Theme,
};
use crate::text::{palette, shell};

/// A command that is available on every page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaletteCommand {
    /// Starts a new conversation.
    NewChat,
    /// Goes to a page.
    Go(Route),
    /// Goes to the board and carries out an action there.
    OnBoard(PendingAction),
    /// Opens the wallet's dialog.
    Wallet,
    /// Disconnects the wallet.
    Disconnect,
    /// Chooses a theme.
    Theme(Theme),
    /// Shows the list of keys.
    Keys,
    /// Opens a conversation by its id.
    Conversation(String),
}

/// A row of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaletteEntry {
    /// The command.
    pub command: PaletteCommand,
    /// Its name.
    pub label: String,
    /// A note beside the name, which a search finds as well.
    pub note: String,
    /// The key for the same command.
    pub key: Option<String>,
    /// Other words that find it.
    words: &'static str,
}

impl PaletteEntry {
    fn new(command: PaletteCommand, label: impl Into<String>) -> Self {
        Self {
            command,
            label: label.into(),
            note: String::new(),
            key: None,
            words: "",
        }
    }

    fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    fn words(mut self, words: &'static str) -> Self {
        self.words = words;
        self
    }
}

/// What decides which commands are available.
#[derive(Debug, Clone, Copy)]
pub struct PaletteContext<'s> {
    /// The pages, each with its title and its key.
    pub pages: &'s [(Route, &'static str, &'static str)],
    /// Whether a wallet is connected.
    pub connected: bool,
    /// The theme.
    pub theme: Theme,
    /// The leases of the wallet that is signed in.
    pub leases: &'s [LeaseView],
    /// The stored conversations, each with its id and its title.
    pub conversations: &'s [(String, String)],
}

/// All available commands, in the order in which they are shown without a search.
pub fn entries(context: PaletteContext) -> Vec<PaletteEntry> {
    let board = PaletteCommand::OnBoard;
    let mut all = vec![
        PaletteEntry::new(PaletteCommand::NewChat, palette::NEW_CHAT).key(shell::KEY_NEW_CHAT),
        PaletteEntry::new(board(PendingAction::OpenForm), palette::LEASE)
            .words(palette::LEASE_WORDS),
    ];
    for lease in context.leases {
        let (id, name) = (&lease.lease_id, &lease.hostname);
        let mut about = |action: fn(String) -> PendingAction, label: String| {
            let entry = PaletteEntry::new(board(action(id.clone())), label);
            all.push(entry.note(palette::container(lease.ctid)));
        };
        if is_running(lease) {
            about(PendingAction::OpenTerminal, palette::terminal(name));
            about(PendingAction::RunCommand, palette::run(name));
        }
        if is_renewable(lease.status) {
            about(PendingAction::Renew, palette::renew(name));
        }
    }
    for (page, title, key) in context.pages {
        let key = format!("{} + {key}", shell::KEY_ALT);
        all.push(PaletteEntry::new(PaletteCommand::Go(*page), palette::go(title)).key(key));
    }
    if context.connected {
        all.push(
            PaletteEntry::new(PaletteCommand::Wallet, palette::WALLET).words(palette::WALLET_WORDS),
        );
        all.push(PaletteEntry::new(
            PaletteCommand::Disconnect,
            palette::DISCONNECT,
        ));
    } else {
        all.push(PaletteEntry::new(PaletteCommand::Wallet, palette::CONNECT));
    }
    for theme in Theme::ALL {
        let chosen = if theme == context.theme {
            palette::CHOSEN
        } else {
            ""
        };
        let label = match theme {
            Theme::System => palette::THEME_SYSTEM,
            Theme::Light => palette::THEME_LIGHT,
            Theme::Dark => palette::THEME_DARK,
        };
        all.push(PaletteEntry::new(PaletteCommand::Theme(theme), label).note(chosen));
    }
    all.push(
        PaletteEntry::new(PaletteCommand::Keys, palette::KEYS)
            .key(shell::KEY_HELP)
            .words(palette::KEYS_WORDS),
    );
    for (id, title) in context.conversations {
        let entry = PaletteEntry::new(PaletteCommand::Conversation(id.clone()), title);
        all.push(entry.note(palette::CONVERSATION));
    }
    all
}

/// The entries that match a search, the best first. Entries that match alike stay in their order.
pub fn search(entries: &[PaletteEntry], typed: &str) -> Vec<PaletteEntry> {
    let typed = typed.to_lowercase();
    let words: Vec<&str> = typed.split_whitespace().collect();
    let mut matching: Vec<(u32, &PaletteEntry)> = entries
        .iter()
        .filter_map(|entry| Some((distance(entry, &words)?, entry)))
        .collect();
    matching.sort_by_key(|(distance, _)| *distance);
    matching
        .into_iter()
        .map(|(_, entry)| entry.clone())
        .collect()
}

/// The distance of an entry from the search; none if one of the words is not in it.
fn distance(entry: &PaletteEntry, words: &[&str]) -> Option<u32> {
    let label = entry.label.to_lowercase();
    let rest = format!("{} {}", entry.note, entry.words).to_lowercase();
    let distance_of = |word: &str| {
        if label.starts_with(word) {
            Some(0)
        } else if starts_a_word(&label, word) {
            Some(1)
        } else if label.contains(word) {
            Some(3)
        } else if starts_a_word(&rest, word) {
            Some(5)
        } else {
            None
        }
    };
    words.iter().map(|word| distance_of(word)).sum()
}

fn starts_a_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        before.is_none_or(|before| !before.is_alphanumeric())
    })
}

/// The selected row after one step down or up. After the last row comes the first.
pub fn move_selection(row: usize, down: bool, count: usize) -> usize {
    match (row, down) {
        _ if count == 0 => 0,
        (0, false) => count - 1,
        (row, false) => row - 1,
        (row, true) => (row + 1) % count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::lease::clock::tests::lease;

    const PAGES: [(Route, &str, &str); 4] = [
        (Route::CHAT, "Chat", "1"),
        (Route::LEASES, "Leases", "2"),
        (Route::RECEIPTS, "Receipts", "3"),
        (Route::SETTINGS, "Settings", "4"),
    ];

    const STRANGER: PaletteContext = PaletteContext {
        pages: &PAGES,
        connected: false,
        theme: Theme::System,
        leases: &[],
        conversations: &[],
    };

    fn labels(entries: &[PaletteEntry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.label.as_str()).collect()
    }

    #[test]
    fn a_stranger_has_the_commands_that_need_no_wallet() {
        assert_eq!(
            labels(&entries(STRANGER)),
            [
                "New chat",
                "Lease a container",
                "Go to Chat",
                "Go to Leases",
                "Go to Receipts",
                "Go to Settings",
                "Connect a wallet",
                "Theme: as the system",
                "Theme: light",
                "Theme: dark",
                "Keyboard help",
            ]
        );
    }

    #[test]
    fn a_lease_has_the_commands_that_its_status_allows() {
        let about = |status: &str| {
            let leases = [lease(status)];
            let context = PaletteContext {
                connected: true,
                leases: &leases,
                ..STRANGER
            };
            let mut about = entries(context);
            about.retain(|entry| entry.label.contains("web"));
            about
        };
        let running = about("active");
        assert_eq!(
            labels(&running),
            ["Terminal of web", "Run a command in web", "Renew web"]
        );
        assert_eq!(
            running[2].command,
            PaletteCommand::OnBoard(PendingAction::Renew("l-1".into()))
        );
        assert_eq!(running[0].note, "Container 101");
        assert_eq!(labels(&about("stopped")), ["Renew web"]);
        assert_eq!(labels(&about("destroyed")), [""; 0]);
    }

    #[test]
    fn a_connected_wallet_can_be_opened_and_a_conversation_has_its_title() {
        let conversations = [("c-1".to_owned(), "A box for tests".to_owned())];
        let all = entries(PaletteContext {
            connected: true,
            theme: Theme::Dark,
            conversations: &conversations,
            ..STRANGER
        });
        let wallet = labels(&search(&all, "wallet"))
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>();
        assert_eq!(wallet, ["Open the wallet", "Disconnect the wallet"]);
        let dark = &search(&all, "theme dark")[0];
        assert_eq!(dark.note, "chosen");
        let last = all.last().unwrap();
        assert_eq!(last.command, PaletteCommand::Conversation("c-1".into()));
    }

    #[test]
    fn entries_that_start_with_the_search_come_first() {
        let leases = [lease("active")];
        let all = entries(PaletteContext {
            leases: &leases,
            ..STRANGER
        });
        let first = |typed: &str| {
            let found = search(&all, typed);
            found.into_iter().next().map(|entry| entry.label)
        };
        for (typed, label) in [
            ("", "New chat"),
            ("lease", "Lease a container"),
            ("  LEASES ", "Go to Leases"),
            ("web ren", "Renew web"),
            ("term", "Terminal of web"),
            ("101 run", "Run a command in web"),
            ("rent", "Lease a container"),
            ("shortcuts", "Keyboard help"),
            ("ceip", "Go to Receipts"),
        ] {
            assert_eq!(first(typed).as_deref(), Some(label), "{typed}");
        }
        assert_eq!(first("lease nothing"), None);
        assert_eq!(search(&all, " ").len(), all.len());
    }

    #[test]
    fn the_selection_wraps_around() {
        assert_eq!(
            [move_selection(0, true, 3), move_selection(2, true, 3)],
            [1, 0]
        );
        assert_eq!(
            [move_selection(2, false, 3), move_selection(0, false, 3)],
            [1, 2]
        );
        assert_eq!(
            [move_selection(0, true, 0), move_selection(0, false, 0)],
            [0, 0]
        );
    }
}

//! The list of commands: what can be done now, and what of it fits the words that somebody types.

use api_types::LeaseView;

use super::{
    lease_clock::{is_renewable, runs},
    route::{Errand, Route},
    theme::Theme,
};
use crate::text::{palette, shell};

/// Something that can be done from every page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Begins another conversation.
    NewChat,
    /// Goes to a page.
    Go(Route),
    /// Goes to the board and does something there.
    OnBoard(Errand),
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
pub struct Entry {
    /// What it does.
    pub command: Command,
    /// What it is called.
    pub label: String,
    /// What stands beside it: what it is about, or how it stands. It can be found by that, too.
    pub note: String,
    /// The key that does the same.
    pub key: Option<String>,
    /// Other words by which it can be found.
    words: &'static str,
}

impl Entry {
    fn new(command: Command, label: impl Into<String>) -> Self {
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

/// What decides over what can be done.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'s> {
    /// Whether a wallet is connected.
    pub connected: bool,
    /// The theme.
    pub theme: Theme,
    /// The leases of the wallet that is signed in.
    pub leases: &'s [LeaseView],
    /// The conversations that are kept, each with its id and its title.
    pub conversations: &'s [(String, String)],
}

/// All that can be done, in the order in which it is shown to those who have typed nothing.
pub fn entries(situation: Situation) -> Vec<Entry> {
    let board = |errand| Command::OnBoard(errand);
    let mut all = vec![
        Entry::new(Command::NewChat, palette::NEW_CHAT).key(shell::KEY_NEW_CHAT),
        Entry::new(board(Errand::Form), palette::LEASE).words(palette::LEASE_WORDS),
    ];
    for lease in situation.leases {
        let (id, name) = (&lease.lease_id, &lease.hostname);
        let mut about = |errand: fn(String) -> Errand, label: String| {
            let entry = Entry::new(board(errand(id.clone())), label);
            all.push(entry.note(palette::container(lease.ctid)));
        };
        if runs(lease) {
            about(Errand::Terminal, palette::terminal(name));
            about(Errand::Run, palette::run(name));
        }
        if is_renewable(lease.status) {
            about(Errand::Renew, palette::renew(name));
        }
    }
    let pages = [
        (Route::Chat, shell::CHAT),
        (Route::Leases, shell::LEASES),
        (Route::Receipts, shell::RECEIPTS),
        (Route::Settings, shell::SETTINGS),
    ];
    for ((page, name), number) in pages.into_iter().zip(1..) {
        let key = format!("{} + {number}", shell::KEY_ALT);
        all.push(Entry::new(Command::Go(page), palette::go(name)).key(key));
    }
    if situation.connected {
        all.push(Entry::new(Command::Wallet, palette::WALLET).words(palette::WALLET_WORDS));
        all.push(Entry::new(Command::Disconnect, palette::DISCONNECT));
    } else {
        all.push(Entry::new(Command::Wallet, palette::CONNECT));
    }
    for theme in Theme::ALL {
        let chosen = if theme == situation.theme {
            palette::CHOSEN
        } else {
            ""
        };
        let label = match theme {
            Theme::System => palette::THEME_SYSTEM,
            Theme::Light => palette::THEME_LIGHT,
            Theme::Dark => palette::THEME_DARK,
        };
        all.push(Entry::new(Command::Theme(theme), label).note(chosen));
    }
    all.push(
        Entry::new(Command::Keys, palette::KEYS)
            .key(shell::KEY_HELP)
            .words(palette::KEYS_WORDS),
    );
    for (id, title) in situation.conversations {
        let entry = Entry::new(Command::Conversation(id.clone()), title);
        all.push(entry.note(palette::CONVERSATION));
    }
    all
}

/// The entries that fit what was typed, the best first; those that fit alike stay in their order.
pub fn found(entries: &[Entry], typed: &str) -> Vec<Entry> {
    let typed = typed.to_lowercase();
    let words: Vec<&str> = typed.split_whitespace().collect();
    let mut fitting: Vec<(u32, &Entry)> = entries
        .iter()
        .filter_map(|entry| Some((distance(entry, &words)?, entry)))
        .collect();
    fitting.sort_by_key(|(distance, _)| *distance);
    fitting
        .into_iter()
        .map(|(_, entry)| entry.clone())
        .collect()
}

/// How far an entry is from what was typed. Every word has to be in it somewhere.
fn distance(entry: &Entry, words: &[&str]) -> Option<u32> {
    let label = entry.label.to_lowercase();
    let rest = format!("{} {}", entry.note, entry.words).to_lowercase();
    let one = |word: &str| {
        if label.starts_with(word) {
            Some(0)
        } else if begins_a_word(&label, word) {
            Some(1)
        } else if label.contains(word) {
            Some(3)
        } else if begins_a_word(&rest, word) {
            Some(5)
        } else {
            None
        }
    };
    words.iter().map(|word| one(word)).sum()
}

fn begins_a_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        before.is_none_or(|before| !before.is_alphanumeric())
    })
}

/// The place after one step down or up in a list that begins again at its ends.
pub fn step(place: usize, down: bool, count: usize) -> usize {
    match (place, down) {
        _ if count == 0 => 0,
        (0, false) => count - 1,
        (place, false) => place - 1,
        (place, true) => (place + 1) % count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::lease_clock::tests::lease;

    const NOBODY: Situation = Situation {
        connected: false,
        theme: Theme::System,
        leases: &[],
        conversations: &[],
    };

    fn labels(entries: &[Entry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.label.as_str()).collect()
    }

    #[test]
    fn a_stranger_is_offered_what_a_stranger_can_do() {
        assert_eq!(
            labels(&entries(NOBODY)),
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
    fn a_lease_has_what_its_state_allows() {
        let about = |status: &str| {
            let leases = [lease(status)];
            let situation = Situation {
                connected: true,
                leases: &leases,
                ..NOBODY
            };
            let mut about = entries(situation);
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
            Command::OnBoard(Errand::Renew("l-1".into()))
        );
        assert_eq!(running[0].note, "Container 101");
        assert_eq!(labels(&about("stopped")), ["Renew web"]);
        assert_eq!(labels(&about("destroyed")), [""; 0]);
    }

    #[test]
    fn a_connected_wallet_can_be_opened_and_disconnected_and_a_conversation_has_its_title() {
        let conversations = [("c-1".to_owned(), "A box for tests".to_owned())];
        let all = entries(Situation {
            connected: true,
            theme: Theme::Dark,
            conversations: &conversations,
            ..NOBODY
        });
        let wallet = labels(&found(&all, "wallet"))
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>();
        assert_eq!(wallet, ["Open the wallet", "Disconnect the wallet"]);
        let dark = &found(&all, "theme dark")[0];
        assert_eq!(dark.note, "chosen");
        let last = all.last().unwrap();
        assert_eq!(last.command, Command::Conversation("c-1".into()));
    }

    #[test]
    fn what_begins_with_the_words_comes_before_what_only_has_them() {
        let leases = [lease("active")];
        let all = entries(Situation {
            leases: &leases,
            ..NOBODY
        });
        let first = |typed: &str| {
            let found = found(&all, typed);
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
        assert_eq!(found(&all, " ").len(), all.len());
    }

    #[test]
    fn the_list_begins_again_at_its_ends() {
        assert_eq!([step(0, true, 3), step(2, true, 3)], [1, 0]);
        assert_eq!([step(2, false, 3), step(0, false, 3)], [1, 2]);
        assert_eq!([step(0, true, 0), step(0, false, 0)], [0, 0]);
    }
}

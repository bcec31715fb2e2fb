//! The conversations that this browser stores: the newest first, a limited number. The stored text
//! has a version, so that a later release knows the format.

use serde::{Deserialize, Serialize};

use super::conversation::Conversation;

/// The largest number of conversations. Older ones are removed.
const MOST_CONVERSATIONS: usize = 40;
/// The largest stored text, in bytes. Browsers give a page about five million, and other texts need
/// room as well.
const LARGEST_TEXT: usize = 3_000_000;
const VERSION: u32 = 1;

/// All stored conversations.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// The newest first.
    pub conversations: Vec<Conversation>,
}

#[derive(Deserialize)]
struct StoredHistory {
    version: u32,
    conversations: Vec<Conversation>,
}

#[derive(Serialize)]
struct HistoryToStore<'h> {
    version: u32,
    conversations: &'h [Conversation],
}

impl History {
    /// Reads the stored text. A text that cannot be read counts as an empty history, so that the
    /// page opens anyway.
    pub fn read(text: &str) -> Self {
        let stored = serde_json::from_str::<StoredHistory>(text).ok();
        let stored = stored.filter(|stored| stored.version == VERSION);
        let conversations = stored
            .map(|stored| stored.conversations)
            .unwrap_or_default();
        Self {
            conversations: conversations
                .into_iter()
                .map(Conversation::restored)
                .collect(),
        }
    }

    /// The text to be stored. The oldest conversations are left out if it is too large.
    pub fn write(&self) -> String {
        let mut stored: Vec<_> = self
            .conversations
            .iter()
            .filter(|conversation| !conversation.turns.is_empty())
            .take(MOST_CONVERSATIONS)
            .map(Conversation::without_secrets)
            .collect();
        loop {
            let storing = HistoryToStore {
                version: VERSION,
                conversations: &stored,
            };
            let text = serde_json::to_string(&storing).unwrap_or_default();
            if text.len() <= LARGEST_TEXT || stored.pop().is_none() {
                return text;
            }
        }
    }

    /// Adds a conversation in front, or replaces it.
    pub fn insert(&mut self, conversation: Conversation) {
        self.remove(&conversation.id);
        self.conversations.insert(0, conversation);
        self.conversations.truncate(MOST_CONVERSATIONS);
    }

    /// Removes a conversation.
    pub fn remove(&mut self, id: &str) {
        self.conversations.retain(|one| one.id != id);
    }

    /// A conversation by its id.
    pub fn find(&self, id: &str) -> Option<&Conversation> {
        self.conversations.iter().find(|one| one.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::conversation::{AnswerPart, Turn, TurnState};

    fn conversation(id: &str, words: usize) -> Conversation {
        let mut conversation = Conversation::new(id.to_owned(), 1);
        let mut turn = Turn::new(1, "hello".to_owned());
        turn.parts.push(AnswerPart::Text("word ".repeat(words)));
        turn.state = TurnState::Done;
        conversation.turns.push(turn);
        conversation
    }

    fn ids(history: &History) -> Vec<&str> {
        let all = history.conversations.iter();
        all.map(|conversation| conversation.id.as_str()).collect()
    }

    #[test]
    fn what_is_stored_comes_back_and_the_empty_is_left_out() {
        let mut history = History::default();
        history.insert(conversation("a", 1));
        history.insert(conversation("b", 1));
        history.insert(conversation("a", 2));
        assert_eq!(ids(&history), ["a", "b"]);
        let read = History::read(&history.write());
        assert_eq!(read, history);

        history.insert(Conversation::new("empty".to_owned(), 1));
        assert_eq!(ids(&History::read(&history.write())), ["a", "b"]);
        history.remove("a");
        assert!(history.find("a").is_none() && history.find("b").is_some());
    }

    #[test]
    fn what_cannot_be_read_is_nothing() {
        for text in [
            "",
            "{",
            "[]",
            r#"{"version":9,"conversations":[]}"#,
            r#"{"version":1}"#,
        ] {
            assert_eq!(History::read(text), History::default(), "{text}");
        }
    }

    #[test]
    fn the_oldest_make_room() {
        let mut history = History::default();
        for number in 0..60 {
            history.insert(conversation(&number.to_string(), 1));
        }
        assert_eq!(history.conversations.len(), MOST_CONVERSATIONS);
        assert_eq!(ids(&history)[0], "59");

        let mut large = History::default();
        large.insert(conversation("old", 500_000));
        large.insert(conversation("new", 400_000));
        let text = large.write();
        assert!(text.len() <= LARGEST_TEXT);
        assert_eq!(ids(&History::read(&text)), ["new"]);
    }
}

//! The conversations that are kept in this browser: the youngest first, a bounded number, in a form with a version, so
//! that a later release can tell what it reads.

use serde::{Deserialize, Serialize};

use super::conversation::Conversation;

/// Older ones are forgotten.
const MOST: usize = 40;
/// The largest stored text, in bytes: browsers give a page about five million, and other things need room as well.
const LARGEST: usize = 3_000_000;
const VERSION: u32 = 1;

/// All conversations that are kept.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// The youngest first.
    pub conversations: Vec<Conversation>,
}

#[derive(Deserialize)]
struct Stored {
    version: u32,
    conversations: Vec<Conversation>,
}

#[derive(Serialize)]
struct Storing<'h> {
    version: u32,
    conversations: &'h [Conversation],
}

impl History {
    /// Reads what was stored. Whatever cannot be read counts as nothing: a broken history must not keep the page from
    /// opening.
    pub fn read(text: &str) -> Self {
        let stored = serde_json::from_str::<Stored>(text).ok();
        let known = stored.filter(|stored| stored.version == VERSION);
        let conversations = known.map(|stored| stored.conversations).unwrap_or_default();
        Self {
            conversations: conversations
                .into_iter()
                .map(Conversation::restored)
                .collect(),
        }
    }

    /// The text to be stored. The oldest conversations are left out until it fits.
    pub fn write(&self) -> String {
        let mut kept: Vec<_> = self
            .conversations
            .iter()
            .filter(|conversation| !conversation.turns.is_empty())
            .take(MOST)
            .map(Conversation::without_secrets)
            .collect();
        loop {
            let storing = Storing {
                version: VERSION,
                conversations: &kept,
            };
            let text = serde_json::to_string(&storing).unwrap_or_default();
            if text.len() <= LARGEST || kept.pop().is_none() {
                return text;
            }
        }
    }

    /// Puts a conversation in front, in place of what was known of it.
    pub fn put(&mut self, conversation: Conversation) {
        self.remove(&conversation.id);
        self.conversations.insert(0, conversation);
        self.conversations.truncate(MOST);
    }

    /// Forgets a conversation.
    pub fn remove(&mut self, id: &str) {
        self.conversations.retain(|known| known.id != id);
    }

    /// A conversation by its id.
    pub fn find(&self, id: &str) -> Option<&Conversation> {
        self.conversations.iter().find(|known| known.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::conversation::{Part, Turn, TurnState};

    fn conversation(id: &str, words: usize) -> Conversation {
        let mut conversation = Conversation::new(id.to_owned(), 1);
        let mut turn = Turn::asked(1, "hello".to_owned());
        turn.parts.push(Part::Text("word ".repeat(words)));
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
        history.put(conversation("a", 1));
        history.put(conversation("b", 1));
        history.put(conversation("a", 2));
        assert_eq!(ids(&history), ["a", "b"]);
        let read = History::read(&history.write());
        assert_eq!(read, history);

        history.put(Conversation::new("empty".to_owned(), 1));
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
            history.put(conversation(&number.to_string(), 1));
        }
        assert_eq!(history.conversations.len(), MOST);
        assert_eq!(ids(&history)[0], "59");

        let mut large = History::default();
        large.put(conversation("old", 500_000));
        large.put(conversation("new", 400_000));
        let text = large.write();
        assert!(text.len() <= LARGEST);
        assert_eq!(ids(&History::read(&text)), ["new"]);
    }
}

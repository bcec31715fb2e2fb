//! The stored conversations: opening, leaving, deleting and storing them.

use leptos::prelude::*;

use super::{CHAT_ENTRIES, Chat, TurnCell, new_id};
use crate::{
    browser::{clock, storage},
    pay::PurchaseVia,
    state::{
        conversation::{Conversation, Turn},
        history::History,
    },
};

const STORED_AT: &str = "infra402.history";
/// Where this tab stores the id of its conversation, for a reload.
const OPEN_AT: &str = "infra402.conversation";

/// Whether an earlier visit has stored conversations.
pub(super) fn any_stored() -> bool {
    storage::read(STORED_AT).is_some()
}

/// Reads the stored conversations.
pub(super) fn load() -> History {
    let read = CHAT_ENTRIES.get().map(|entries| entries.read_history);
    let stored = read.and_then(|read| Some(read(&storage::read(STORED_AT)?)));
    stored.unwrap_or_default()
}

impl Chat {
    /// Leaves the conversation and starts a new one.
    pub fn start_new(self) {
        self.leave();
        self.clear();
    }

    /// Opens a stored conversation.
    pub fn open(self, id: &str) {
        // Without the chunk there are no stored conversations.
        if let Some(entries) = CHAT_ENTRIES.get() {
            (entries.open)(self, id);
        }
    }

    pub(crate) fn open_stored(self, id: &str) {
        if self.id.with_untracked(|current| current == id) {
            return;
        }
        let found = self
            .stored
            .with_untracked(|history| history.find(id).cloned());
        if let Some(conversation) = found {
            self.leave();
            self.show(conversation);
        }
    }

    /// Deletes a conversation.
    pub fn delete(self, id: &str) {
        if let Some(entries) = CHAT_ENTRIES.get() {
            (entries.delete)(self, id);
        }
    }

    pub(crate) fn delete_stored(self, id: &str) {
        self.stored.update(|history| history.remove(id));
        if self.id.with_untracked(|current| current == id) {
            self.stop();
            self.clear();
        }
        self.store();
    }

    /// Deletes all conversations.
    pub fn delete_all(self) {
        self.stop();
        self.stored.set(History::default());
        self.clear();
        storage::remove(STORED_AT);
    }

    /// Stops the agent's answer. A paid call goes on, and its events are applied to the stored
    /// conversation.
    fn leave(self) {
        let abort = self.abort.try_update_value(Option::take).flatten();
        if let Some(abort) = abort {
            abort.abort();
            // An answer implies that the chunk is loaded.
            if let Some(entries) = CHAT_ENTRIES.get() {
                (entries.stop_last_turn)(self);
            }
        }
        self.running.set(false);
    }

    pub(crate) fn stop_last_turn(self) {
        let last = self.turns.with_untracked(|turns| turns.last().cloned());
        if let Some(cell) = last {
            cell.turn.update(Turn::stop);
        }
        self.save();
    }

    pub(super) fn clear(self) {
        self.show(Conversation {
            id: new_id(),
            changed: clock::now(),
            turns: Vec::new(),
        });
    }

    fn show(self, conversation: Conversation) {
        storage::write_tab(OPEN_AT, &conversation.id);
        self.id.set(conversation.id);
        let cells = conversation.turns.into_iter().map(|turn| TurnCell {
            id: turn.id,
            turn: ArcRwSignal::new(turn),
        });
        self.turns.set(cells.collect());
    }

    /// Opens the conversation of an interrupted payment, or else the one that this tab has shown.
    pub(crate) fn reopen(self) {
        if self.reopen_interrupted() {
            return;
        }
        let shown = storage::read_tab(OPEN_AT).and_then(|id| {
            self.stored
                .with_untracked(|history| history.find(&id).cloned())
        });
        match shown {
            Some(conversation) => self.show(conversation),
            None => self.clear(),
        }
    }

    fn reopen_interrupted(self) -> bool {
        let cards = self.engine.pay.cards().get_untracked();
        let interrupted = cards.iter().find_map(|card| match &card.via {
            PurchaseVia::Agent { conversation, .. } => Some((conversation.clone(), card.id)),
            PurchaseVia::Direct(_) => None,
        });
        let Some((id, card)) = interrupted else {
            return false;
        };
        let found = self
            .stored
            .with_untracked(|history| history.find(&id).cloned());
        let Some(mut conversation) = found else {
            return false;
        };
        if let Some(turn) = conversation.turns.last_mut() {
            turn.attach_card_to_last(card);
        }
        self.show(conversation);
        true
    }

    pub(super) fn save(self) {
        let turns: Vec<Turn> = self
            .turns
            .with_untracked(|turns| turns.iter().map(|cell| cell.turn.get_untracked()).collect());
        if turns.is_empty() {
            return;
        }
        let conversation = Conversation {
            id: self.id.get_untracked(),
            changed: clock::now(),
            turns,
        };
        self.stored.update(|history| history.insert(conversation));
        self.store();
    }

    pub(super) fn store(self) {
        let text = self.stored.with_untracked(History::write);
        // If it cannot be stored, the conversation on the screen goes on.
        let _ = storage::write(STORED_AT, &text);
    }
}

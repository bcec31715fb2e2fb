//! The conversations that are kept in this browser: opened, left, forgotten, stored.

use leptos::prelude::*;

use super::{Chat, TALK, TurnCell, new_id};
use crate::{
    engine::{clock, storage},
    pay::Via,
    state::{
        conversation::{Conversation, Turn},
        history::History,
    },
};

const STORED_AT: &str = "infra402.history";
/// Which conversation this tab shows, for its reload.
const OPEN_AT: &str = "infra402.conversation";

/// Whether an earlier visit has left something.
pub(super) fn any() -> bool {
    storage::read(STORED_AT).is_some()
}

/// What an earlier visit has left.
pub(super) fn load() -> History {
    let read = TALK.here().map(|talk| talk.read);
    let kept = read.and_then(|read| Some(read(&storage::read(STORED_AT)?)));
    kept.unwrap_or_default()
}

impl Chat {
    /// Leaves the conversation and begins another.
    pub fn begin(self) {
        self.leave();
        self.clear();
    }

    /// Opens a conversation that is kept.
    pub fn open(self, id: &str) {
        // There are none where the code that reads them is not here.
        if let Some(talk) = TALK.here() {
            (talk.open)(self, id);
        }
    }

    pub(super) fn open_kept(self, id: &str) {
        if self.id.with_untracked(|current| current == id) {
            return;
        }
        let found = self.kept.with_untracked(|kept| kept.find(id).cloned());
        if let Some(conversation) = found {
            self.leave();
            self.show(conversation);
        }
    }

    /// Forgets a conversation.
    pub fn forget(self, id: &str) {
        if let Some(talk) = TALK.here() {
            (talk.forget)(self, id);
        }
    }

    pub(super) fn forget_kept(self, id: &str) {
        self.kept.update(|kept| kept.remove(id));
        if self.id.with_untracked(|current| current == id) {
            self.stop();
            self.clear();
        }
        self.store();
    }

    /// Forgets all conversations.
    pub fn forget_all(self) {
        self.stop();
        self.kept.set(History::default());
        self.clear();
        storage::forget(STORED_AT);
    }

    /// What the agent is saying is stopped; what is paid for goes on, and is heard of in the stored conversation.
    fn leave(self) {
        let abort = self.abort.try_update_value(Option::take).flatten();
        if let Some(abort) = abort {
            abort.abort();
            // Whatever was said, this was here to say it.
            if let Some(talk) = TALK.here() {
                (talk.left)(self);
            }
        }
        self.running.set(false);
    }

    pub(super) fn left(self) {
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

    /// A page opens where it was: in the middle of a payment first of all, else at what this tab has shown.
    pub(super) fn reopen(self) {
        if self.reopen_interrupted() {
            return;
        }
        let shown = storage::read_tab(OPEN_AT)
            .and_then(|id| self.kept.with_untracked(|kept| kept.find(&id).cloned()));
        match shown {
            Some(conversation) => self.show(conversation),
            None => self.clear(),
        }
    }

    fn reopen_interrupted(self) -> bool {
        let cards = self.engine.pay.cards().get_untracked();
        let interrupted = cards.iter().find_map(|card| match &card.via {
            Via::Agent { conversation, .. } => Some((conversation.clone(), card.id)),
            Via::Direct(_) => None,
        });
        let Some((id, card)) = interrupted else {
            return false;
        };
        let found = self.kept.with_untracked(|kept| kept.find(&id).cloned());
        let Some(mut conversation) = found else {
            return false;
        };
        if let Some(turn) = conversation.turns.last_mut() {
            turn.tie_to(card);
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
        self.kept.update(|kept| kept.put(conversation));
        self.store();
    }

    pub(super) fn store(self) {
        let text = self.kept.with_untracked(History::write);
        // A full or forbidden storage costs the history, not the conversation.
        let _ = storage::write(STORED_AT, &text);
    }
}

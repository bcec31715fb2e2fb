//! The conversation on the screen: asks the agent, applies its events, and stores everything in
//! this browser. A turn that waits for a payment is resumed by `pay`. `ask` has the agent's turns,
//! `payments` the calls that cost money, `conversations` the stored conversations.

mod ask;
mod conversations;
mod payments;

use leptos::prelude::*;

use super::{conversation::Turn, history::History};
use crate::{
    browser::{clock, storage},
    engine::Engine,
    http::AbortHandle,
    lazy::{LazyChunk, LazyTable, NotLoaded},
    pay::TurnUpdate,
};

/// Where this tab stores the message that is being written, for a reload.
const DRAFT_AT: &str = "infra402.draft";

/// What is needed once there is a conversation.
#[derive(Clone, Copy)]
pub(crate) struct ChatEntries {
    pub(crate) ask: fn(Chat, String),
    pub(crate) take_payment_news: fn(Chat, &str, TurnUpdate),
    pub(crate) read_history: fn(&str) -> History,
    pub(crate) reopen: fn(Chat),
    pub(crate) open: fn(Chat, &str),
    pub(crate) delete: fn(Chat, &str),
    pub(crate) stop_last_turn: fn(Chat),
}

pub(crate) static CHAT_ENTRIES: LazyTable<ChatEntries> = LazyTable::new(LazyChunk::Talk);

/// A turn with its own signal, so that a growing answer redraws only itself.
#[derive(Clone)]
pub struct TurnCell {
    /// Its number within the conversation.
    pub id: u64,
    /// The turn.
    pub turn: ArcRwSignal<Turn>,
}

/// The conversation on the screen and all stored conversations.
#[derive(Clone, Copy)]
pub struct Chat {
    engine: Engine,
    id: RwSignal<String>,
    turns: RwSignal<Vec<TurnCell>>,
    stored: RwSignal<History>,
    running: RwSignal<bool>,
    abort: StoredValue<Option<AbortHandle>, LocalStorage>,
    /// The message that is being written.
    pub draft: RwSignal<String>,
    unsent: RwSignal<bool>,
    sending: RwSignal<Option<String>>,
    /// The scroll position of a reader who is not at the end: the conversation's id, and the pixels
    /// above the window.
    pub scrolled_to: StoredValue<Option<(String, i32)>>,
}

impl Chat {
    /// Whether an earlier visit has stored conversations. [`LazyChunk::Talk`] must then be loaded
    /// before [`Self::provide`].
    pub fn has_stored() -> bool {
        conversations::any_stored()
    }

    /// Reads the stored conversations and opens the one that this tab has shown, or an empty one,
    /// for the whole application.
    pub fn provide(engine: Engine) {
        let chat = Self {
            engine,
            id: RwSignal::default(),
            turns: RwSignal::default(),
            stored: RwSignal::new(conversations::load()),
            running: RwSignal::new(false),
            abort: StoredValue::new_local(None),
            draft: RwSignal::new(storage::read_tab(DRAFT_AT).unwrap_or_default()),
            unsent: RwSignal::new(false),
            sending: RwSignal::new(None),
            scrolled_to: StoredValue::new(None),
        };
        engine.pay.on_turn(Callback::new(
            move |(conversation, news): (String, TurnUpdate)| {
                CHAT_ENTRIES.then(move |entries| {
                    // Without the chunk the payment goes on alone. The next page shows the outcome.
                    if let Ok(entries) = entries {
                        (entries.take_payment_news)(chat, &conversation, news);
                    }
                });
            },
        ));
        match CHAT_ENTRIES.get() {
            Some(entries) => (entries.reopen)(chat),
            None => chat.clear(),
        }
        provide_context(chat);
    }

    /// The application's conversation.
    pub fn get() -> Self {
        expect_context()
    }

    /// The id of the conversation on the screen.
    pub fn id(self) -> Signal<String> {
        self.id.into()
    }

    /// Its turns.
    pub fn turns(self) -> Signal<Vec<TurnCell>> {
        self.turns.into()
    }

    /// All stored conversations.
    pub fn stored(self) -> Signal<History> {
        self.stored.into()
    }

    /// Sends a message.
    pub fn send(self, message: String) {
        if self.running.get_untracked() {
            return;
        }
        self.unsent.set(false);
        // No other message can be sent while the chunk is being loaded.
        self.running.set(true);
        self.sending.set(Some(message.clone()));
        CHAT_ENTRIES.then(move |entries| {
            self.running.set(false);
            self.sending.set(None);
            match entries {
                Ok(entries) => (entries.ask)(self, message),
                Err(NotLoaded) => self.return_to_draft(message),
            }
        });
    }

    /// Puts a message that could not be sent back into the box, before the text that was written
    /// since.
    fn return_to_draft(self, mut message: String) {
        self.unsent.set(true);
        self.draft.update(|draft| {
            if !draft.is_empty() {
                message.push('\n');
            }
            draft.insert_str(0, &message);
        });
    }

    /// The message that is being sent and has no turn yet.
    pub fn sending(self) -> Signal<Option<String>> {
        self.sending.into()
    }

    /// Whether the last message could not be sent. It is in the box again.
    pub fn unsent(self) -> Signal<bool> {
        self.unsent.into()
    }

    /// Stores the message that is being written until this tab is closed.
    pub fn store_draft(self, text: &str) {
        storage::write_tab(DRAFT_AT, text);
    }

    /// Whether an answer is coming.
    pub fn running(self) -> Signal<bool> {
        self.running.into()
    }
}

fn new_id() -> String {
    let random = (js_sys::Math::random() * f64::from(u32::MAX)) as u32;
    format!("{:x}-{random:08x}", clock::now())
}

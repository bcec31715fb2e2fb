//! The conversation on the screen: asks the agent, takes its events in, and keeps everything in this browser. A turn
//! that waits for a payment goes on when the payment's part of the application sends it on.
//! `ask` has the agent's turns, `paid` what concerns payments, `keep` the conversations that are stored.

mod ask;
mod keep;
mod paid;

use leptos::prelude::*;
use wasm_split_helpers::wasm_split;

use super::{conversation::Turn, history::History};
use crate::{
    api::Abort,
    engine::{Engine, clock, storage},
    part::{NotLoaded, Part},
    pay::TurnNews,
};

/// What is being written in this tab, for its reload.
const DRAFT_AT: &str = "infra402.draft";

/// What an empty conversation does without.
#[derive(Clone, Copy)]
pub struct Talk {
    send: fn(Chat, String),
    take_paid: fn(Chat, &str, TurnNews),
    read: fn(&str) -> History,
    reopen: fn(Chat),
    open: fn(Chat, &str),
    forget: fn(Chat, &str),
    left: fn(Chat),
}

/// What an empty conversation does without.
pub static TALK: Part<Talk> = Part::new(|| Box::pin(talk()));

#[wasm_split(talk, fallible)]
fn talk() -> Result<Talk, NotLoaded> {
    Ok(Talk {
        send: Chat::ask,
        take_paid: Chat::take_paid,
        read: History::read,
        reopen: Chat::reopen,
        open: Chat::open_kept,
        forget: Chat::forget_kept,
        left: Chat::left,
    })
}

/// A turn with a signal of its own, so that a growing answer redraws itself alone.
#[derive(Clone)]
pub struct TurnCell {
    /// Its number within the conversation.
    pub id: u64,
    /// The turn.
    pub turn: ArcRwSignal<Turn>,
}

/// The conversation on the screen and all that are kept.
#[derive(Clone, Copy)]
pub struct Chat {
    engine: Engine,
    id: RwSignal<String>,
    turns: RwSignal<Vec<TurnCell>>,
    kept: RwSignal<History>,
    running: RwSignal<bool>,
    abort: StoredValue<Option<Abort>, LocalStorage>,
    /// What the customer is writing.
    pub draft: RwSignal<String>,
    unsent: RwSignal<bool>,
    asked: RwSignal<Option<String>>,
    /// Where the reader of a conversation is who is not at its end: the conversation's id, and how far it is scrolled.
    pub reading: StoredValue<Option<(String, i32)>>,
}

impl Chat {
    /// Whether an earlier visit has left conversations. Then [`TALK`] has to be here before [`Self::provide`].
    pub fn is_kept() -> bool {
        keep::any()
    }

    /// Reads what is kept and opens what this tab has shown, or an empty conversation, for the whole application.
    pub fn provide(engine: Engine) {
        let chat = Self {
            engine,
            id: RwSignal::default(),
            turns: RwSignal::default(),
            kept: RwSignal::new(keep::load()),
            running: RwSignal::new(false),
            abort: StoredValue::new_local(None),
            draft: RwSignal::new(storage::read_tab(DRAFT_AT).unwrap_or_default()),
            unsent: RwSignal::new(false),
            asked: RwSignal::new(None),
            reading: StoredValue::new(None),
        };
        engine.pay.on_turn(Callback::new(
            move |(conversation, news): (String, TurnNews)| {
                TALK.then(move |talk| {
                    // A payment goes on without its conversation; the next page shows what came of it.
                    if let Ok(talk) = talk {
                        (talk.take_paid)(chat, &conversation, news);
                    }
                });
            },
        ));
        match TALK.here() {
            Some(talk) => (talk.reopen)(chat),
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

    /// All that are kept.
    pub fn kept(self) -> Signal<History> {
        self.kept.into()
    }

    /// Says something.
    pub fn send(self, message: String) {
        if self.running.get_untracked() {
            return;
        }
        self.unsent.set(false);
        // Nothing else can be said while the code that says it is on its way.
        self.running.set(true);
        self.asked.set(Some(message.clone()));
        TALK.then(move |talk| {
            self.running.set(false);
            self.asked.set(None);
            match talk {
                Ok(talk) => (talk.send)(self, message),
                Err(NotLoaded) => self.give_back(message),
            }
        });
    }

    /// Puts a message that could not be sent before what has been written since.
    fn give_back(self, mut message: String) {
        self.unsent.set(true);
        self.draft.update(|draft| {
            if !draft.is_empty() {
                message.push('\n');
            }
            draft.insert_str(0, &message);
        });
    }

    /// What was said and is on its way to the conversation.
    pub fn asked(self) -> Signal<Option<String>> {
        self.asked.into()
    }

    /// Whether the last message could not even be sent off. It is in the box again.
    pub fn unsent(self) -> Signal<bool> {
        self.unsent.into()
    }

    /// Keeps what is being written until this tab is closed.
    pub fn keep_draft(self, text: &str) {
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

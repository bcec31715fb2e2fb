//! The conversation on the screen: asks the agent, takes its events in, and keeps everything in this browser. A turn
//! that waits for a payment goes on when the payment's part of the application sends it on.
//! `ask` has the agent's turns, `paid` what concerns payments, `keep` the conversations that are stored.

mod ask;
mod keep;
mod paid;

use leptos::prelude::*;

use super::{conversation::Turn, history::History};
use crate::{
    api::Abort,
    engine::{Engine, clock},
    pay::TurnNews,
};

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
}

impl Chat {
    /// Reads what is kept and opens what this tab has shown, or an empty conversation, for the whole application.
    pub fn provide(engine: Engine) {
        let chat = Self {
            engine,
            id: RwSignal::default(),
            turns: RwSignal::default(),
            kept: RwSignal::new(keep::load()),
            running: RwSignal::new(false),
            abort: StoredValue::new_local(None),
            draft: RwSignal::default(),
        };
        engine.pay.on_turn(Callback::new(
            move |(conversation, news): (String, TurnNews)| {
                chat.take_paid(&conversation, news);
            },
        ));
        chat.reopen();
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

    /// Whether an answer is coming.
    pub fn running(self) -> Signal<bool> {
        self.running.into()
    }
}

fn new_id() -> String {
    let random = (js_sys::Math::random() * f64::from(u32::MAX)) as u32;
    format!("{:x}-{random:08x}", clock::now())
}

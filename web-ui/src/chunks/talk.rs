//! The chunk `talk`: turns of a conversation, their Markdown, and the conversations that this
//! browser stores.

use leptos::prelude::*;
use wasm_split_helpers::wasm_split;

use crate::{
    lazy::NotLoaded,
    pages::chat::{
        history::{HISTORY_LIST, HistoryList},
        log::{LOG_TURNS, LogTurns, scroll_end},
        turn::TurnView,
    },
    state::{
        chat::{CHAT_ENTRIES, Chat, ChatEntries},
        history::History,
    },
};

/// Fills the tables of the chunk.
#[wasm_split(talk, fallible)]
pub fn talk() -> Result<(), NotLoaded> {
    CHAT_ENTRIES.fill(ChatEntries {
        ask: Chat::ask,
        take_payment_news: Chat::take_payment_news,
        read_history: History::read,
        reopen: Chat::reopen,
        open: Chat::open_stored,
        delete: Chat::delete_stored,
        stop_last_turn: Chat::stop_last_turn,
    });
    LOG_TURNS.fill(LogTurns {
        view: |cell| view! { <TurnView cell=cell /> }.into_any(),
        scroll_end,
    });
    HISTORY_LIST.fill(|on_choice| view! { <HistoryList on_choice=on_choice /> }.into_any());
    Ok(())
}

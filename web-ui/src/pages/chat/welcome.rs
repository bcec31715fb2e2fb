//! An empty conversation: what the agent can do, and suggested messages that are sent when they are
//! pressed.

use leptos::prelude::*;

use crate::{
    components::{Glyph, Icon, focus_conversation},
    state::chat::Chat,
    text::{chat, shell},
};

/// The content of an empty conversation.
#[component]
pub fn Welcome() -> impl IntoView {
    let state = Chat::get();
    let suggestion = move |text: &'static str| {
        let say = move |_| {
            focus_conversation();
            state.send(text.to_owned());
        };
        view! {
            <li><button type="button" class="suggestion" on:click=say>{text}<Icon glyph=Glyph::Up /></button></li>
        }
    };
    view! {
        <div class="welcome">
            <p class="eyebrow">{shell::CLAIM}</p>
            <p class="welcome-title">{chat::WELCOME}</p>
            <p class="welcome-help">{chat::WELCOME_HELP}</p>
            <ul class="suggestions">{chat::SUGGESTIONS.map(suggestion).into_iter().collect_view()}</ul>
        </div>
    }
}

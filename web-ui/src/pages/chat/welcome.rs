//! An empty conversation: what can be done here, and requests that run when they are pressed.

use leptos::prelude::*;

use crate::{
    components::{Glyph, Icon, shell::focus_conversation},
    state::chat::Chat,
    text::{chat, shell},
};

/// What an empty conversation shows.
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

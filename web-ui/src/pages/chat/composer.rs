//! The message box. The text in it survives a page change, a reload and a failed answer.

use leptos::{html, prelude::*};

use crate::{
    components::{Glyph, Icon},
    state::{chat::Chat, services::Services},
    text::chat,
};

/// The box, with the button to send or to stop.
#[component]
pub fn Composer() -> impl IntoView {
    let state = Chat::get();
    let online = Services::get().online();
    let node = NodeRef::<html::Textarea>::new();
    let running = state.running();
    let draft = state.draft;
    let unsent = state.unsent();
    let send = move || {
        if running.get_untracked() || !online.get_untracked() {
            return;
        }
        let text = draft.get_untracked();
        if !text.trim().is_empty() {
            draft.set(String::new());
            state.send(text);
        }
    };
    let last_question = move || {
        state.turns().with_untracked(|turns| {
            turns
                .last()
                .map(|cell| cell.turn.with_untracked(|turn| turn.question.clone()))
        })
    };
    let pressed = move |event: web_sys::KeyboardEvent| match event.key().as_str() {
        // While a character is being composed, Enter belongs to the input method.
        "Enter" if !event.shift_key() && !event.is_composing() => {
            event.prevent_default();
            send();
        }
        "ArrowUp" if draft.with_untracked(String::is_empty) => {
            if let Some(question) = last_question() {
                event.prevent_default();
                draft.set(question);
            }
        }
        _ => {}
    };
    // The box is as high as its text, up to the limit of the stylesheet.
    Effect::new(move || {
        let text = draft.get();
        state.store_draft(&text);
        if let Some(area) = node.get() {
            // The height is measured with the new text. After typing, the box already has it.
            area.set_value(&text);
            let style = web_sys::HtmlElement::style(&area);
            // If the height cannot be set, the box scrolls.
            let _ = style.set_property("height", "auto");
            let _ = style.set_property("height", &format!("{}px", area.scroll_height()));
        }
    });
    let button = move || {
        if running.get() {
            view! { <button type="button" class="round-button" aria-label=chat::STOP title=chat::STOP on:click=move |_| state.stop()><Icon glyph=Glyph::Stop /></button> }.into_any()
        } else {
            view! {
                <button type="submit" class="round-button" aria-label=chat::SEND title=chat::SEND disabled=move || draft.with(|text| text.trim().is_empty()) || !online.get()>
                    <Icon glyph=Glyph::Up />
                </button>
            }
            .into_any()
        }
    };
    view! {
        <form class="composer" on:submit=move |event| { event.prevent_default(); send(); }>
            <label class="hidden" for="message">{chat::MESSAGE}</label>
            <textarea id="message" rows="1" placeholder=chat::PLACEHOLDER node_ref=node
                on:input=move |event| draft.set(event_target_value(&event)) on:keydown=pressed></textarea>
            {button}
        </form>
        {move || unsent.get().then(|| view! { <p class="field-problem" role="alert">{chat::UNSENT}</p> })}
    }
}

//! The question before a call that stops or destroys something.

use api_types::SuspendedCall;
use leptos::prelude::*;

use crate::{
    components::restore_focus_in_conversation,
    format::one_line,
    state::chat::{Chat, TurnCell},
    text::chat::tool,
};

/// The longest summary that is shown in full.
const LONGEST_SUMMARY: usize = 240;

/// The question with its two buttons.
#[component]
pub fn Confirm(
    /// The turn that waits.
    cell: TurnCell,
    /// The call.
    call: SuspendedCall,
    /// The suspended call, sealed.
    pending: String,
) -> impl IntoView {
    let chat = Chat::get();
    let running = chat.running();
    let (yes, no) = ((cell.clone(), pending.clone()), (cell, pending));
    let confirm = move |_| {
        chat.confirm(&yes.0, yes.1.clone());
        restore_focus_in_conversation();
    };
    let deny = move |_| {
        chat.deny(&no.0, no.1.clone());
        restore_focus_in_conversation();
    };
    view! {
        <div class="confirm" role="group" aria-label=tool::AWAITING_CONFIRMATION>
            <p class="confirm-what" prop:textContent=one_line(&call.summary, LONGEST_SUMMARY)></p>
            <p class="fine">{tool::confirm_help(&call.tool)}</p>
            <div class="actions">
                <button type="button" class="button danger" disabled=move || running.get() on:click=confirm>{tool::CONFIRM}</button>
                <button type="button" class="button" disabled=move || running.get() on:click=deny>{tool::DENY}</button>
            </div>
        </div>
    }
}

//! The question before a call that stops or destroys something, or changes files.

use api_types::SuspendedCall;
use leptos::prelude::*;

use crate::{
    components::restore_focus_in_conversation,
    format::{TextPiece, mark_invisible, one_line},
    state::chat::{Chat, TurnCell},
    text::chat::tool,
};

/// The longest summary that is shown in full. It has whole paths, and the end of a path matters.
const LONGEST_SUMMARY: usize = 4_000;

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
    // The content of a file that would be written.
    let content = call.body.as_ref().and_then(|body| body.as_str());
    let content = content.map(|content| {
        let pieces = mark_invisible(content).into_iter().map(piece);
        view! {
            <div class="sends-text" role="group" aria-label=tool::CONTENT tabindex="0" translate="no">
                <dl><dt>{tool::CONTENT}</dt><dd>{pieces.collect_view()}</dd></dl>
            </div>
        }
    });
    view! {
        <div class="confirm" role="group" aria-label=tool::AWAITING_CONFIRMATION>
            <p class="confirm-what" prop:textContent=one_line(&call.summary, LONGEST_SUMMARY)></p>
            {content}
            <p class="fine">{tool::confirm_help(&call.tool)}</p>
            <div class="actions">
                <button type="button" class="button danger" disabled=move || running.get() on:click=confirm>{tool::CONFIRM}</button>
                <button type="button" class="button" disabled=move || running.get() on:click=deny>{tool::DENY}</button>
            </div>
        </div>
    }
}

fn piece(piece: TextPiece) -> AnyView {
    match piece {
        TextPiece::Plain(text) => text.into_any(),
        TextPiece::Mark(mark) => view! { <mark>{mark}</mark> }.into_any(),
        TextPiece::Break => view! { <br /> }.into_any(),
    }
}

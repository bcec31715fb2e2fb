//! A turn: the question, and the parts of the answer in their order.

use leptos::prelude::*;

use super::thinking::thinking;
use crate::{
    components::{
        CopyButton, Glyph, Icon, Notice, Tone, restore_focus_in_conversation, tool::ToolCard,
    },
    markdown::Markdown,
    state::{
        chat::{Chat, TurnCell},
        conversation::{AnswerPart, Turn, TurnError, TurnState},
    },
    text::{chat, shell},
};

/// The kind of a part of the answer. A part never changes its kind.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum PartKind {
    Text,
    Tool,
}

/// A turn.
#[component]
pub fn TurnView(
    /// The turn.
    cell: TurnCell,
) -> impl IntoView {
    let turn = RwSignal::from(cell.turn.clone());
    let question = Memo::new(move |_| turn.with(|turn| turn.question.clone()));
    let kinds = Memo::new(move |_| {
        turn.with(|turn| {
            let kind = |part: &AnswerPart| match part {
                AnswerPart::Text(_) => PartKind::Text,
                AnswerPart::Tool(_) => PartKind::Tool,
            };
            turn.parts.iter().map(kind).enumerate().collect::<Vec<_>>()
        })
    });
    let parts = {
        let cell = cell.clone();
        move |(position, kind): (usize, PartKind)| match kind {
            PartKind::Text => {
                let text = Memo::new(move |_| {
                    turn.with(|turn| match turn.parts.get(position) {
                        Some(AnswerPart::Text(text)) => text.clone(),
                        _ => String::new(),
                    })
                });
                view! { <Markdown text=text /> }.into_any()
            }
            PartKind::Tool => {
                let call = Memo::new(move |_| {
                    turn.with(|turn| match turn.parts.get(position) {
                        Some(AnswerPart::Tool(call)) => Some((**call).clone()),
                        _ => None,
                    })
                });
                view! { <ToolCard cell=cell.clone() call=call /> }.into_any()
            }
        }
    };
    view! {
        <article class="turn">
            <div class="question">
                <h2 class="hidden">{chat::YOU}</h2>
                <p>{question}</p>
            </div>
            <div class="answer">
                <h2 class="hidden">{chat::AGENT}</h2>
                <For each=move || kinds.get() key=|kind| *kind children=parts />
                <End cell=cell turn=turn />
            </div>
        </article>
    }
}

/// The end of the answer, or the placeholder while it is coming.
#[component]
fn End(cell: TurnCell, turn: RwSignal<Turn>) -> impl IntoView {
    let state = Chat::get();
    let end = Memo::new(move |_| turn.with(|turn| turn.state.clone()));
    let reply = Memo::new(move |_| turn.with(Turn::reply));
    let running = state.running();
    // A turn with a paid call is not retried, because that could pay twice.
    let paid = Memo::new(move |_| turn.with(Turn::has_paid));
    let retry = move || {
        let cell = cell.clone();
        (!paid.get()).then(|| view! {
            <button type="button" class="button small" disabled=move || running.get() on:click=move |_| { state.retry(&cell); restore_focus_in_conversation(); }>
                <Icon glyph=Glyph::Refresh />{shell::RETRY}
            </button>
        })
    };
    let broken = {
        let retry = retry.clone();
        move |error: TurnError| {
            let retry = retry();
            view! {
                <Notice tone=Tone::Danger>
                    <p role="alert">{error.message}</p>
                    {error.request_id.map(|id| view! { <p class="fine">{shell::REQUEST_ID} " " <code>{id}</code></p> })}
                    {retry}
                </Notice>
            }
        }
    };
    move || match end.get() {
        TurnState::Asking => thinking(),
        TurnState::Answering => view! { <span class="caret" aria-hidden="true"></span> }.into_any(),
        TurnState::Suspended => ().into_any(),
        TurnState::Stopped => view! { <p class="turn-end">{chat::STOPPED}{retry()}</p> }.into_any(),
        TurnState::Broken(error) => broken(error).into_any(),
        TurnState::Done if reply.with(String::is_empty) => ().into_any(),
        TurnState::Done => {
            view! { <p class="turn-end"><CopyButton text=reply label=chat::COPY_ANSWER /></p> }
                .into_any()
        }
    }
}

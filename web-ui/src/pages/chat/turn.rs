//! A turn: the question, and the parts of the answer in their order.

use leptos::prelude::*;

use super::log::thinking;
use crate::{
    components::{CopyButton, Glyph, Icon, Notice, Tone, catch_in_conversation, tool::ToolCard},
    markdown::Markdown,
    state::{
        chat::{Chat, TurnCell},
        conversation::{Fault, Part, Turn, TurnState},
    },
    text::{chat, shell},
};

/// What kind of part stands at a place; a part never changes its kind.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
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
            let kind = |part: &Part| match part {
                Part::Text(_) => Kind::Text,
                Part::Tool(_) => Kind::Tool,
            };
            turn.parts.iter().map(kind).enumerate().collect::<Vec<_>>()
        })
    });
    let parts = {
        let cell = cell.clone();
        move |(position, kind): (usize, Kind)| match kind {
            Kind::Text => {
                let text = Memo::new(move |_| {
                    turn.with(|turn| match turn.parts.get(position) {
                        Some(Part::Text(text)) => text.clone(),
                        _ => String::new(),
                    })
                });
                view! { <Markdown text=text /> }.into_any()
            }
            Kind::Tool => {
                let call = Memo::new(move |_| {
                    turn.with(|turn| match turn.parts.get(position) {
                        Some(Part::Tool(call)) => Some((**call).clone()),
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

/// How the answer ends, or that it is coming.
#[component]
fn End(cell: TurnCell, turn: RwSignal<Turn>) -> impl IntoView {
    let state = Chat::get();
    let end = Memo::new(move |_| turn.with(|turn| turn.state.clone()));
    let reply = Memo::new(move |_| turn.with(Turn::reply));
    let running = state.running();
    // What is paid for is not asked for again in its place.
    let paid = Memo::new(move |_| turn.with(Turn::has_paid));
    let retry = move || {
        let cell = cell.clone();
        (!paid.get()).then(|| view! {
            <button type="button" class="button small" disabled=move || running.get() on:click=move |_| { state.retry(&cell); catch_in_conversation(); }>
                <Icon glyph=Glyph::Refresh />{shell::RETRY}
            </button>
        })
    };
    let broken = {
        let retry = retry.clone();
        move |fault: Fault| {
            let retry = retry();
            view! {
                <Notice tone=Tone::Danger>
                    <p role="alert">{fault.message}</p>
                    {fault.request_id.map(|id| view! { <p class="fine">{shell::REQUEST_ID} " " <code>{id}</code></p> })}
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
        TurnState::Broken(fault) => broken(fault).into_any(),
        TurnState::Done if reply.with(String::is_empty) => ().into_any(),
        TurnState::Done => {
            view! { <p class="turn-end"><CopyButton text=reply label=chat::COPY_ANSWER /></p> }
                .into_any()
        }
    }
}

//! The log: it stays at its end, whatever grows, until its reader goes up. A page change leaves the reader where they were.

use leptos::{html, prelude::*};
use wasm_bindgen::{JsCast, closure::Closure};
use wasm_split_helpers::wasm_split;
use web_sys::HtmlDivElement;

use super::{turn::TurnView, welcome::Welcome};
use crate::{
    components::{Glyph, Icon},
    part::{NotLoaded, Part},
    state::{
        chat::{Chat, TurnCell},
        sticking::Place,
    },
    text::chat,
};

/// What an empty conversation does without.
#[derive(Clone, Copy)]
pub struct Turns {
    view: fn(TurnCell) -> AnyView,
    end: fn(&HtmlDivElement) -> i32,
}

/// What an empty conversation does without.
pub static TURN: Part<Turns> = Part::new(|| Box::pin(turn()));

#[wasm_split(talk, fallible)]
fn turn() -> Result<Turns, NotLoaded> {
    Ok(Turns {
        view: |cell| view! { <TurnView cell=cell /> }.into_any(),
        end: end_of,
    })
}

/// How far a log at its end is scrolled. What is asked of the customer stays in sight, whatever is said below it.
fn end_of(log: &HtmlDivElement) -> i32 {
    let end = log.scroll_height() - log.client_height();
    let asked = log.query_selector(".turn:last-child [data-step=waiting] .actions");
    let Some(asked) = asked.ok().flatten() else {
        return end;
    };
    let (lies, frame) = (
        asked.get_bounding_client_rect(),
        log.get_bounding_client_rect(),
    );
    let from_top = |y: f64| (y - frame.top()) as i32 + log.scroll_top();
    if from_top(lies.top()) >= end {
        return end;
    }
    from_top(lies.bottom()) + BELOW_ASKED - log.client_height()
}

/// The room that is left below what is asked, in pixels.
const BELOW_ASKED: i32 = 12;

/// The conversation's log.
#[component]
pub fn Log() -> impl IntoView {
    let state = Chat::get();
    let turns = state.turns();
    let node = NodeRef::<html::Div>::new();
    let content = NodeRef::<html::Div>::new();
    let sticks = RwSignal::new(true);
    let place = StoredValue::new(Place::default());
    let to_end = move || {
        if let Some(log) = node.get_untracked() {
            // Who is new here begins at the top.
            let empty = turns.with_untracked(Vec::is_empty);
            let end = TURN.here().filter(|_| !empty).map(|turn| (turn.end)(&log));
            log.set_scroll_top(end.unwrap_or_default());
            place.set_value(place_of(&log));
        }
    };
    let scrolled = move || {
        if let Some(log) = node.get_untracked() {
            let now = place_of(&log);
            let stuck = sticks.get_untracked();
            let stays = now.sticks(place.get_value(), stuck);
            if stays != stuck {
                sticks.set(stays);
            }
            place.set_value(now);
            state
                .reading
                .set_value((!stays).then(|| (state.id().get_untracked(), now.top)));
        }
    };
    // While words come in, the reader's way up is told by what moves it.
    let let_go = move || {
        if sticks.get_untracked() && node.get_untracked().is_some_and(|log| log.scroll_top() > 0) {
            sticks.set(false);
        }
    };
    let wheel = move |event: web_sys::WheelEvent| {
        if event.delta_y() < 0.0 {
            let_go();
        }
    };
    let key = move |event: web_sys::KeyboardEvent| {
        // The keys of a field or a choice in the log are its own.
        let own = event.target() == event.current_target();
        if own && matches!(event.key().as_str(), "ArrowUp" | "PageUp" | "Home") {
            let_go();
        }
    };
    follow_growth(node, content, move || {
        if sticks.get_untracked() {
            to_end();
        }
    });
    let go_on_reading = move || {
        let (id, top) = state.reading.get_value()?;
        let log = node
            .get_untracked()
            .filter(|_| id == state.id().get_untracked())?;
        log.set_scroll_top(top);
        sticks.set(false);
        Some(())
    };
    // Whoever says something wants to see the answer; whoever comes back from another page goes on reading.
    Effect::new(move |before: Option<()>| {
        turns.with(Vec::len);
        if before.is_some() || go_on_reading().is_none() {
            sticks.set(true);
            to_end();
        }
    });
    let body = move || {
        if turns.with(Vec::is_empty) {
            return match state.asked().get() {
                Some(question) => asked(&question),
                None => view! { <Welcome /> }.into_any(),
            };
        }
        let key = move |cell: &TurnCell| (state.id().get_untracked(), cell.id);
        let turn = |cell: TurnCell| {
            let question = cell.turn.with_untracked(|turn| turn.question.clone());
            TURN.show_after(
                move || asked(&question),
                move |turn| (turn.view)(cell.clone()),
            )
        };
        view! { <For each=move || turns.get() key=key children=turn /> }.into_any()
    };
    view! {
        <div class="log-frame">
            <div id="log" class="log" role="log" aria-live="polite" aria-label=chat::LOG tabindex="0" node_ref=node
                on:scroll=move |_| scrolled() on:wheel=wheel on:keydown=key on:touchmove=move |_| let_go() on:touchend=move |_| scrolled()>
                <div class="log-content" node_ref=content>{body}</div>
            </div>
            {move || (!sticks.get() && !turns.with(Vec::is_empty)).then(|| view! {
                <button type="button" class="to-latest" on:click=move |_| { sticks.set(true); state.reading.set_value(None); to_end(); }><Icon glyph=Glyph::Down />{chat::LATEST}</button>
            })}
        </div>
    }
}

/// A question whose turn is still being loaded.
fn asked(question: &str) -> AnyView {
    let question = question.to_owned();
    view! { <article class="turn"><div class="question"><p>{question}</p></div><div class="answer">{thinking()}</div></article> }
        .into_any()
}

/// What stands where an answer will be.
pub(super) fn thinking() -> AnyView {
    view! { <p class="thinking"><span class="dots" aria-hidden="true"><i></i><i></i><i></i></span>{chat::THINKING}</p> }.into_any()
}

fn place_of(log: &HtmlDivElement) -> Place {
    Place {
        top: log.scroll_top(),
        height: log.scroll_height(),
        window: log.client_height(),
    }
}

/// Calls back whenever the log or its content has another size: words have come, a card has opened, the message box has grown.
fn follow_growth(log: NodeRef<html::Div>, content: NodeRef<html::Div>, grown: impl Fn() + 'static) {
    let callback = Closure::<dyn FnMut()>::new(grown);
    let observer = web_sys::ResizeObserver::new(callback.as_ref().unchecked_ref());
    let kept = StoredValue::new_local((observer.ok(), callback));
    Effect::new(move || {
        for element in [log.get(), content.get()].into_iter().flatten() {
            kept.with_value(|(observer, _)| {
                if let Some(observer) = observer {
                    observer.observe(&element);
                }
            });
        }
    });
    on_cleanup(move || {
        kept.try_with_value(|(observer, _)| {
            if let Some(observer) = observer {
                observer.disconnect();
            }
        });
    });
}

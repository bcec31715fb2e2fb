//! The log of a conversation. It follows its end until the reader scrolls up, and keeps its scroll
//! position on a page change.

use leptos::{html, prelude::*};
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::HtmlDivElement;

use super::{thinking::thinking, welcome::Welcome};
use crate::{
    components::{Glyph, Icon},
    lazy::{LazyChunk, LazyTable},
    state::{
        chat::{Chat, TurnCell},
        layout::scroll_following::ScrollPosition,
    },
    text::chat,
};

/// What the log needs once there are turns.
#[derive(Clone, Copy)]
pub(crate) struct LogTurns {
    pub(crate) view: fn(TurnCell) -> AnyView,
    pub(crate) scroll_end: fn(&HtmlDivElement) -> i32,
}

pub(crate) static LOG_TURNS: LazyTable<LogTurns> = LazyTable::new(LazyChunk::Talk);

/// The scroll position of a log at its end. A question to the customer stays in view, even if there
/// is more text below it.
pub(crate) fn scroll_end(log: &HtmlDivElement) -> i32 {
    let end = log.scroll_height() - log.client_height();
    let question = log.query_selector(".turn:last-child [data-step=waiting] .actions");
    let Some(question) = question.ok().flatten() else {
        return end;
    };
    let (lies, frame) = (
        question.get_bounding_client_rect(),
        log.get_bounding_client_rect(),
    );
    let from_top = |y: f64| (y - frame.top()) as i32 + log.scroll_top();
    if from_top(lies.top()) >= end {
        return end;
    }
    from_top(lies.bottom()) + BELOW_QUESTION - log.client_height()
}

/// The room below a question to the customer, in pixels.
const BELOW_QUESTION: i32 = 12;

/// The conversation's log.
#[component]
pub fn Log() -> impl IntoView {
    let state = Chat::get();
    let turns = state.turns();
    let node = NodeRef::<html::Div>::new();
    let content = NodeRef::<html::Div>::new();
    let follows_end = RwSignal::new(true);
    let place = StoredValue::new(ScrollPosition::default());
    let to_end = move || {
        if let Some(log) = node.get_untracked() {
            // The welcome page is shown from its top.
            let empty = turns.with_untracked(Vec::is_empty);
            let end = LOG_TURNS
                .get()
                .filter(|_| !empty)
                .map(|turns| (turns.scroll_end)(&log));
            log.set_scroll_top(end.unwrap_or_default());
            place.set_value(position_of(&log));
        }
    };
    let scrolled = move || {
        if let Some(log) = node.get_untracked() {
            let now = position_of(&log);
            let stuck = follows_end.get_untracked();
            let stays = now.follows(place.get_value(), stuck);
            if stays != stuck {
                follows_end.set(stays);
            }
            place.set_value(now);
            state
                .scrolled_to
                .set_value((!stays).then(|| (state.id().get_untracked(), now.top)));
        }
    };
    // While the log grows, the reader's scrolling up is recognised by the input event.
    let stop_following = move || {
        if follows_end.get_untracked()
            && node.get_untracked().is_some_and(|log| log.scroll_top() > 0)
        {
            follows_end.set(false);
        }
    };
    let wheel = move |event: web_sys::WheelEvent| {
        if event.delta_y() < 0.0 {
            stop_following();
        }
    };
    let key = move |event: web_sys::KeyboardEvent| {
        // Keys in a field or button of the log do not scroll it.
        let own = event.target() == event.current_target();
        if own && matches!(event.key().as_str(), "ArrowUp" | "PageUp" | "Home") {
            stop_following();
        }
    };
    on_resize(node, content, move || {
        if follows_end.get_untracked() {
            to_end();
        }
    });
    let restore_position = move || {
        let (id, top) = state.scrolled_to.get_value()?;
        let log = node
            .get_untracked()
            .filter(|_| id == state.id().get_untracked())?;
        log.set_scroll_top(top);
        follows_end.set(false);
        Some(())
    };
    // A new message goes to the end. Coming back from another page restores the scroll position.
    Effect::new(move |before: Option<()>| {
        turns.with(Vec::len);
        if before.is_some() || restore_position().is_none() {
            follows_end.set(true);
            to_end();
        }
    });
    let body = move || {
        if turns.with(Vec::is_empty) {
            return match state.sending().get() {
                Some(question) => question_without_turn(&question),
                None => view! { <Welcome /> }.into_any(),
            };
        }
        let key = move |cell: &TurnCell| (state.id().get_untracked(), cell.id);
        let turn = |cell: TurnCell| {
            let question = cell.turn.with_untracked(|turn| turn.question.clone());
            LOG_TURNS.show_after(
                move || question_without_turn(&question),
                move |turns| (turns.view)(cell.clone()),
            )
        };
        view! { <For each=move || turns.get() key=key children=turn /> }.into_any()
    };
    view! {
        <div class="log-frame">
            <div id="log" class="log" role="log" aria-live="polite" aria-label=chat::LOG tabindex="0" node_ref=node
                on:scroll=move |_| scrolled() on:wheel=wheel on:keydown=key on:touchmove=move |_| stop_following() on:touchend=move |_| scrolled()>
                <div class="log-content" node_ref=content>{body}</div>
            </div>
            {move || (!follows_end.get() && !turns.with(Vec::is_empty)).then(|| view! {
                <button type="button" class="to-latest" on:click=move |_| { follows_end.set(true); state.scrolled_to.set_value(None); to_end(); }><Icon glyph=Glyph::Down />{chat::LATEST}</button>
            })}
        </div>
    }
}

/// A question while the view of its turn is being loaded.
fn question_without_turn(question: &str) -> AnyView {
    let question = question.to_owned();
    view! { <article class="turn"><div class="question"><p>{question}</p></div><div class="answer">{thinking()}</div></article> }
        .into_any()
}

fn position_of(log: &HtmlDivElement) -> ScrollPosition {
    ScrollPosition {
        top: log.scroll_top(),
        height: log.scroll_height(),
        window: log.client_height(),
    }
}

/// Calls back whenever the size of the log or its content changes.
fn on_resize(log: NodeRef<html::Div>, content: NodeRef<html::Div>, resized: impl Fn() + 'static) {
    let callback = Closure::<dyn FnMut()>::new(resized);
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

//! The log: it stays at its end, whatever grows, until its reader goes up.

use leptos::{html, prelude::*};
use wasm_bindgen::{JsCast, closure::Closure};
use wasm_split_helpers::wasm_split;

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

/// A turn, which an empty conversation has none of.
pub static TURN: Part<fn(TurnCell) -> AnyView> = Part::new(|| Box::pin(turn()));

#[wasm_split(talk, fallible)]
fn turn() -> Result<fn(TurnCell) -> AnyView, NotLoaded> {
    Ok(|cell| view! { <TurnView cell=cell /> }.into_any())
}

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
            log.set_scroll_top(log.scroll_height());
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
    // Whoever says something wants to see the answer.
    Effect::new(move || {
        turns.with(Vec::len);
        sticks.set(true);
        to_end();
    });
    let body = move || {
        if turns.with(Vec::is_empty) {
            return view! { <Welcome /> }.into_any();
        }
        let key = move |cell: &TurnCell| (state.id().get_untracked(), cell.id);
        let turn = |cell: TurnCell| TURN.show(move |turn| turn(cell.clone()));
        view! { <For each=move || turns.get() key=key children=turn /> }.into_any()
    };
    view! {
        <div class="log-frame">
            <div class="log" role="log" aria-live="polite" aria-label=chat::LOG tabindex="0" node_ref=node
                on:scroll=move |_| scrolled() on:wheel=wheel on:keydown=key on:touchmove=move |_| let_go() on:touchend=move |_| scrolled()>
                <div class="log-content" node_ref=content>{body}</div>
            </div>
            {move || (!sticks.get()).then(|| view! {
                <button type="button" class="to-latest" on:click=move |_| { sticks.set(true); to_end(); }><Icon glyph=Glyph::Down />{chat::LATEST}</button>
            })}
        </div>
    }
}

fn place_of(log: &web_sys::HtmlDivElement) -> Place {
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

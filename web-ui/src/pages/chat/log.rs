//! The log: it follows its end while something is added, unless the reader has scrolled up.

use leptos::{html, prelude::*};
use wasm_bindgen::{JsCast, closure::Closure};
use wasm_split_helpers::wasm_split;

use super::{turn::TurnView, welcome::Welcome};
use crate::{
    components::{Glyph, Icon},
    part::{NotLoaded, Part},
    state::chat::{Chat, TurnCell},
    text::chat,
};

/// So near to its end, in pixels, a reader counts as being there.
const NEAR: i32 = 48;

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
    let to_end = move || {
        if let Some(log) = node.get_untracked() {
            log.set_scroll_top(log.scroll_height());
        }
    };
    let scrolled = move |_| {
        if let Some(log) = node.get_untracked() {
            let left = log.scroll_height() - log.scroll_top() - log.client_height();
            sticks.set(left <= NEAR);
        }
    };
    follow_growth(content, move || {
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
            <div class="log" role="log" aria-live="polite" aria-label=chat::LOG tabindex="0" node_ref=node on:scroll=scrolled>
                <div class="log-content" node_ref=content>{body}</div>
            </div>
            {move || (!sticks.get()).then(|| view! {
                <button type="button" class="to-latest" on:click=move |_| { sticks.set(true); to_end(); }><Icon glyph=Glyph::Down />{chat::LATEST}</button>
            })}
        </div>
    }
}

/// Calls back whenever the content has another size: words have come, or a card has opened.
fn follow_growth(content: NodeRef<html::Div>, grown: impl Fn() + 'static) {
    let callback = Closure::<dyn FnMut()>::new(grown);
    let observer = web_sys::ResizeObserver::new(callback.as_ref().unchecked_ref());
    let kept = StoredValue::new_local((observer.ok(), callback));
    Effect::new(move || {
        if let Some(element) = content.get() {
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

//! The toasts on the screen, placed where they cover no interactive elements.

use std::time::Duration;

use leptos::{html, prelude::*};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, HtmlElement};

use super::Toasts;
use crate::{
    components::{Glyph, Icon},
    state::{
        layout::{
            area::ScreenArea,
            toast_placement::{find_place, is_free},
        },
        now::every,
    },
    text::shell,
};

/// How often the place of the toasts is checked.
const PLACEMENT_INTERVAL: Duration = Duration::from_millis(100);
/// Interactive elements outside of toasts, and texts that must be readable before a button is
/// pressed.
const CONTROLS: &str =
    ".running, .sends-text, .app :is(a, button, input, textarea, select, summary):not(.toast *)";

/// The toasts, while there are any.
#[component]
pub fn ToastList() -> impl IntoView {
    let toasts = Toasts::get();
    let list = NodeRef::<html::Div>::new();
    let place = move || {
        // The list may just have been removed.
        if let Some(list) = list.try_get_untracked().flatten() {
            place_toasts(&list);
        }
    };
    Effect::new(move || {
        toasts.shown.track();
        place();
    });
    // The page may scroll or change under the toasts.
    every(PLACEMENT_INTERVAL, place);
    view! {
        <div class="toast-list" node_ref=list>
            <For each=move || toasts.shown.get() key=|toast| toast.id let(toast)>
                <div class="toast" data-tone=toast.tone.name()>
                    <p>{toast.text}</p>
                    <button type="button" class="icon-button" aria-label=shell::DISMISS on:click=move |_| toasts.dismiss(toast.id)>
                        <Icon glyph=Glyph::Cross />
                    </button>
                </div>
            </For>
        </div>
    }
}

/// Places the toasts where they cover no interactive elements.
fn place_toasts(list: &HtmlElement) {
    let window = window();
    let number = |value: Result<JsValue, JsValue>| value.ok().and_then(|value| value.as_f64());
    let (Some(width), Some(height)) = (number(window.inner_width()), number(window.inner_height()))
    else {
        return;
    };
    let occupied = document().query_selector_all(CONTROLS).map(|all| {
        let area = |index| {
            all.get(index)?
                .dyn_into::<Element>()
                .ok()
                .map(|element| ScreenArea::from_element(&element))
        };
        (0..all.length())
            .filter_map(area)
            .filter(|area| area.width > 1.0)
            .collect::<Vec<_>>()
    });
    let (own, occupied) = (ScreenArea::from_element(list), occupied.unwrap_or_default());
    if is_free(own, (width, height), &occupied) {
        return;
    }
    let place = find_place((own.width, own.height), (width, height), &occupied);
    let style = list.style();
    // If they cannot be set, the toasts stay where the stylesheet puts them.
    let _ = style.set_property("left", &format!("{}px", place.left));
    let _ = style.set_property("top", &format!("{}px", place.top));
}

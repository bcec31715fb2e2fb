//! Short messages that come and go, read aloud by screen readers.

use std::time::Duration;

use leptos::{html, prelude::*};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, HtmlElement};

use super::{Glyph, Icon, Tone};
use crate::{
    state::{
        lane::{Area, free_place, may_stay},
        now::every,
    },
    text::shell,
};

const SHOWN_FOR: Duration = Duration::from_secs(7);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What can be pressed or written in, apart from the messages themselves, and what is read before it is pressed.
const CONTROLS: &str =
    ".running, .sends-text, .app :is(a, button, input, textarea, select, summary):not(.toast *)";

/// A message.
#[derive(Debug, Clone, PartialEq)]
struct Toast {
    id: u32,
    tone: Tone,
    text: String,
}

/// The messages on the screen.
#[derive(Clone, Copy)]
pub struct Toasts {
    shown: RwSignal<Vec<Toast>>,
    next: StoredValue<u32>,
}

impl Toasts {
    /// For the whole application.
    pub fn provide() {
        provide_context(Self {
            shown: RwSignal::default(),
            next: StoredValue::new(0),
        });
    }

    /// The application's messages.
    pub fn get() -> Self {
        expect_context()
    }

    /// Says something for a while.
    pub fn say(self, tone: Tone, text: impl Into<String>) {
        let id = self.next.get_value();
        self.next.set_value(id + 1);
        let text = text.into();
        self.shown
            .update(|shown| shown.push(Toast { id, tone, text }));
        set_timeout(move || self.dismiss(id), SHOWN_FOR);
    }

    /// Whether there are any.
    pub fn any(self) -> Memo<bool> {
        Memo::new(move |_| !self.shown.with(Vec::is_empty))
    }

    fn dismiss(self, id: u32) {
        self.shown
            .update(|shown| shown.retain(|toast| toast.id != id));
    }
}

/// The messages, while there are any.
#[component]
pub fn ToastList() -> impl IntoView {
    let toasts = Toasts::get();
    let list = NodeRef::<html::Div>::new();
    let place = move || {
        // A message may just have been taken away.
        if let Some(list) = list.try_get_untracked().flatten() {
            lay(&list);
        }
    };
    Effect::new(move || {
        toasts.shown.track();
        place();
    });
    // The page may move under them.
    every(LOOK_EVERY, place);
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

/// Lays the messages over nothing that can be pressed.
fn lay(list: &HtmlElement) {
    let window = window();
    let number = |value: Result<JsValue, JsValue>| value.ok().and_then(|value| value.as_f64());
    let (Some(width), Some(height)) = (number(window.inner_width()), number(window.inner_height()))
    else {
        return;
    };
    let taken = document().query_selector_all(CONTROLS).map(|all| {
        let area = |place| {
            all.get(place)?
                .dyn_into::<Element>()
                .ok()
                .map(|one| area_of(&one))
        };
        (0..all.length())
            .filter_map(area)
            .filter(|area| area.width > 1.0)
            .collect::<Vec<_>>()
    });
    let (own, taken) = (area_of(list), taken.unwrap_or_default());
    if may_stay(own, (width, height), &taken) {
        return;
    }
    let place = free_place((own.width, own.height), (width, height), &taken);
    let style = list.style();
    // Without them it lies where the stylesheet puts it.
    let _ = style.set_property("left", &format!("{}px", place.left));
    let _ = style.set_property("top", &format!("{}px", place.top));
}

fn area_of(element: &Element) -> Area {
    let lies = element.get_bounding_client_rect();
    Area {
        left: lies.left(),
        top: lies.top(),
        width: lies.width(),
        height: lies.height(),
    }
}

//! Where the focus goes when what had it leaves the page: a button that was pressed and is no longer needed takes the keyboard with
//! it otherwise, and a screen reader begins again at the top.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, FocusOptions, HtmlElement};

use super::shell::focus_conversation;

/// Gives the focus to an element and scrolls nothing.
pub fn focus_quietly(element: &HtmlElement) {
    let options = FocusOptions::new();
    options.set_prevent_scroll(true);
    // An element that cannot take the focus leaves it where it is.
    let _ = element.focus_with_options(&options);
}

/// The first element in a place that fits.
pub fn first_in(place: &Element, selector: &str) -> Option<HtmlElement> {
    let found = place.query_selector(selector).ok().flatten()?;
    found.dyn_into().ok()
}

/// Gives the focus to an element if nothing has it once the page has changed.
pub fn catch_focus(place: impl FnOnce() -> Option<HtmlElement> + 'static) {
    // What changes now is on the page after one frame, and a dialog that closes has given the focus back.
    request_animation_frame(move || {
        request_animation_frame(move || {
            if is_lost()
                && let Some(element) = place()
            {
                focus_quietly(&element);
            }
        });
    });
}

/// The same for what was pressed to have the conversation go on.
pub fn catch_in_conversation() {
    request_animation_frame(|| {
        request_animation_frame(|| {
            if is_lost() {
                focus_conversation();
            }
        });
    });
}

fn is_lost() -> bool {
    let active = document().active_element();
    active.is_none_or(|element| element.tag_name() == "BODY")
}

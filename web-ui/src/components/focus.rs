//! Where the focus goes when the element that has it leaves the page. Otherwise the keyboard would
//! lose its place, and a screen reader would begin again at the top.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, FocusOptions, HtmlElement};

/// Focuses an element without scrolling.
pub fn focus_quietly(element: &HtmlElement) {
    let options = FocusOptions::new();
    options.set_prevent_scroll(true);
    // An element that cannot have the focus leaves it where it is.
    let _ = element.focus_with_options(&options);
}

/// The first element below `root` that matches a selector.
pub fn find_first(root: &Element, selector: &str) -> Option<HtmlElement> {
    let found = root.query_selector(selector).ok().flatten()?;
    found.dyn_into().ok()
}

/// Focuses an element if no element has the focus once the page has changed.
pub fn restore_focus(target: impl FnOnce() -> Option<HtmlElement> + 'static) {
    after_change(move || {
        if let Some(element) = target() {
            focus_quietly(&element);
        }
    });
}

/// Focuses the conversation if no element has the focus once the page has changed.
pub fn restore_focus_in_conversation() {
    after_change(focus_conversation);
}

/// Calls `act` if no element has the focus after the page has changed.
fn after_change(act: impl FnOnce() + 'static) {
    // The change is on the page after one frame, and a dialog that closes has then given the focus
    // back.
    request_animation_frame(move || {
        request_animation_frame(move || {
            let active = document().active_element();
            if active.is_none_or(|element| element.tag_name() == "BODY") {
                act();
            }
        });
    });
}

/// Moves the focus to the content, as a new page does.
pub fn focus_content() {
    focus_id("content");
}

/// Moves the focus to an element by its id.
pub fn focus_id(id: &str) {
    let element = document().get_element_by_id(id);
    if let Some(element) = element.and_then(|element| element.dyn_into::<HtmlElement>().ok()) {
        // An element that cannot have the focus leaves it where it is.
        let _ = element.focus();
    }
}

/// Moves the focus to the message box. On a touch screen this would open the keyboard over the
/// answer, so there the focus goes to the conversation.
pub fn focus_conversation() {
    let has_touch = window().navigator().max_touch_points() > 0;
    focus_id(if has_touch { "log" } else { "message" });
}

//! Scrolls newly added content into view.

use leptos::{html, prelude::*};

/// Content that scrolls into view when it is added.
#[component]
pub fn ScrollIntoView(
    /// The content.
    children: Children,
) -> impl IntoView {
    let node = NodeRef::<html::Div>::new();
    Effect::new(move || {
        if let Some(element) = node.get() {
            request_animation_frame(move || element.scroll_into_view_with_bool(false));
        }
    });
    view! { <div class="in-sight" node_ref=node>{children()}</div> }
}

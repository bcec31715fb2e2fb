//! What comes onto the page where the customer may not look.

use leptos::{html, prelude::*};

/// What has just been asked for, or is asked now: it scrolls into sight.
#[component]
pub fn InSight(
    /// What comes.
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

//! The placeholder of an answer.

use leptos::prelude::*;

use crate::text::chat;

/// Shown where an answer will be.
pub fn thinking() -> AnyView {
    view! { <p class="thinking"><span class="dots" aria-hidden="true"><i></i><i></i><i></i></span>{chat::THINKING}</p> }.into_any()
}

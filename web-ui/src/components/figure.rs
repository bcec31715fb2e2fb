//! Texts that change, set on their element. A page translator takes the text out of an element and puts its own there; what is written
//! into the old text after that is seen by nobody. What a first visit loads says `notranslate` among its classes, which takes less
//! room than the attribute.

use leptos::prelude::*;

/// A figure: an amount, a time. It is not for translation.
pub fn figure(text: impl Fn() -> String + Send + Sync + 'static) -> impl IntoView {
    view! { <span translate="no" prop:textContent=text></span> }
}

/// Words that change; they are translated anew.
pub fn words(text: impl Fn() -> String + Send + Sync + 'static) -> impl IntoView {
    view! { <span prop:textContent=text></span> }
}

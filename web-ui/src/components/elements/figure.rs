//! Texts that change, set as the element's text content. A page translator replaces text nodes, so
//! that changes of the old node are no longer visible. Views of the first visit use the class
//! `notranslate`, which is smaller than the attribute.

use leptos::prelude::*;

/// A changing figure, such as an amount or a time. It is not translated.
pub fn figure(text: impl Fn() -> String + Send + Sync + 'static) -> impl IntoView {
    view! { <span translate="no" prop:textContent=text></span> }
}

/// A changing text, which is translated again.
pub fn words(text: impl Fn() -> String + Send + Sync + 'static) -> impl IntoView {
    view! { <span prop:textContent=text></span> }
}

//! A named value in a list of facts, and a value that can be copied.

use leptos::prelude::*;

use super::CopyButton;
use crate::text::shell;

/// A named value, within a `dl` of the class `facts`.
#[component]
pub fn Fact(
    /// What it is.
    name: &'static str,
    /// The value.
    children: Children,
) -> impl IntoView {
    view! { <div class="fact"><dt>{name}</dt><dd class="number">{children()}</dd></div> }
}

/// A value that can be copied, perhaps shown shorter than it is.
#[component]
pub fn Copyable(
    /// What it is.
    name: &'static str,
    /// The whole value.
    value: String,
    /// What is shown of it; all of it where this is absent.
    #[prop(optional, into)]
    short: Option<String>,
    /// It is copied.
    #[prop(optional, into)]
    on_copied: Option<Callback<()>>,
) -> impl IntoView {
    let on_copied = on_copied.unwrap_or_else(|| Callback::new(|()| {}));
    let shown = short.unwrap_or_else(|| value.clone());
    view! {
        <code translate="no" title=value.clone() prop:textContent=shown></code>
        <CopyButton text=value label=shell::copy(name) on_copied=on_copied />
    }
}

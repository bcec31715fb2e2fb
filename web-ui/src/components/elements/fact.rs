//! A named value in a list of facts, and a value with a copy button.

use leptos::prelude::*;

use super::CopyButton;
use crate::text::shell;

/// A named value, within a `dl` of the class `facts`.
#[component]
pub fn Fact(
    /// Its name.
    name: &'static str,
    /// The value.
    children: Children,
) -> impl IntoView {
    view! { <div class="fact"><dt>{name}</dt><dd class="number">{children()}</dd></div> }
}

/// A value with a copy button. It may be shown shortened.
#[component]
pub fn Copyable(
    /// Its name.
    name: &'static str,
    /// The full value.
    value: String,
    /// The shortened value; absent if the full value is shown.
    #[prop(optional, into)]
    short: Option<String>,
    /// Called once the value is copied.
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

//! A value as JSON.

use leptos::prelude::*;
use serde_json::Value;

/// A labelled value; nothing for `null`.
#[component]
pub fn JsonBlock(
    /// Its label.
    label: &'static str,
    /// The value.
    value: Value,
) -> impl IntoView {
    if value == Value::Null {
        return ().into_any();
    }
    let text = serde_json::to_string_pretty(&value).unwrap_or_default();
    view! {
        <p class="eyebrow">{label}</p>
        <pre class="json" tabindex="0">{text}</pre>
    }
    .into_any()
}

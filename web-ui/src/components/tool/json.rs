//! A value as it travels, for those who want to see it.

use leptos::prelude::*;
use serde_json::Value;

/// A labelled value; nothing where there is none.
#[component]
pub fn JsonBlock(
    /// What it is.
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

//! A value as JSON.

use api_types::Json;
use leptos::prelude::*;

/// A labelled value; nothing for `null`.
#[component]
pub fn JsonBlock(
    /// Its label.
    label: &'static str,
    /// The value.
    value: Json,
) -> impl IntoView {
    if value == Json::Null {
        return ().into_any();
    }
    let text = serde_json::to_string_pretty(&value).unwrap_or_default();
    view! {
        <p class="eyebrow">{label}</p>
        <pre class="json" tabindex="0">{text}</pre>
    }
    .into_any()
}

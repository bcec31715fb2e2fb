//! The list of keys.

use leptos::prelude::*;

use crate::text::shell;

/// Each key with what it does.
#[component]
pub fn KeyHelp() -> impl IntoView {
    let row = |(keys, does): (&'static str, &'static str)| {
        view! { <div class="key-row"><dt><kbd>{keys}</kbd></dt><dd>{does}</dd></div> }
    };
    view! { <dl class="key-list">{shell::KEY_LIST.map(row).into_iter().collect_view()}</dl> }
}

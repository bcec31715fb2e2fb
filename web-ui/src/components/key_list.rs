//! The list of keyboard shortcuts.

use leptos::prelude::*;

use crate::text::shell;

/// Each shortcut with its description.
#[component]
pub fn KeyList() -> impl IntoView {
    let row = |(keys, description): (&'static str, &'static str)| {
        view! { <div class="key-row"><dt><kbd>{keys}</kbd></dt><dd>{description}</dd></div> }
    };
    view! { <dl class="key-list">{shell::KEY_LIST.map(row).into_iter().collect_view()}</dl> }
}

//! Icons that only the files need. Those of [`Icon`](crate::components::Icon) are part of a first
//! visit.

use leptos::prelude::*;

const FOLDER: &str = "M3.5 6h6l2 2.5h9V19h-17z";
const PENCIL: &str = "M5 19l1-4L16 5l3 3L9 18zM13.5 7.5l3 3";

/// A folder.
pub fn folder_icon() -> impl IntoView {
    icon(FOLDER)
}

/// A pencil.
pub(super) fn pencil_icon() -> impl IntoView {
    icon(PENCIL)
}

fn icon(path: &'static str) -> impl IntoView {
    view! { <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d=path /></svg> }
}

//! A button that copies a text and confirms it.

use std::time::Duration;

use leptos::{prelude::*, task::spawn_local};
use wasm_bindgen_futures::JsFuture;

use super::{Glyph, Icon};
use crate::text::shell;

/// How long the confirmation is shown.
const CONFIRMED_FOR: Duration = Duration::from_millis(1600);

/// Copies a text to the clipboard.
#[component]
pub fn CopyButton(
    /// The text.
    #[prop(into)]
    text: Signal<String>,
    /// The button's label.
    #[prop(into)]
    label: String,
    /// Called once the text is copied.
    #[prop(optional, into)]
    on_copied: Option<Callback<()>>,
) -> impl IntoView {
    let copied = RwSignal::new(false);
    let copy = move |_| {
        let writing = window()
            .navigator()
            .clipboard()
            .write_text(&text.get_untracked());
        spawn_local(async move {
            if JsFuture::from(writing).await.is_ok() {
                copied.set(true);
                if let Some(on_copied) = on_copied {
                    // The component that set it may have left the page.
                    let _ = on_copied.try_run(());
                }
                set_timeout(move || copied.set(false), CONFIRMED_FOR);
            }
        });
    };
    let glyph = move || {
        let glyph = if copied.get() {
            Glyph::Check
        } else {
            Glyph::Copy
        };
        view! { <Icon glyph=glyph /> }
    };
    view! {
        <button type="button" class="icon-button copy" aria-label=label.clone() title=label on:click=copy>
            {glyph}
            <span class="copy-said" role="status">{move || copied.get().then_some(shell::COPIED)}</span>
        </button>
    }
}

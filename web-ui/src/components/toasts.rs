//! Short messages that come and go, read aloud by screen readers.

use std::time::Duration;

use leptos::prelude::*;

use super::{Glyph, Icon, Tone};
use crate::text::shell;

const SHOWN_FOR: Duration = Duration::from_secs(7);

/// A message.
#[derive(Debug, Clone, PartialEq)]
struct Toast {
    id: u32,
    tone: Tone,
    text: String,
}

/// The messages on the screen.
#[derive(Clone, Copy)]
pub struct Toasts {
    shown: RwSignal<Vec<Toast>>,
    next: StoredValue<u32>,
}

impl Toasts {
    /// For the whole application.
    pub fn provide() {
        provide_context(Self {
            shown: RwSignal::default(),
            next: StoredValue::new(0),
        });
    }

    /// The application's messages.
    pub fn get() -> Self {
        expect_context()
    }

    /// Says something for a while.
    pub fn say(self, tone: Tone, text: impl Into<String>) {
        let id = self.next.get_value();
        self.next.set_value(id + 1);
        let text = text.into();
        self.shown
            .update(|shown| shown.push(Toast { id, tone, text }));
        set_timeout(move || self.dismiss(id), SHOWN_FOR);
    }

    fn dismiss(self, id: u32) {
        self.shown
            .update(|shown| shown.retain(|toast| toast.id != id));
    }
}

/// Where the messages appear.
#[component]
pub fn ToastStack() -> impl IntoView {
    let toasts = Toasts::get();
    view! {
        <div class="toasts" role="status" aria-live="polite">
            <For each=move || toasts.shown.get() key=|toast| toast.id let(toast)>
                <div class="toast" data-tone=toast.tone.name()>
                    <p>{toast.text}</p>
                    <button type="button" class="icon-button" aria-label=shell::DISMISS on:click=move |_| toasts.dismiss(toast.id)>
                        <Icon glyph=Glyph::Cross />
                    </button>
                </div>
            </For>
        </div>
    }
}

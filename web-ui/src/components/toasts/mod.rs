//! Toasts: short messages that come and go, read aloud by screen readers.

pub(crate) mod list;

use std::time::Duration;

use leptos::prelude::*;

use super::Tone;
use crate::lazy::{LazyChunk, LazyTable};

pub(crate) static TOAST_LIST: LazyTable<fn() -> AnyView> = LazyTable::new(LazyChunk::Pages);

/// How long a toast is shown.
const SHOWN_FOR: Duration = Duration::from_secs(7);

/// A toast.
#[derive(Debug, Clone, PartialEq)]
struct Toast {
    id: u32,
    tone: Tone,
    text: String,
}

/// The toasts on the screen.
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

    /// The application's toasts.
    pub fn get() -> Self {
        expect_context()
    }

    /// Shows a toast.
    pub fn show(self, tone: Tone, text: impl Into<String>) {
        let id = self.next.get_value();
        self.next.set_value(id + 1);
        let text = text.into();
        self.shown
            .update(|shown| shown.push(Toast { id, tone, text }));
        set_timeout(move || self.dismiss(id), SHOWN_FOR);
    }

    /// Whether there are any.
    pub fn any(self) -> Memo<bool> {
        Memo::new(move |_| !self.shown.with(Vec::is_empty))
    }

    fn dismiss(self, id: u32) {
        self.shown
            .update(|shown| shown.retain(|toast| toast.id != id));
    }
}

/// The place of the toasts.
#[component]
pub fn ToastStack() -> impl IntoView {
    let any = Toasts::get().any();
    view! {
        <div class="toasts" role="status" aria-live="polite">
            {move || any.get().then(|| TOAST_LIST.show_once_loaded(|list| list()))}
        </div>
    }
}

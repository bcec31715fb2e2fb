//! What the frame does without until the page rests: messages, the browser's Back in dialogs, what other tabs do, and what is wrong
//! with the device.

use leptos::prelude::*;
use wasm_split_helpers::wasm_split;

use super::{
    Glyph, Icon, back,
    toasts::{ToastList, Toasts},
};
use crate::{
    engine::{Engine, clock, storage},
    part::{NotLoaded, Part},
    text::shell,
};

/// What the frame does without until the page rests.
#[derive(Clone, Copy)]
pub struct Rest {
    toasts: fn() -> AnyView,
    device: fn() -> AnyView,
    opened: fn(RwSignal<bool>, Option<Callback<(), bool>>),
    closed: fn(RwSignal<bool>),
    begin: fn(Engine),
}

/// What the frame does without until the page rests.
static REST: Part<Rest> = Part::new(|| Box::pin(rest()));

#[wasm_split(pages, fallible)]
fn rest() -> Result<Rest, NotLoaded> {
    Ok(Rest {
        toasts: || view! { <ToastList /> }.into_any(),
        device: || view! { <Device /> }.into_any(),
        opened: back::opened,
        closed: back::closed,
        begin: |engine| {
            back::listen();
            listen_to_tabs(engine);
        },
    })
}

/// Begins to listen to the browser, for the whole application.
pub fn begin(engine: Engine) {
    REST.then(move |rest| {
        if let Ok(rest) = rest {
            (rest.begin)(engine);
        }
    });
}

/// A dialog is open; the guard is asked before it closes. Without this, Back is as if there were no dialogs.
pub(super) fn dialog_opened(open: RwSignal<bool>, guard: Option<Callback<(), bool>>) {
    REST.then(move |rest| {
        if let Ok(rest) = rest {
            (rest.opened)(open, guard);
        }
    });
}

/// A dialog is no longer open.
pub(super) fn dialog_closed(open: RwSignal<bool>) {
    // Whoever was told of its opening is here.
    if let Some(rest) = REST.here() {
        (rest.closed)(open);
    }
}

/// Where messages appear.
#[component]
pub fn ToastStack() -> impl IntoView {
    let any = Toasts::get().any();
    view! {
        <div class="toasts" role="status" aria-live="polite">
            {move || any.get().then(|| REST.show_once_here(|rest| (rest.toasts)()))}
        </div>
    }
}

/// What is wrong with the device, which few visitors see: its clock, or a storage that keeps nothing.
pub fn of_the_device() -> impl IntoView {
    let wrong = Memo::new(|_| clock::server().device_ahead().is_some() || storage::failed());
    move || {
        wrong
            .get()
            .then(|| REST.show_once_here(|rest| (rest.device)()))
    }
}

#[component]
fn Device() -> impl IntoView {
    let words = move || {
        let server = clock::server();
        let clock = server
            .device_ahead()
            .map(|ahead| shell::clock_off(ahead, server.is_followed()));
        let storage = storage::failed().then(|| shell::NOT_KEPT.to_owned());
        [clock, storage]
    };
    let line = |text: String| {
        view! { <p class="banner" data-tone="danger"><Icon glyph=Glyph::Alert /><span prop:textContent=text></span></p> }
    };
    move || words().into_iter().flatten().map(line).collect_view()
}

/// What another tab keeps is this tab's as well: its wallet, and who is signed in. That is so as long as the page lives.
fn listen_to_tabs(engine: Engine) {
    window_event_listener(leptos::ev::storage, move |event| {
        let key = event.key();
        engine.wallet.follow(key.as_deref());
        engine.session.follow(key.as_deref());
    });
}

//! A view that comes with a part of the application: a line until it is here, and a way to ask again if it does not come.

use std::sync::Arc;

use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;

use super::{Notice, Tone};
use crate::{
    part::{Coming, Part},
    text::shell,
};

impl<T: Copy + Send + Sync + 'static> Part<T> {
    /// Shows a view that the part gives: at once if it is here, otherwise in place of a line that says that it is coming.
    pub fn show(&'static self, view: impl Fn(T) -> AnyView + Send + Sync + 'static) -> AnyView {
        self.show_after(loading, view)
    }

    /// The same, with something better than that line in its place.
    pub fn show_after(
        &'static self,
        coming: impl Fn() -> AnyView + Send + Sync + 'static,
        view: impl Fn(T) -> AnyView + Send + Sync + 'static,
    ) -> AnyView {
        shown(
            Box::new(coming),
            Box::new(move || self.here().map(&view)),
            Arc::new(move || Box::pin(async { self.load().await.map(drop) })),
        )
    }
}

impl<T: Copy + Send + Sync + 'static> Part<T> {
    /// Shows a view that the part gives once it is here, and nothing before: for what nobody has asked for.
    pub fn show_once_here(
        &'static self,
        view: impl Fn(T) -> AnyView + Send + Sync + 'static,
    ) -> AnyView {
        if let Some(part) = self.here() {
            return view(part);
        }
        let came = RwSignal::new(None);
        self.then(move |part| {
            // Whoever was waiting may have left the page.
            let _ = came.try_set(part.ok());
        });
        (move || came.get().map(&view)).into_any()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Coming,
    Here,
    Missing,
}

fn loading() -> AnyView {
    view! { <p class="muted" role="status">{shell::LOADING}</p> }.into_any()
}

fn shown(
    coming: Box<dyn Fn() -> AnyView + Send + Sync>,
    view: Box<dyn Fn() -> Option<AnyView> + Send + Sync>,
    load: Arc<dyn Fn() -> Coming<()> + Send + Sync>,
) -> AnyView {
    if let Some(view) = view() {
        return view;
    }
    let state = RwSignal::new(State::Coming);
    let ask = Callback::new(move |()| {
        state.set(State::Coming);
        let loaded = load();
        spawn_local(async move {
            let now = loaded.await.map_or(State::Missing, |()| State::Here);
            // Whoever wanted to see it may have gone elsewhere.
            state.try_set(now);
        });
    });
    ask.run(());
    let place = move || {
        match state.get() {
        State::Coming => untrack(&coming),
        State::Here => untrack(&view).into_any(),
        State::Missing => view! {
            <Notice tone=Tone::Danger>
                <p role="alert">{shell::PART_MISSING}</p>
                <button type="button" class="button small" on:click=move |_| ask.run(())>{shell::RETRY}</button>
            </Notice>
        }
        .into_any(),
    }
    };
    place.into_any()
}

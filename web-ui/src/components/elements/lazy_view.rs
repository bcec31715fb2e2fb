//! Views of a lazily loaded chunk: a line is shown while it loads, and a button to retry if it
//! cannot be loaded.

use std::sync::Arc;

use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;

use super::{Notice, Tone};
use crate::{
    lazy::{ChunkFuture, LazyTable},
    text::shell,
};

impl<T: Copy + Send + Sync + 'static> LazyTable<T> {
    /// Shows a view of the chunk: at once if it is loaded, otherwise after a line that says that it
    /// is loading.
    pub fn show(&'static self, view: impl Fn(T) -> AnyView + Send + Sync + 'static) -> AnyView {
        self.show_after(loading, view)
    }

    /// Shows a view of the chunk, and `placeholder` while it loads.
    pub fn show_after(
        &'static self,
        placeholder: impl Fn() -> AnyView + Send + Sync + 'static,
        view: impl Fn(T) -> AnyView + Send + Sync + 'static,
    ) -> AnyView {
        lazy_view(
            Box::new(placeholder),
            Box::new(move || self.get().map(&view)),
            Arc::new(move || Box::pin(async { self.load().await.map(drop) })),
        )
    }

    /// Shows a view of the chunk once it is loaded, and nothing before: for views that the customer
    /// has not asked for.
    pub fn show_once_loaded(
        &'static self,
        view: impl Fn(T) -> AnyView + Send + Sync + 'static,
    ) -> AnyView {
        if let Some(entries) = self.get() {
            return view(entries);
        }
        let loaded = RwSignal::new(None);
        self.then(move |entries| {
            // The view may have left the page.
            let _ = loaded.try_set(entries.ok());
        });
        (move || loaded.get().map(&view)).into_any()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LoadState {
    Loading,
    Loaded,
    Failed,
}

fn loading() -> AnyView {
    view! { <p class="muted" role="status">{shell::LOADING}</p> }.into_any()
}

fn lazy_view(
    placeholder: Box<dyn Fn() -> AnyView + Send + Sync>,
    view: Box<dyn Fn() -> Option<AnyView> + Send + Sync>,
    load: Arc<dyn Fn() -> ChunkFuture + Send + Sync>,
) -> AnyView {
    if let Some(view) = view() {
        return view;
    }
    let state = RwSignal::new(LoadState::Loading);
    let request = Callback::new(move |()| {
        state.set(LoadState::Loading);
        let loaded = load();
        spawn_local(async move {
            let now = loaded
                .await
                .map_or(LoadState::Failed, |()| LoadState::Loaded);
            // The view may have left the page.
            state.try_set(now);
        });
    });
    request.run(());
    let content = move || {
        match state.get() {
        LoadState::Loading => untrack(&placeholder),
        LoadState::Loaded => untrack(&view).into_any(),
        LoadState::Failed => view! {
            <Notice tone=Tone::Danger>
                <p role="alert">{shell::CHUNK_MISSING}</p>
                <button type="button" class="button small" on:click=move |_| request.run(())>{shell::RETRY}</button>
            </Notice>
        }
        .into_any(),
    }
    };
    content.into_any()
}

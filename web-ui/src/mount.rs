//! The start of the application in the browser.

use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;

use crate::{
    app::App, browser::clock, chunks, config, engine::Engine, lazy::LazyChunk, pay::Pay,
    state::chat::Chat, wallet::Burner,
};

/// How long the page rests before it loads the chunks that may be wanted next, in seconds.
const IDLE_AFTER: u32 = 2;

/// Puts the application into the page, in place of what the page shows while it loads.
pub fn mount() {
    console_error_panic_hook::set_once();
    chunks::loaders().register();
    // Leptos brings its own executor only with the first view.
    spawn_local(async {
        let required = required_chunks();
        required.iter().for_each(|chunk| chunk.prefetch());
        let settings = config::load().await;
        for chunk in required {
            chunk.until_loaded().await;
        }
        if let Some(loading) = document().get_element_by_id("loading") {
            loading.remove();
        }
        leptos::mount::mount_to_body(move || {
            let engine = Engine::start(settings.clone());
            provide_context(engine);
            view! { <App/> }
        });
        prefetch_when_idle().await;
    });
}

/// The chunks that read what an earlier visit has stored in this browser. They are loaded before
/// the page is built, so that nothing stored is overlooked. A first visit needs none of them.
fn required_chunks() -> Vec<LazyChunk> {
    let interrupted = Pay::is_interrupted();
    let pay = interrupted || Burner::is_stored();
    let talk = interrupted || Chat::has_stored();
    [(pay, LazyChunk::Pay), (talk, LazyChunk::Talk)]
        .into_iter()
        .filter_map(|(needed, chunk)| needed.then_some(chunk))
        .collect()
}

/// Loads all chunks once the page is idle, so that nothing has to be waited for later.
async fn prefetch_when_idle() {
    clock::pause(IDLE_AFTER).await;
    for chunk in [LazyChunk::Talk, LazyChunk::Pay, LazyChunk::Pages] {
        chunk.prefetch();
    }
}

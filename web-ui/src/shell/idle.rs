//! What the frame needs only once the page is idle: the browser's Back button and the
//! synchronisation of tabs.

use leptos::prelude::*;

use crate::{
    engine::Engine,
    lazy::{LazyChunk, LazyTable},
};

/// Starts both, for the whole application.
pub(crate) static IDLE: LazyTable<fn(Engine)> = LazyTable::new(LazyChunk::Pages);

/// Starts both. Without the chunk, the page works without them.
pub fn start(engine: Engine) {
    IDLE.then(move |start| {
        if let Ok(start) = start {
            start(engine);
        }
    });
}

/// Takes over the wallet and the sessions that another tab stores, as long as the page lives.
pub(crate) fn sync_tabs(engine: Engine) {
    window_event_listener(leptos::ev::storage, move |event| {
        let key = event.key();
        engine.wallet.sync(key.as_deref());
        engine.session.sync(key.as_deref());
    });
}

//! Lazily loaded chunks. The build cuts the program at functions marked with `wasm_split`: code
//! that is reachable only through such a function becomes a file of its own, and the first call of
//! the function loads that file.
//!
//! A [`LazyChunk`] is one such file. A [`LazyTable`] has the entries that one module uses of a
//! chunk: code outside of the chunk calls these entries and never the functions themselves, because
//! one direct call would move the function and all that it reaches out of the chunk. The entries of
//! all tables are listed in `chunks`, one file for each chunk, which `mount` registers here.
//! `components::elements` shows views of a chunk while it loads.

use std::{future::Future, pin::Pin, sync::OnceLock};

use wasm_bindgen_futures::spawn_local;
use wasm_split_helpers::SplitLoaderError;

use crate::browser::clock;

/// The pause before a chunk that must be there is asked for again, in seconds.
const RETRY_PAUSE: u32 = 2;

/// Conversations: turns, their Markdown, and the stored history.
pub static TALK_CHUNK: LazyChunk = LazyChunk::new();
/// Payments: the pay card, its driver, the wallet's dialog and the burner's signatures.
pub static PAY_CHUNK: LazyChunk = LazyChunk::new();
/// The other pages and what a page needs once it is idle.
pub static PAGES_CHUNK: LazyChunk = LazyChunk::new();

/// The chunk could not be loaded: the network is down, or the host serves another version by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotLoaded;

impl From<SplitLoaderError> for NotLoaded {
    fn from(_: SplitLoaderError) -> Self {
        Self
    }
}

/// A chunk that is being loaded.
pub type ChunkFuture = Pin<Box<dyn Future<Output = Result<(), NotLoaded>>>>;

/// A file of the program that is loaded on demand.
pub struct LazyChunk(OnceLock<fn() -> ChunkFuture>);

impl LazyChunk {
    const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Registers the function that loads the chunk and fills its tables.
    pub fn register(&self, load: fn() -> ChunkFuture) {
        // A second registration would be the same function.
        let _ = self.0.set(load);
    }

    /// Loads the chunk. Once it is loaded, this only fills its tables again, which changes nothing.
    ///
    /// # Errors
    /// It cannot be loaded. The next call tries again.
    pub async fn load(&self) -> Result<(), NotLoaded> {
        let load = self.0.get().ok_or(NotLoaded)?;
        load().await
    }

    /// Starts to load the chunk. A failure is reported to whatever needs the chunk later.
    pub fn prefetch(&'static self) {
        spawn_local(async {
            let _ = self.load().await;
        });
    }

    /// Loads the chunk and retries until it is there.
    pub async fn until_loaded(&self) {
        while self.load().await.is_err() {
            clock::pause(RETRY_PAUSE).await;
        }
    }
}

/// Entries of a chunk: functions that are there once the chunk is loaded.
pub struct LazyTable<T: 'static> {
    chunk: &'static LazyChunk,
    entries: OnceLock<T>,
}

impl<T: Copy + Send + Sync + 'static> LazyTable<T> {
    /// Entries of a chunk that is not loaded yet.
    pub const fn new(chunk: &'static LazyChunk) -> Self {
        Self {
            chunk,
            entries: OnceLock::new(),
        }
    }

    /// Fills in the entries. Called by the chunk itself.
    pub fn fill(&self, entries: T) {
        // A chunk that is asked for twice fills in the same entries.
        let _ = self.entries.set(entries);
    }

    /// The entries, if the chunk is loaded.
    pub fn get(&self) -> Option<T> {
        self.entries.get().copied()
    }

    /// Loads the chunk, unless it is loaded, and returns the entries.
    ///
    /// # Errors
    /// It cannot be loaded. The next call tries again.
    pub async fn load(&self) -> Result<T, NotLoaded> {
        if let Some(entries) = self.get() {
            return Ok(entries);
        }
        self.chunk.load().await?;
        self.get().ok_or(NotLoaded)
    }

    /// Calls `act` with the entries: at once if the chunk is loaded, otherwise when it is loaded or
    /// fails to load.
    pub fn then(&'static self, act: impl FnOnce(Result<T, NotLoaded>) + 'static) {
        match self.get() {
            Some(entries) => act(Ok(entries)),
            None => spawn_local(async { act(self.load().await) }),
        }
    }
}

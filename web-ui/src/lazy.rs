//! Lazily loaded chunks. The build cuts the program at functions marked with `wasm_split`: code
//! that is reachable only through such a function becomes a file of its own, and the first call of
//! the function loads that file.
//!
//! A [`LazyChunk`] is one such file. A [`LazyTable`] has the entries that one module uses of a
//! chunk: code outside of the chunk calls these entries and never the functions themselves, because
//! one direct call would move the function and all that it reaches out of the chunk. The entries of
//! all tables are listed in `chunks`, one file for each chunk; `mount` registers their loaders
//! here. `components::elements` shows views of a chunk while it loads.

use std::{future::Future, pin::Pin, sync::OnceLock};

use wasm_bindgen_futures::spawn_local;
use wasm_split_helpers::SplitLoaderError;

use crate::browser::clock;

/// The pause before a chunk that must be there is asked for again, in seconds.
const RETRY_PAUSE: u32 = 2;

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

/// The functions that load the chunks and fill their tables: one field for each chunk, so that the
/// compiler finds a chunk without a loader.
pub struct ChunkLoaders {
    /// Loads [`LazyChunk::Talk`].
    pub talk: fn() -> ChunkFuture,
    /// Loads [`LazyChunk::Pay`].
    pub pay: fn() -> ChunkFuture,
    /// Loads [`LazyChunk::Pages`].
    pub pages: fn() -> ChunkFuture,
}

static LOADERS: OnceLock<ChunkLoaders> = OnceLock::new();

impl ChunkLoaders {
    /// Registers the loaders, before any chunk is loaded.
    pub fn register(self) {
        // A second registration would be of the same functions.
        let _ = LOADERS.set(self);
    }
}

/// A file of the program that is loaded on demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LazyChunk {
    /// Conversations: turns, their Markdown, and the stored history.
    Talk,
    /// Payments: the pay card, its driver, the wallet's dialog and the burner's signatures.
    Pay,
    /// The other pages and what a page needs once it is idle.
    Pages,
}

impl LazyChunk {
    /// Loads the chunk. Once it is loaded, this only fills its tables again, which changes nothing.
    ///
    /// # Errors
    /// It cannot be loaded. The next call tries again.
    pub async fn load(self) -> Result<(), NotLoaded> {
        let loaders = LOADERS.get();
        // An error would be retried for ever.
        let loaders = loaders.expect("`mount` registers the loaders before it loads a chunk");
        let load = match self {
            Self::Talk => loaders.talk,
            Self::Pay => loaders.pay,
            Self::Pages => loaders.pages,
        };
        load().await
    }

    /// Starts to load the chunk. A failure is reported when the chunk is needed.
    pub fn prefetch(self) {
        spawn_local(async move {
            let _ = self.load().await;
        });
    }

    /// Loads the chunk and retries until it is there.
    pub async fn until_loaded(self) {
        while self.load().await.is_err() {
            clock::pause(RETRY_PAUSE).await;
        }
    }
}

/// Entries of a chunk: functions that are there once the chunk is loaded.
pub struct LazyTable<T: 'static> {
    chunk: LazyChunk,
    entries: OnceLock<T>,
}

impl<T: Copy + Send + Sync + 'static> LazyTable<T> {
    /// Entries of a chunk that is not loaded yet.
    pub const fn new(chunk: LazyChunk) -> Self {
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

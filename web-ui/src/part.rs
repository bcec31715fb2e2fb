//! Code that a first visit does without. The build cuts the application where a function is marked with `wasm_split`: what only that
//! function needs becomes a module of its own, and calling it loads the module. A [`Part`] is what such a module offers: a view,
//! or a table of functions. It is loaded once, whoever asks first; `app` has all of them loaded as soon as the page rests. What is on
//! the screen until a view has come is `components::coming`.

use std::{future::Future, pin::Pin, sync::OnceLock};

use wasm_bindgen_futures::spawn_local;
use wasm_split_helpers::SplitLoaderError;

use crate::engine::clock;

/// How long until a part that has to be there is asked for again, in seconds.
const AGAIN: u32 = 2;

/// The part did not come: the network is down, or the host has another version by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotLoaded;

impl From<SplitLoaderError> for NotLoaded {
    fn from(_: SplitLoaderError) -> Self {
        Self
    }
}

/// A part that is on its way.
pub type Coming<T> = Pin<Box<dyn Future<Output = Result<T, NotLoaded>>>>;

/// What a module of its own offers.
pub struct Part<T: 'static> {
    here: OnceLock<T>,
    fetch: fn() -> Coming<T>,
}

impl<T: Copy + Send + Sync + 'static> Part<T> {
    /// The part that a function marked with `wasm_split` gives.
    pub const fn new(fetch: fn() -> Coming<T>) -> Self {
        Self {
            here: OnceLock::new(),
            fetch,
        }
    }

    /// The part, if it has been loaded.
    pub fn here(&self) -> Option<T> {
        self.here.get().copied()
    }

    /// Loads the part, unless it is here.
    ///
    /// # Errors
    /// It does not come. The next call tries again.
    pub async fn load(&self) -> Result<T, NotLoaded> {
        if let Some(part) = self.here() {
            return Ok(part);
        }
        let part = (self.fetch)().await?;
        Ok(*self.here.get_or_init(|| part))
    }

    /// Begins to load the part; whether it comes is for those to see who need it.
    pub fn prefetch(&'static self) {
        spawn_local(async {
            let _ = self.load().await;
        });
    }

    /// Loads the part, however often it takes.
    pub async fn until_here(&self) {
        while self.load().await.is_err() {
            clock::pause(AGAIN).await;
        }
    }

    /// Does something with the part: at once if it is here, otherwise when it comes or fails to.
    pub fn then(&'static self, act: impl FnOnce(Result<T, NotLoaded>) + 'static) {
        match self.here() {
            Some(part) => act(Ok(part)),
            None => spawn_local(async { act(self.load().await) }),
        }
    }
}

//! HTTP as the browser speaks it. [`error`] says what can go wrong, [`sse`] parses event streams,
//! `fetch` sends requests, `upload`
//! sends files.

pub mod error;
#[cfg(target_arch = "wasm32")]
pub mod fetch;
pub mod sse;
#[cfg(target_arch = "wasm32")]
pub mod upload;

pub use error::RequestError;
#[cfg(target_arch = "wasm32")]
pub use fetch::{AbortHandle, HttpRequest};

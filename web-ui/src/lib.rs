//! The web interface of infra402. What can be decided without a browser builds everywhere, so that
//! plain `cargo test` tests it; views and everything that talks to the browser build for
//! WebAssembly only.
//!
//! Modules import downwards, in this order: `browser` and `format`; [`text`]; `http`; `lazy`;
//! [`wallet`], [`session`] and [`api`]; [`terminal`]; [`pay`], which takes a payment from its offer
//! to its receipt; `engine`, which joins all of these into one context; [`state`], which the pages
//! show; `components`; `pages` with the table of pages; `shell`, the frame around them; `app`;
//! `chunks`, which lists what is loaded lazily; `mount`, which starts everything.

pub mod api;
pub mod config;
pub mod format;
pub mod http;
pub mod markdown;
pub mod pay;
pub mod server_clock;
pub mod session;
pub mod state;
pub mod terminal;
pub mod text;
pub mod wallet;

#[cfg(target_arch = "wasm32")]
pub mod app;
#[cfg(target_arch = "wasm32")]
pub mod browser;
#[cfg(target_arch = "wasm32")]
mod chunks;
#[cfg(target_arch = "wasm32")]
pub mod components;
#[cfg(target_arch = "wasm32")]
pub mod engine;
#[cfg(target_arch = "wasm32")]
pub mod lazy;
#[cfg(target_arch = "wasm32")]
mod mount;
#[cfg(target_arch = "wasm32")]
pub mod pages;
#[cfg(target_arch = "wasm32")]
pub mod shell;

#[cfg(target_arch = "wasm32")]
pub use mount::mount;

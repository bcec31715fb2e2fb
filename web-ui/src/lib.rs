//! The web interface of infra402. What can be decided without a browser builds everywhere, so that plain `cargo test`
//! tests it; views and everything that talks to the browser build for WebAssembly only.
//!
//! [`config`] is read once; [`api`] calls the two services; [`wallet`] finds and asks wallets, [`session`] signs in with one;
//! [`server_clock`] is the time that they go by; [`pay`] takes a payment from its offer to its receipt; [`terminal`] shows a console. `engine` joins these into one
//! context, on which `app`, its pages and components are built. What a first visit does without is a `part`: it is loaded later.

pub mod api;
pub mod config;
pub mod format;
pub mod markdown;
pub mod pay;
pub mod server_clock;
pub mod session;
pub mod sse;
pub mod state;
pub mod terminal;
pub mod text;
pub mod wallet;

#[cfg(target_arch = "wasm32")]
pub mod app;
#[cfg(target_arch = "wasm32")]
pub mod components;
#[cfg(target_arch = "wasm32")]
pub mod engine;
#[cfg(target_arch = "wasm32")]
pub mod pages;
#[cfg(target_arch = "wasm32")]
pub mod part;

#[cfg(target_arch = "wasm32")]
pub use engine::mount;

//! What the pages show, and how it changes. Modules that only compute build everywhere; those that
//! hold signals or ask the services build for the browser.

pub mod conversation;
pub mod history;
pub mod layout;
pub mod lease;
pub mod palette;
pub mod payment;
pub mod route;
pub mod theme;

#[cfg(target_arch = "wasm32")]
pub mod chat;
#[cfg(target_arch = "wasm32")]
pub mod now;
#[cfg(target_arch = "wasm32")]
pub mod remote;
#[cfg(target_arch = "wasm32")]
pub mod services;

//! Sessions of wallets, for the free reads. One token for each address is stored until it expires
//! or the service no longer accepts it. [`stored`] is what is stored, `context` what the pages use;
//! `engine` signs in.

pub mod stored;

#[cfg(target_arch = "wasm32")]
mod context;

#[cfg(target_arch = "wasm32")]
pub use context::WalletSession;

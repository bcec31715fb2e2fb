//! Signing in with the wallet, for the free reads. One token for each address, kept until it ends or the service no longer takes
//! it; [`stored`] is what is kept, `context` what the pages use.

pub mod stored;

#[cfg(target_arch = "wasm32")]
mod context;

#[cfg(target_arch = "wasm32")]
pub use context::{Session, SignInError};

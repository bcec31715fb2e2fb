//! The two services as the application calls them. [`error`] says what can go wrong; `fetch` is the browser's, `lease` and
//! `agent` are one method for each route.

pub mod error;

#[cfg(target_arch = "wasm32")]
pub mod agent;
#[cfg(target_arch = "wasm32")]
pub mod fetch;
#[cfg(target_arch = "wasm32")]
pub mod lease;

#[cfg(target_arch = "wasm32")]
pub use agent::AgentApi;
pub use error::ApiError;
#[cfg(target_arch = "wasm32")]
pub use fetch::Abort;
#[cfg(target_arch = "wasm32")]
pub use lease::{Faucet, LeaseApi};

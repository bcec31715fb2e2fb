//! Wallets: those that the browser has (EIP-6963, and `window.ethereum` of older ones), and a burner whose key this page keeps.
//! [`info`] and [`error`] are the words, [`chain`] what a wallet is told about a network, [`asking`] how it is waited for; `provider`
//! speaks EIP-1193, `discovery` finds, `burner` signs by itself, `patience` is the customer's side of the waiting, and `context` is
//! what the pages use.

pub mod asking;
pub mod chain;
pub mod error;
pub mod info;

#[cfg(target_arch = "wasm32")]
pub mod balance;
#[cfg(target_arch = "wasm32")]
pub mod burner;
#[cfg(target_arch = "wasm32")]
pub mod context;
#[cfg(target_arch = "wasm32")]
mod discovery;
#[cfg(target_arch = "wasm32")]
mod patience;
#[cfg(target_arch = "wasm32")]
mod provider;

#[cfg(target_arch = "wasm32")]
pub use burner::Burner;
#[cfg(target_arch = "wasm32")]
pub use context::{PURSE, Wallet};
pub use error::WalletError;
pub use info::{Account, WalletInfo, WalletKind};
#[cfg(target_arch = "wasm32")]
pub use patience::Patience;

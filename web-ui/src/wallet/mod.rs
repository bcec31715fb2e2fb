//! Wallets: those of the browser (EIP-6963, and `window.ethereum` of older ones), and a burner
//! wallet whose key this page stores. [`info`] and [`error`] are the types, [`chain`] describes
//! networks to wallets, [`wait`] waits for answers without a browser, `wallet_wait` with one;
//! `provider` speaks EIP-1193, `discovery` finds wallets, `burner` signs without asking, `balance`
//! reads balances, and `context` is what the pages use.

pub mod chain;
pub mod error;
pub mod info;
pub mod wait;

#[cfg(target_arch = "wasm32")]
pub mod balance;
#[cfg(target_arch = "wasm32")]
pub mod burner;
#[cfg(target_arch = "wasm32")]
pub mod context;
#[cfg(target_arch = "wasm32")]
mod discovery;
#[cfg(target_arch = "wasm32")]
mod provider;
#[cfg(target_arch = "wasm32")]
mod wallet_wait;

#[cfg(target_arch = "wasm32")]
pub use burner::Burner;
#[cfg(target_arch = "wasm32")]
pub use context::Wallet;
pub use error::WalletError;
pub use info::{Account, WalletInfo, WalletKind};
#[cfg(target_arch = "wasm32")]
pub use wallet_wait::WalletWait;

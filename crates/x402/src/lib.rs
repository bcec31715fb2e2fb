//! x402: paying for an HTTP call with a signed stablecoin transfer.
//!
//! The core supports both protocol versions, has no transport, and builds for WebAssembly: an
//! [`offer::Offer`] becomes the challenges of both versions, [`payment::Payment`] is a payment from
//! a client, [`check`] validates it without a chain, and [`eip3009`] is the signature; [`purchase`]
//! is the buyer's side. Time is a parameter, in Unix seconds. With the feature `facilitator`, the
//! module `facilitator` verifies and settles payments: at a remote facilitator, with the operator's
//! own gas key (`onchain`), or at Coinbase (`cdp`). With the feature `client`, the module `client`
//! is an HTTP client that pays.
//!
//! Sources: the x402 specification, versions 1 and 2, transport HTTP, scheme `exact` on EVM;
//! EIP-3009 and EIP-712.

// Dependencies that are named only to enable their features for the browser.
#[cfg(target_arch = "wasm32")]
use getrandom02 as _;
#[cfg(target_arch = "wasm32")]
use getrandom04 as _;

// Selects libsecp256k1 in alloy's recovery.
#[cfg(feature = "fast-recover")]
use alloy_primitives as _;

#[cfg(feature = "chaos")]
pub mod chaos;
pub mod check;
#[cfg(feature = "client")]
pub mod client;
pub mod eip3009;
#[cfg(feature = "facilitator")]
pub mod facilitator;
pub mod network;
pub mod offer;
pub mod payment;
pub mod purchase;
pub mod reason;
#[cfg(test)]
pub(crate) mod testing;
pub mod wire;

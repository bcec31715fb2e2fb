//! Buyer, server and facilitator over real sockets, and a facilitator on a real EVM where one is
//! installed.

#![allow(
    clippy::unwrap_used,
    reason = "a test may panic, also in what its cases share"
)]

mod anvil;
mod client;
mod node;
mod onchain;
mod paywall;
mod scripted;

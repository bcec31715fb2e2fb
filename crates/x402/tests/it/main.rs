//! Buyer, server and facilitator over real sockets.

#![allow(
    clippy::unwrap_used,
    reason = "a test may panic, also in what its cases share"
)]

mod client;
mod paywall;
mod scripted;

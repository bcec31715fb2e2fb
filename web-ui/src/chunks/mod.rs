//! The lazily loaded chunks, one file for each: everything that code outside of a chunk can reach
//! in it is listed there, and only what is reachable through these lists is left out of a first
//! visit. See [`crate::lazy`] for how they are used.

mod pages;
mod pay;
mod talk;

use crate::lazy::{PAGES_CHUNK, PAY_CHUNK, TALK_CHUNK};

/// Makes the chunks known to the tables that are filled by them.
pub fn register() {
    TALK_CHUNK.register(|| Box::pin(talk::talk()));
    PAY_CHUNK.register(|| Box::pin(pay::pay()));
    PAGES_CHUNK.register(|| Box::pin(pages::pages()));
}

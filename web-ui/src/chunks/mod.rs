//! The lazily loaded chunks, one file for each: everything that code outside of a chunk can reach
//! in it is listed there, and only what is reachable through these lists is left out of a first
//! visit. See [`crate::lazy`] for how they are used.

mod pages;
mod pay;
mod talk;

use crate::lazy::ChunkLoaders;

/// The function that loads each chunk and fills its tables.
pub fn loaders() -> ChunkLoaders {
    ChunkLoaders {
        talk: || Box::pin(talk::talk()),
        pay: || Box::pin(pay::pay()),
        pages: || Box::pin(pages::pages()),
    }
}

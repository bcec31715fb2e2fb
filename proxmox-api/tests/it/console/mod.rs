//! Consoles: who may open one, what goes through, and how it ends.

pub mod client;
mod entrance;
mod life;
mod secrets;

//! Consoles: who may open one, what goes through, and how it ends.

mod client;
mod entrance;
mod life;
mod secrets;

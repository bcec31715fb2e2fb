//! Commands: what they answer, what refuses them, and what they leave behind.

mod refusals;
mod shells;
mod trouble;

//! Commands: their answers, their refusals, and what they leave in the container.

mod refusals;
mod shells;
mod trouble;

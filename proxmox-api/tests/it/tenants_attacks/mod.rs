//! Attacks on the fence around tenants.

mod links;
mod sales;

//! What the pages show, and how it changes. The parts that only compute build everywhere; those that hold signals or
//! ask the services build for the browser.

pub mod at_a_glance;
pub mod conversation;
pub mod expiry;
pub mod history;
pub mod lane;
pub mod lease_clock;
pub mod lease_form;
pub mod lease_order;
pub mod palette;
pub mod pay_bar;
pub mod pay_steps;
pub mod receipts;
pub mod route;
pub mod samples;
pub mod sight;
pub mod sticking;
pub mod theme;

#[cfg(target_arch = "wasm32")]
pub mod board;
#[cfg(target_arch = "wasm32")]
pub mod chat;
#[cfg(target_arch = "wasm32")]
pub mod now;
#[cfg(target_arch = "wasm32")]
pub mod remote;
#[cfg(target_arch = "wasm32")]
pub mod services;

//! The customers of a campaign: what one does, how it calls the service, and what it bought.

pub mod client;
pub mod customer;
pub mod purchases;

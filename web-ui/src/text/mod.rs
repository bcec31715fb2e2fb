//! Every word that the interface says, in English, in one place: another language is another folder like this.

pub mod chat;
pub mod leases;
pub mod money;
pub mod palette;
pub mod service;
pub mod shell;
pub mod wallet;

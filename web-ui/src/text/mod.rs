//! All texts of the interface, in English, in one place: another language is another folder like
//! this. Units and the names of invisible characters are in `format`.

pub mod chat;
pub mod commands;
pub mod files;
pub mod leases;
pub mod money;
pub mod palette;
pub mod service;
pub mod shell;
pub mod wallet;

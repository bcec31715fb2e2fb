//! What this process remembers between requests and between rounds of its workers: recent answers
//! of Proxmox, alarms, failed attempts, ways into containers, open consoles and connections.
//! [`App`](crate::state::App) holds all of it. Nothing here is stored, and nothing here asks
//! Proxmox: a restart begins empty and learns it again. `lease` and `console` fill it in.

pub mod alarms;
pub mod backoff;
pub mod consoles;
pub mod fences;
pub mod guest_routes;
pub mod guest_streams;
pub mod host_addresses;
pub mod host_alarms;
pub mod key_ends;
pub mod known_guests;
pub mod lease_counts;
pub mod link_waits;
pub mod locations;
pub mod parked_shells;
pub mod public_host_keys;
pub mod replica;
pub mod seen_off;
pub mod transfers;

//! The program as its users start it: against the real lease API on the simulated Proxmox, and
//! against a service that misbehaves.

// A failed set-up is a failed test.
#![allow(clippy::unwrap_used)]

mod cable;
mod console;
mod documents;
mod hostile;
mod life;
mod market;
mod money;
mod openssh;
mod ports;
mod program;
mod shapes;
mod shell;

//! What the owner of a lease may do: [`access`] checks wallet and time, [`power`] stops and starts
//! the container, [`destroy`] ends the lease early.

pub mod access;
pub mod destroy;
pub mod power;

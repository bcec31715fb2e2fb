//! Customers' own SSH into their containers: OpenSSH's client through the jump host and through the
//! API's WebSocket, to the SSH server of a simulated container.

mod editor;
mod keys;
mod openssh;
mod proxy;

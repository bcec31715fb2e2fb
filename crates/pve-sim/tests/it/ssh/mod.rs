//! The network ends of containers: SSH by OpenSSH's own client and by a plain one, ports, and
//! their end with the container.

mod access;
mod commands;
mod defects;
mod files;
mod life;
mod place;
mod ports;

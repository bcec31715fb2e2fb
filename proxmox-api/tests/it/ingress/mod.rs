//! Published ports: what visitors get, what containers are told, and what is refused. Servers of
//! the test stand for those in the container, whose loopback is this machine's.

mod doors;
mod refusals;
mod requests;
mod site;

//! Published ports: what visitors get, what containers are told, and what is refused. Servers of
//! the test stand for those in the container, whose loopback is this machine's.

mod browsers;
mod doors;
mod early;
mod refusals;
mod replicas;
mod requests;
mod site;

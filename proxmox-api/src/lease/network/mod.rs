//! The network of leased containers: the fence that keeps tenants apart, links that stay down until
//! the fence holds, and traffic. `memory::fences` and `memory::link_waits` remember what was read.

pub mod fence;
pub mod fence_watch;
pub(crate) mod links;
pub mod traffic;

//! Containers: list and state, configuration, creation, power and removal.

mod config;
mod create;
mod interfaces;
mod power;
mod status;

pub use config::ContainerConfig;
pub use create::{CreateContainer, IpSetting, Network, RootFs};
pub use interfaces::{Address, Interface, address_of};
pub use power::Destroy;
pub use status::{ContainerState, ContainerStatus};

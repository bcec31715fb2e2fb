//! Containers: list and state, configuration, creation, power and removal.

mod config;
mod create;
mod interfaces;
mod network;
mod power;
mod rrd;
mod status;

pub use config::ContainerConfig;
pub use create::{CreateContainer, RootFs};
pub use interfaces::{Address, Interface, address_of};
pub use network::{InvalidNetwork, IpSetting, Network, Rate};
pub use power::Destroy;
pub use rrd::{Consolidation, Sample, Timeframe};
pub use status::{ContainerState, ContainerStatus};

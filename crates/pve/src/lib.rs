//! A typed client for the HTTP API of Proxmox VE, for programs that lease LXC containers.
//!
//! [`Client`] connects to one host; its methods are grouped by the part of the API. Every
//! [`Error`] says whether the request can have been executed, so that a caller knows when repeating
//! a create would make a second container.
//!
//! Layout, from the wire upwards:
//!
//! | Module | Holds |
//! | --- | --- |
//! | `config`, `certificate`, `tls`, `auth`, `login` | the address, the trust in its certificate, the account |
//! | `path`, `transport` | request building, sending, the response envelope |
//! | `error`, `refusal`, `cause` | errors and what they mean |
//! | `lenient`, `ids`, `upid` | readers and newtypes for Proxmox's loosely typed values |
//! | `access`, `appliance`, `cluster`, `firewall`, `node`, `lxc`, `package`, `sdn`, `service`, `task` | the requests |
//! | `terminal`, `exec` | a container's console, and commands run through it |

mod access;
mod appliance;
mod auth;
mod cause;
mod certificate;
mod client;
mod cluster;
mod config;
mod error;
pub mod exec;
mod firewall;
mod ids;
mod lenient;
mod login;
pub mod lxc;
mod node;
mod package;
mod path;
mod poll;
mod refusal;
mod sdn;
mod service;
mod task;
pub mod terminal;
mod tls;
mod transport;
mod upid;

pub use ::secret::Secret;
pub use access::{Permissions, Privileges, Simulator, Version};
pub use appliance::Appliance;
pub use certificate::{Distrust, Fingerprint, InvalidFingerprint};
pub use client::Client;
pub use cluster::{GuestResource, Pool, PoolMember};
pub use config::{Auth, ClientConfig, ConfigError, Timeouts, Tls};
pub use error::{ApiCall, Error};
pub use exec::{ExecError, ExecOutcome, ExecRequest, OutputSink, OutputStream, Shell};
pub use firewall::{
    ClusterFirewall, FirewallRule, GuestFirewall, NodeFirewall, Policy, RuleKind, SecurityGroup,
};
pub use ids::{InvalidNodeName, InvalidVmid, NodeName, Vmid};
pub use lxc::{
    Address, Consolidation, ContainerConfig, ContainerState, ContainerStatus, CreateContainer,
    Destroy, Interface, InvalidNetwork, IpSetting, Network, Rate, RootFs, Sample, Timeframe,
    address_of,
};
pub use node::{Bridge, CpuInfo, DiskUse, MemoryUse, Node, NodeState, NodeStatus, Storage, Volume};
pub use package::{Package, compare_versions};
pub use poll::{PollSchedule, Polling};
pub use refusal::Refusal;
pub use sdn::Vnet;
pub use service::ServiceState;
pub use task::{LineSink, LogLine, TaskLog, TaskOutcome, TaskStatus, WaitError, WaitOptions};
pub use terminal::{
    ConsoleInUse, ConsoleUse, Consoles, SharedGuard, SharedTerminals, Terminal, TerminalError,
    TerminalLocks,
};
pub use tls::{HostProbe, probe_host, server_fingerprint};
pub use upid::{InvalidUpid, Upid};

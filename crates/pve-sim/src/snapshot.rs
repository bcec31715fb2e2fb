//! Snapshots for tests: copies of containers, tasks and requests that were taken under the lock.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

/// A snapshot of a container.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerSnapshot {
    /// Its id.
    pub vmid: u32,
    /// The node that it is on.
    pub node: String,
    /// `running` or `stopped`.
    pub status: String,
    /// Its host name.
    pub hostname: String,
    /// The pool that it is a member of.
    pub pool: Option<String>,
    /// Its description, as given at creation.
    pub description: Option<String>,
    /// The configuration lock, such as `create`.
    pub lock: Option<String>,
    /// Cores; 0 stands for no limit.
    pub cores: u32,
    /// Memory in MiB.
    pub memory_mb: u64,
    /// Root disk in GiB.
    pub disk_gb: f64,
    /// The whole configuration, as `GET …/config` shows it but without the digest.
    pub config: BTreeMap<String, Value>,
    /// Whether it belongs to the operator and was put there by
    /// [`Sim::put_foreign_container`](crate::Sim::put_foreign_container).
    pub foreign: bool,
}

/// A task as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskSnapshot {
    /// Its id.
    pub upid: String,
    /// The node that it runs on.
    pub node: String,
    /// Worker type, such as `vzcreate`.
    pub kind: String,
    /// What it is about: the VMID for container tasks.
    pub id: String,
    /// The user or token that started it.
    pub user: String,
    /// `OK`, `WARNINGS: n` or the error; `None` while it runs.
    pub exit_status: Option<String>,
    /// How long it ran; `None` while it does.
    pub took: Option<Duration>,
    /// Its log lines.
    pub log: Vec<String>,
}

/// A request that the simulator has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRecord {
    /// HTTP method.
    pub method: String,
    /// Path below `/api2/json`, with the query.
    pub path: String,
    /// Status that was answered; 0 where the connection was cut instead.
    pub status: u16,
}

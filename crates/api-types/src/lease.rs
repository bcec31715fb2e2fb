//! Bodies of the lease routes: asking for a container, renewing it, and looking at what one has.

use std::collections::BTreeMap;

use secret::Secret;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[cfg(not(target_family = "wasm"))]
use crate::ports::PortView;
use crate::{
    management::GuestRoute,
    money::Usdc,
    price::{Price, Size},
    ssh::SshAccess,
    time::Timestamp,
};

/// The body of `POST /lease/container` and `POST /lease/quote`.
///
/// Its [`Default`] is what an absent body is priced as.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LeaseRequest {
    /// A label of the product that is asked for; it is recorded and does not change the price.
    #[serde(default = "default_sku")]
    pub sku: String,
    /// Paid time in minutes, counted from the moment the container answers.
    pub runtime_minutes: u32,
    /// The name of the container, a DNS label; made from the lease id where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// Number of cores.
    #[serde(default = "default_cores")]
    pub cores: u32,
    /// Memory in MiB.
    #[serde(rename = "memoryMB", default = "default_memory_mb")]
    pub memory_mb: u32,
    /// Root disk in GiB.
    #[serde(rename = "diskGB", default = "default_disk_gb")]
    pub disk_gb: u32,
    /// The password of root; made by the server where neither this nor a key is given.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "secret::serialize_exposed"
    )]
    pub password: Option<Secret>,
    /// One line of OpenSSH public key for root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_public_key: Option<String>,
    /// The operating system template, one of the catalog's; its first where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// A note on who asks; recorded, never trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<String>,
    /// Free data of the caller; recorded, never interpreted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<BTreeMap<String, crate::any_json::AnyJson>>")
    )]
    pub payload: Option<BTreeMap<String, Value>>,
}

fn default_sku() -> String {
    "lxc-small".to_owned()
}

fn default_cores() -> u32 {
    1
}

fn default_memory_mb() -> u32 {
    512
}

fn default_disk_gb() -> u32 {
    8
}

impl Default for LeaseRequest {
    fn default() -> Self {
        Self {
            sku: default_sku(),
            runtime_minutes: 60,
            hostname: None,
            cores: default_cores(),
            memory_mb: default_memory_mb(),
            disk_gb: default_disk_gb(),
            password: None,
            ssh_public_key: None,
            template: None,
            requester: None,
            payload: None,
        }
    }
}

impl LeaseRequest {
    /// The size that is asked for.
    pub fn size(&self) -> Size {
        Size {
            cores: self.cores,
            memory_mb: self.memory_mb,
            disk_gb: self.disk_gb,
        }
    }
}

/// Where a lease is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LeaseStatus {
    /// The container is being made; nothing has been charged.
    Provisioning,
    /// The container answers, the payment is being settled.
    Settling,
    /// It is not yet known whether the payment moved money; the container is held.
    Reconciling,
    /// Paid and running.
    Active,
    /// The paid time is over, the container is being stopped.
    Expiring,
    /// Stopped; the data is kept until `destroysAt`, and a renewal starts it again.
    Stopped,
    /// The container is being removed because the lease did not come about.
    Undoing,
    /// The container is gone.
    Destroyed,
}

/// How something was paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PaymentReceipt {
    /// The hash of the settling transaction.
    pub transaction: String,
    /// The network it is on, as a CAIP-2 id or a short name.
    pub network: String,
}

/// The answer of `POST /lease/container`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LeaseResponse {
    /// The id of the lease.
    pub lease_id: String,
    /// Where the lease is.
    pub status: LeaseStatus,
    /// The container's number on Proxmox (VMID).
    pub ctid: u32,
    /// The end of the paid time.
    pub expires_at: Timestamp,
    /// One sentence for people.
    pub message: String,
    /// The address that paid and owns the lease.
    pub owner_wallet: String,
    /// The name of the container.
    pub hostname: String,
    /// The Proxmox node it runs on.
    pub node: String,
    /// Its address, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// From when its network can be used, where that is not at once; the paid time begins then.
    #[cfg(not(target_family = "wasm"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_ready_at: Option<Timestamp>,
    /// The password of root, once, if the server made it.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "secret::serialize_exposed"
    )]
    pub password: Option<Secret>,
    /// What it cost.
    pub price: Price,
    /// How it was paid.
    pub payment: PaymentReceipt,
    /// How an SSH client gets into it; absent where its SSH server does not answer yet, and later
    /// in the lease's view and in `GET /lease/{lease}/ssh`.
    #[cfg_attr(target_family = "wasm", serde(skip))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<SshAccess>,
}

/// The body of `POST /lease/{ctid}/renew`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RenewRequest {
    /// Minutes to add, from the later of now and the old end.
    pub runtime_minutes: u32,
}

impl Default for RenewRequest {
    fn default() -> Self {
        Self {
            runtime_minutes: 60,
        }
    }
}

/// The answer of `POST /lease/{ctid}/renew`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RenewResponse {
    /// The id of the lease.
    pub lease_id: String,
    /// Where the lease is.
    pub status: LeaseStatus,
    /// The container's number on Proxmox (VMID).
    pub ctid: u32,
    /// The new end of the paid time.
    pub expires_at: Timestamp,
    /// One sentence for people.
    pub message: String,
    /// What it cost.
    pub price: Price,
    /// How it was paid.
    pub payment: PaymentReceipt,
}

/// The way that commands, consoles and files take into a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct GuestAccess {
    /// The way that is used now.
    pub via: GuestRoute,
    /// Why SSH is not used, in a sentence; absent where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether `POST /lease/{lease}/access` can set SSH up in the container.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub can_set_up: bool,
    /// Whether SSH may come about by itself, as while the container still starts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub temporary: bool,
}

/// A lease as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LeaseView {
    /// The id of the lease.
    pub lease_id: String,
    /// Where the lease is.
    pub status: LeaseStatus,
    /// What Proxmox says of the container now, such as `running`; absent where it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live_status: Option<String>,
    /// What keeps the container from being used now, in a sentence; absent where nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
    /// The way into the container; absent where it does not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<GuestAccess>,
    /// The ports that are published, with their addresses; absent where there are none.
    #[cfg(not(target_family = "wasm"))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortView>,
    /// How an SSH client gets into it, in the view of one lease; absent until the service has
    /// reached its SSH server.
    #[cfg_attr(target_family = "wasm", serde(skip))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<SshAccess>,
    /// The container's number on Proxmox (VMID).
    pub ctid: u32,
    /// The name of the container.
    pub hostname: String,
    /// The Proxmox node it runs on.
    pub node: String,
    /// Its address, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// From when its network can be used, where that was not from the start.
    #[cfg(not(target_family = "wasm"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_ready_at: Option<Timestamp>,
    /// The label it was asked for with.
    pub sku: String,
    /// The template it was made from.
    pub template: String,
    /// Number of cores.
    pub cores: u32,
    /// Memory in MiB.
    #[serde(rename = "memoryMB")]
    pub memory_mb: u32,
    /// Root disk in GiB.
    #[serde(rename = "diskGB")]
    pub disk_gb: u32,
    /// The address that owns the lease.
    pub owner_wallet: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// The end of the paid time; absent before activation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When the data of a stopped container is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destroys_at: Option<Timestamp>,
    /// Everything paid for it so far, renewals included.
    pub paid: Usdc,
    /// What was given back as credit because its owner ended it early.
    #[cfg(not(target_family = "wasm"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credit_returned: Option<Usdc>,
}

/// The answer of `GET /management/list` and `GET /leases`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ListResponse {
    /// The wallet's leases, the youngest first.
    pub leases: Vec<LeaseView>,
    /// The `before` of the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

#[cfg(test)]
mod tests;

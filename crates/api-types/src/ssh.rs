//! Bodies of the routes about a customer's own SSH into a container.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The body of `PUT /lease/{lease}/ssh-keys`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SshKeyRequest {
    /// One line of OpenSSH public key: type, base64 and an optional comment.
    pub public_key: String,
}

/// A public key that may log in as root of a lease's container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SshKeyView {
    /// `SHA256:` and base64, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
    /// Its type, such as `ssh-ed25519`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its comment; empty where it has none.
    pub comment: String,
    /// When it was added.
    pub added_at: Timestamp,
    /// Whether the jump host takes it too. RSA keys use `proxyCommand`.
    pub jump_host: bool,
}

/// The answer of `GET /lease/{lease}/ssh-keys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SshKeyList {
    /// The keys, the oldest first.
    pub keys: Vec<SshKeyView>,
}

/// The answer of `GET /lease/{lease}/ssh`: how to reach a container with an SSH client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SshAccess {
    /// The name of the container for SSH clients; no other lease ever has it.
    pub host: String,
    /// The user.
    pub user: String,
    /// The jump host, where the operator runs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jump_host: Option<SshJumpHost>,
    /// The WebSocket behind `proxyCommand`. It carries the bytes of a connection to port 22 in
    /// binary messages, and needs a session.
    pub proxy_url: String,
    /// What `ProxyCommand` of OpenSSH runs where there is no jump host, or it does not take the key.
    pub proxy_command: String,
    /// A block for `~/.ssh/config`.
    pub config: String,
    /// Lines for `~/.ssh/known_hosts`: the container's, and the jump host's.
    pub known_hosts: Vec<String>,
}

/// Where the jump host is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SshJumpHost {
    /// Its host name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Its key, as one line of OpenSSH public key.
    pub host_key: String,
}

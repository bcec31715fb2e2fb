//! Makes a container's configuration file from parameters: defaults, sorted tags, completed
//! networks. Also checks SSH keys, which go into the container instead.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::response::ErrorResponse;
use crate::schema::{Params, format};
use crate::sshd::is_key;
use crate::world::container::complete_network;

/// The configuration file that the worker will write, without disk and lock.
pub(super) fn configuration(params: &Params, vmid: u32, template: &str) -> BTreeMap<String, Value> {
    const ELSEWHERE: &[&str] = &[
        "node",
        "vmid",
        "ostemplate",
        "password",
        "ssh-public-keys",
        "storage",
        "pool",
        "start",
        "bwlimit",
        "force",
        "restore",
        "unique",
        "ha-managed",
        "ignore-unpack-errors",
        "rootfs",
    ];
    let ostype = ["alpine", "ubuntu", "centos", "fedora", "archlinux"]
        .into_iter()
        .find(|name| template.contains(name))
        .unwrap_or("debian");
    let mut config = BTreeMap::from([
        ("arch".to_owned(), json!("amd64")),
        ("hostname".to_owned(), json!(format!("CT{vmid}"))),
        ("memory".to_owned(), json!(512)),
        ("ostype".to_owned(), json!(ostype)),
        ("swap".to_owned(), json!(512)),
        ("unprivileged".to_owned(), json!(1)),
    ]);
    for (name, value) in &params.0 {
        if !ELSEWHERE.contains(&name.as_str()) {
            config.insert(name.clone(), stored(name, value));
        }
    }
    config
}

/// A value as the configuration file stores it.
pub(super) fn stored(name: &str, value: &Value) -> Value {
    let text = value.as_str().unwrap_or_default();
    if name == "tags" {
        let mut tags: Vec<String> = format::list(text).map(str::to_lowercase).collect();
        tags.sort();
        tags.dedup();
        return json!(tags.join(";"));
    }
    if name == "cpulimit" {
        return json!(value.to_string().trim_end_matches(".0"));
    }
    let index = name.strip_prefix("net").map(str::parse::<u32>);
    if let Some(Ok(_)) = index {
        return json!(complete_network(text));
    }
    value.clone()
}

/// As `ssh-keygen -l` sees it: options that may be missing, then a key.
pub(super) fn valid_ssh_keys(text: &str) -> Result<(), ErrorResponse> {
    let mut lines = text.lines().filter(|line| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#')
    });
    if lines.all(is_key) {
        return Ok(());
    }
    Err(ErrorResponse::died("SSH public key validation error"))
}

//! How a container's configuration file comes from parameters: defaults, sorted tags, completed networks. And the check of SSH
//! keys, which go into the container instead.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::encoding;
use crate::refusal::Refusal;
use crate::schema::{Params, format};
use crate::world::container::complete_network;

/// The configuration file that the worker will write, but for disk and lock.
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

/// A value as the configuration file keeps it.
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

/// As `ssh-keygen -l` sees it: type, base64 body, comment.
pub(super) fn valid_ssh_keys(text: &str) -> Result<(), Refusal> {
    let valid = |line: &str| {
        let mut parts = line.split_whitespace();
        let kind = parts.next().unwrap_or_default();
        let body = parts.next().and_then(encoding::unbase64);
        let named = ["ssh-", "ecdsa-", "sk-"]
            .iter()
            .any(|start| kind.starts_with(start));
        // The body repeats the type, after its length.
        let body_agrees = body.is_some_and(|body| {
            body.len() > 4 + kind.len() && &body[4..4 + kind.len()] == kind.as_bytes()
        });
        named && body_agrees
    };
    let mut lines = text.lines().filter(|line| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#')
    });
    if lines.all(valid) {
        return Ok(());
    }
    Err(Refusal::died("SSH public key validation error"))
}

//! Bodies of the lease API, complete as in the contract, with the members that a test needs set.

use serde_json::{Value, json};

const SOON: &str = "2026-01-01T00:00:00Z";
const FAR: &str = "2999-01-01T00:00:00Z";

fn with(mut body: Value, more: Value) -> Value {
    let members = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(members);
    body
}

/// The response of `POST /lease/container` for container 100.
pub fn leased(more: Value) -> Value {
    let body = json!({
        "leaseId": "lease-a", "status": "active", "ctid": 100, "expiresAt": SOON, "message": "It runs.",
        "ownerWallet": "0xabc", "hostname": "box", "node": "pve",
        "price": {"total": "8900", "lines": []},
        "payment": {"transaction": "0x1", "network": "base-sepolia"},
    });
    with(body, more)
}

/// The lease of container 100 as its owner sees it.
pub fn lease(more: Value) -> Value {
    let body = json!({
        "leaseId": "lease-a", "status": "active", "ctid": 100, "hostname": "box", "node": "pve",
        "ip": "10.0.0.5", "sku": "lxc-small", "template": "debian", "cores": 1, "memoryMB": 512,
        "diskGB": 8, "ownerWallet": "0xabc", "createdAt": SOON, "expiresAt": FAR, "paid": "8900",
    });
    with(body, more)
}

/// The response to a command in container 100 that printed this.
pub fn ran(stdout: &str) -> Value {
    json!({
        "ctid": 100, "upid": "UPID:x", "output": stdout, "stdout": stdout, "stderr": "", "exitCode": 0,
        "timedOut": false, "truncated": false,
    })
}

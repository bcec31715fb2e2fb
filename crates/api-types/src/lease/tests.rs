//! The shapes of the lease bodies on the wire.

use serde_json::{from_value, json, to_value};

use super::*;

fn price() -> Price {
    Price {
        total: Usdc(10_000),
        lines: Vec::new(),
    }
}

#[test]
fn a_short_request_is_filled_up_with_the_defaults() {
    let request: LeaseRequest =
        from_value(json!({"sku": "lxc-small", "runtimeMinutes": 60})).unwrap();
    assert_eq!(request, LeaseRequest::default());
    assert_eq!(
        request.size(),
        Size {
            cores: 1,
            memory_mb: 512,
            disk_gb: 8
        }
    );
}

#[test]
fn a_full_request_keeps_the_documented_names() {
    let body = json!({
        "sku": "lxc-large", "runtimeMinutes": 30, "hostname": "web", "cores": 2, "memoryMB": 1024, "diskGB": 16,
        "password": "longenough", "sshPublicKey": "ssh-ed25519 AAAA", "template": "debian",
        "requester": "someone", "payload": {"a": [1, null]},
    });
    let request: LeaseRequest = from_value(body.clone()).unwrap();
    assert_eq!(to_value(&request).unwrap(), body);
    assert!(!format!("{request:?}").contains("longenough"));
}

#[test]
fn a_request_with_a_wrong_shape_is_refused() {
    for bad in [
        json!({"runtimeMinutes": 60, "memoryMb": 512}),
        json!({"runtimeMinutes": -1}),
        json!({"runtimeMinutes": "60"}),
        json!({"runtimeMinutes": 1.5}),
        json!({"sku": "x"}),
        json!({"runtimeMinutes": 60, "payload": 1}),
    ] {
        assert!(from_value::<LeaseRequest>(bad.clone()).is_err(), "{bad}");
    }
    assert!(from_value::<RenewRequest>(json!({"runtimeMinutes": 1, "cores": 2})).is_err());
}

#[test]
fn a_lease_is_answered_with_the_documented_names() {
    let mut response = LeaseResponse {
        lease_id: "l-1".to_owned(),
        status: LeaseStatus::Active,
        ctid: 900_001,
        expires_at: Timestamp(1_000_000_000),
        message: "Ready.".to_owned(),
        owner_wallet: "0xf39F".to_owned(),
        hostname: "web".to_owned(),
        node: "pve1".to_owned(),
        ip: Some("10.0.0.2".to_owned()),
        network_ready_at: None,
        password: Some(Secret::new("once")),
        price: price(),
        payment: PaymentReceipt {
            transaction: "0x1".to_owned(),
            network: "base-sepolia".to_owned(),
        },
        ssh: None,
    };
    let mut expected = json!({
        "leaseId": "l-1", "status": "active", "ctid": 900_001, "expiresAt": "2001-09-09T01:46:40Z",
        "message": "Ready.", "ownerWallet": "0xf39F", "hostname": "web", "node": "pve1", "ip": "10.0.0.2",
        "password": "once", "price": {"total": "10000", "lines": []},
        "payment": {"transaction": "0x1", "network": "base-sepolia"},
    });
    assert_eq!(to_value(&response).unwrap(), expected);

    (response.ip, response.password) = (None, None);
    let fields = expected.as_object_mut().unwrap();
    fields.remove("ip");
    fields.remove("password");
    assert_eq!(to_value(&response).unwrap(), expected);
    assert_eq!(from_value::<LeaseResponse>(expected).unwrap(), response);
}

#[test]
fn a_renewal_is_answered_with_the_documented_names() {
    let response = RenewResponse {
        lease_id: "l-1".to_owned(),
        status: LeaseStatus::Active,
        ctid: 900_001,
        expires_at: Timestamp(0),
        message: "Renewed.".to_owned(),
        price: price(),
        payment: PaymentReceipt {
            transaction: "0x1".to_owned(),
            network: "base".to_owned(),
        },
    };
    let expected = json!({
        "leaseId": "l-1", "status": "active", "ctid": 900_001, "expiresAt": "1970-01-01T00:00:00Z",
        "message": "Renewed.", "price": {"total": "10000", "lines": []},
        "payment": {"transaction": "0x1", "network": "base"},
    });
    assert_eq!(to_value(&response).unwrap(), expected);
}

#[test]
fn a_list_shows_size_state_and_end_of_each_lease() {
    let body = json!({"leases": [{
        "leaseId": "l-1", "status": "stopped", "liveStatus": "stopped", "ctid": 900_001, "hostname": "web",
        "node": "pve1", "sku": "lxc-small", "template": "debian", "cores": 1, "memoryMB": 512, "diskGB": 8,
        "ownerWallet": "0xf39F", "createdAt": "2026-01-01T00:00:00Z", "expiresAt": "2026-01-01T01:00:00Z",
        "destroysAt": "2026-01-02T01:00:00Z", "paid": "10000",
    }]});
    let list: ListResponse = from_value(body.clone()).unwrap();
    assert_eq!(list.leases[0].status, LeaseStatus::Stopped);
    assert_eq!(to_value(&list).unwrap(), body);
}

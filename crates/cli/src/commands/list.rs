//! `infra402 ls`: the wallet's containers.

use api_types::{LeaseStatus, LeaseView, ListResponse};

use super::show;
use crate::{
    api::{Api, now, read},
    containers,
    failure::Failure,
    printed::{printable, span, table},
};

pub(super) async fn run(api: &Api, all: bool) -> Result<u8, Failure> {
    let listed = containers::list(api, all).await?;
    show(api, &listed, || {
        let list: ListResponse = read(&listed)?;
        Ok(text(&list.leases, now()))
    })
}

fn text(leases: &[LeaseView], now: u64) -> String {
    if leases.is_empty() {
        return "no containers; lease one: infra402 lease NAME".to_owned();
    }
    let rows: Vec<_> = leases.iter().map(|lease| row(lease, now)).collect();
    let head = [
        "NAME", "NUMBER", "STATUS", "LEFT", "SIZE", "ADDRESS", "LEASE",
    ];
    let notices = leases.iter().filter_map(|lease| {
        let notice = lease.notice.as_ref()?;
        Some(format!(
            "{}: {}",
            printable(&lease.hostname),
            printable(notice)
        ))
    });
    let lines: Vec<_> = std::iter::once(table(&head, &rows))
        .chain(notices)
        .collect();
    lines.join("\n")
}

fn row(lease: &LeaseView, now: u64) -> Vec<String> {
    vec![
        lease.hostname.clone(),
        lease.ctid.to_string(),
        status(lease),
        left(lease, now),
        format!("{}/{}M/{}G", lease.cores, lease.memory_mb, lease.disk_gb),
        lease.ip.clone().unwrap_or_else(|| "-".to_owned()),
        lease.lease_id.clone(),
    ]
}

/// The container's own status, where the lease is as it should be.
fn status(lease: &LeaseView) -> String {
    match (&lease.status, &lease.live_status) {
        (LeaseStatus::Active, Some(live)) => live.clone(),
        (status, _) => serde_json::to_value(status)
            .ok()
            .and_then(|name| name.as_str().map(str::to_owned))
            .unwrap_or_default(),
    }
}

fn left(lease: &LeaseView, now: u64) -> String {
    match (lease.status, lease.expires_at, lease.destroys_at) {
        (LeaseStatus::Destroyed, ..) => "-".to_owned(),
        (LeaseStatus::Stopped, _, Some(at)) => format!("removed in {}", span(now, at)),
        (_, Some(at), _) => span(now, at),
        _ => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_table_lines_up_and_shows_a_hostile_name_as_text() {
        let lease = |hostname: &str, more: serde_json::Value| -> LeaseView {
            let mut lease = json!({
                "leaseId": "lease-a", "status": "active", "ctid": 100, "hostname": hostname, "node": "pve",
                "sku": "s", "template": "t", "cores": 1, "memoryMB": 512, "diskGB": 8, "ownerWallet": "0x",
                "createdAt": "2026-01-01T00:00:00Z", "expiresAt": "2026-01-01T01:00:00Z", "paid": "1",
            });
            let members = more.as_object().cloned().unwrap_or_default();
            lease.as_object_mut().unwrap().extend(members);
            serde_json::from_value(lease).unwrap()
        };
        let leases = [
            lease("box", json!({"liveStatus": "running", "ip": "10.0.0.2"})),
            lease(
                "e\u{1b}[31mvil",
                json!({"status": "stopped", "destroysAt": "2026-01-02T00:30:00Z"}),
            ),
            lease("n", json!({"notice": "It is\nlocked."})),
        ];
        let now = 1_767_225_600 + 60;
        let expected = [
            r"NAME            NUMBER  STATUS   LEFT                SIZE       ADDRESS   LEASE",
            r"box             100     running  59 min              1/512M/8G  10.0.0.2  lease-a",
            r"e\u{1b}[31mvil  100     stopped  removed in 1 d 0 h  1/512M/8G  -         lease-a",
            r"n               100     active   59 min              1/512M/8G  -         lease-a",
            r"n: It is\nlocked.",
        ];
        assert_eq!(text(&leases, now), expected.join("\n"));
    }
}

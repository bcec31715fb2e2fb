//! A container's usage, which only its owner sees.

use std::time::Duration;

use pve_sim::{Fault, FaultKind, Operation};

use super::*;

#[tokio::test]
async fn usage_is_its_owners_alone() {
    let app = cluster(&[]).await;
    let (tenant, stranger) = (tenant(&app, 1).await, Buyer::new(2).sign_in(&app).await);
    let by_id = format!("/lease/{}/usage", tenant.lease_id);
    let by_number = format!("/lease/{}/usage", tenant.ctid);
    for path in [&by_id, &by_number] {
        let shown = tenant.session.get(&app, path).await;
        assert_eq!(shown.status, 200, "{:?}", shown.body);
        assert_eq!(shown.body["leaseId"], tenant.lease_id.as_str());
        assert_eq!(shown.body["now"]["status"], "running");
        assert_eq!(refusal(&stranger.get(&app, path).await), (403, "forbidden"));
        let unsigned = call(&app, &Method::GET, path, None, &[]).await;
        assert_eq!(refusal(&unsigned), (401, "unauthorized"));
    }
    for path in [
        "/lease/lease-none/usage",
        "/lease/40999/usage",
        "/lease/0/usage",
        "/lease/040200/usage",
    ] {
        let answer = tenant.session.get(&app, path).await;
        assert_eq!(refusal(&answer), (404, "lease_not_found"), "{path}");
    }
    for query in ["timeframe=century", "colour=red"] {
        let answer = tenant.session.get(&app, &format!("{by_id}?{query}")).await;
        assert_eq!(refusal(&answer), (400, "invalid_request"), "{query}");
    }
    for timeframe in ["hour", "day", "week", "month", "year"] {
        let shown = tenant
            .session
            .get(&app, &format!("{by_id}?timeframe={timeframe}"))
            .await;
        assert_eq!(
            (shown.status.as_u16(), &shown.body["timeframe"]),
            (200, &json!(timeframe))
        );
    }
}

#[tokio::test]
async fn usage_counts_among_the_free_calls_of_an_address() {
    // The sign-in took two of the free requests, and the faucet one.
    let app = TestApp::with(&[("FREE_CALLS_PER_MINUTE", "5")]).await;
    let tenant = tenant(&app, 1).await;
    let path = format!("/lease/{}/usage", tenant.lease_id);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(tenant.session.get(&app, &path).await.status.as_u16());
    }
    assert_eq!(statuses, [200, 200, 429, 429]);
}

#[tokio::test]
async fn the_history_of_a_number_begins_with_the_lease_that_has_it() {
    let app = TestApp::with(&[("PVE_VMID_RANGE", "40200-40200")]).await;
    let first = tenant(&app, 1).await;
    app.sim.add_traffic(first.ctid, 0, 7 * GIB);
    let later = Duration::from_secs(600);
    app.sim.advance_clock(later);
    app.clock.advance(later);
    let history = first.usage(&app).await["history"].clone();
    let rates = |history: &Value| -> Vec<f64> {
        let points = history.as_array().unwrap().iter();
        points
            .map(|point| point["sentPerSecond"].as_f64().unwrap())
            .collect()
    };
    assert!(rates(&history).len() >= 8, "{history}");
    let ended = format!("/lease/{}", first.ctid);
    assert_eq!(
        first
            .session
            .call(&app, Method::DELETE, &ended)
            .await
            .status,
        200
    );
    let over = first.usage(&app).await;
    assert_eq!((over.get("now"), &over["history"]), (None, &json!([])));

    let second = tenant(&app, 2).await;
    assert_eq!(second.ctid, first.ctid);
    app.sim.advance_clock(later);
    app.clock.advance(later);
    let history = second.usage(&app).await["history"].clone();
    let rates = rates(&history);
    assert!((8..=11).contains(&rates.len()), "{history}");
    assert!(rates.iter().all(|rate| *rate < 1e6), "{history}");
    // What the container sends and receives by itself in ten minutes.
    second.has_sent(&app, 600 * 256, 600 * 512).await;
}

#[tokio::test]
async fn usage_is_shown_as_far_as_it_is_known_while_proxmox_is_away() {
    let app = cluster(&[]).await;
    let tenant = tenant(&app, 1).await;
    tenant.sends(&app, 5 * BY_ITSELF).await;
    app.sim
        .faults()
        .inject(Fault::always(Operation::Any, FaultKind::Unreachable595));
    let usage = tenant.usage(&app).await;
    assert_eq!((usage.get("now"), &usage["history"]), (None, &json!([])));
    assert!(usage["traffic"]["sent"].as_u64().unwrap() >= 5 * BY_ITSELF);
}

//! Clones, restored backups, descriptions and numbers: which container belongs to a lease, and
//! which is only a copy.

use std::time::Duration;

use serde_json::json;

use crate::support::{TestApp, until};

use super::{Customer, LATER, cluster, compare};

const POOL: Option<&str> = Some("infra402");

fn notes(app: &TestApp, vmid: u32) -> String {
    app.sim
        .container(vmid)
        .unwrap()
        .description
        .unwrap_or_default()
}

/// The marker as the previous release wrote it.
fn old_marker(app: &TestApp, lease_id: &str) -> String {
    json!({"infra402": {"lease": lease_id, "instance": app.app.installation.id}}).to_string()
}

#[tokio::test]
async fn clones_and_restored_backups_in_the_pool_are_never_touched() {
    let app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 30).await;
    let backup = app.sim.backup(customer.ctid);
    app.sim.clone_container(customer.ctid, 40_900, POOL);
    app.sim.restore(&backup, 40_901, POOL);
    let (clone, restored) = (app.sim.container(40_900), app.sim.container(40_901));
    for hours in [0, 1, 100] {
        app.clock.advance(Duration::from_secs(hours * 3600));
        let found = compare(&app).await;
        assert_eq!(found.foreign, [40_900, 40_901]);
        assert_eq!((found.removed, found.orphans), (vec![], vec![]));
    }
    // The copies are still there long after the lease's end.
    until("the lease to be over", async || {
        app.clock.advance(Duration::from_secs(600));
        (customer.state(&app).await == "destroyed").then_some(())
    })
    .await;
    compare(&app).await;
    assert_eq!(
        (app.sim.container(40_900), app.sim.container(40_901)),
        (clone, restored)
    );
}

#[tokio::test]
async fn a_marker_of_the_release_before_counts_for_its_own_number_and_is_written_anew() {
    let app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 30).await;
    let old = old_marker(&app, &customer.lease_id);
    app.sim
        .set_description(customer.ctid, &format!("asked Ann\n{old}"));
    app.sim.clone_container(customer.ctid, 40_900, POOL);
    app.clock.advance(LATER);
    let found = compare(&app).await;
    assert_eq!((found.foreign, found.removed), (vec![40_900], vec![]));
    customer.is_served(&app).await;
    let written = notes(&app, customer.ctid);
    assert!(written.starts_with("asked Ann\n"), "{written}");
    assert!(
        written.contains(&format!("\"vmid\":{}", customer.ctid)),
        "{written}"
    );
    assert_eq!(notes(&app, 40_900).trim_end(), format!("asked Ann\n{old}"));
    customer.ends(&app).await;
    assert!(app.sim.container(40_900).is_some());
}

/// A container whose description was changed still belongs to its customer, and is removed at its
/// end.
#[tokio::test]
async fn notes_hide_no_container() {
    let app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 60).await;
    let own = notes(&app, customer.ctid).trim_end().to_owned();
    let filler = "do not touch {this} ".repeat(190);
    let elsewhere = own.replace(&app.app.installation.id, "another");
    let of_another_lease = own.replace(customer.lease_id.as_str(), "lease-0000000000000000");
    for text in [
        format!("A note above.\n\n{own}"),
        format!("{own} and one behind"),
        format!("{filler}{own}{filler}"),
        format!("{elsewhere}\n{own}"),
        format!("{of_another_lease}\n{own}\n{elsewhere}"),
        // The description was overwritten; the hardware address still identifies the container.
        String::new(),
        "mine now".to_owned(),
        "x".repeat(8192),
        elsewhere,
        of_another_lease,
    ] {
        app.sim.set_description(customer.ctid, &text);
        app.clock.advance(LATER);
        let ran = customer.exec(&app).await;
        assert_eq!(ran.status, 200, "{text}: {:?}", ran.body);
        if text.len() < 8000 {
            assert!(notes(&app, customer.ctid).contains(&own), "{text}");
            assert!(notes(&app, customer.ctid).contains(text.trim()), "{text}");
        }
        let found = compare(&app).await;
        assert_eq!((found.lost, found.removed), (vec![], vec![]), "{text}");
    }
    app.sim.set_description(customer.ctid, "overwritten again");
    customer.ends(&app).await;
}

/// A lease of a release that did not store the hardware address: without a marker, its container
/// cannot be identified.
#[tokio::test]
async fn a_container_that_cannot_be_identified_is_left_alone_until_its_marker_is_back() {
    let app = TestApp::with(&[("PVE_BRIDGE", "none")]).await;
    let customer = Customer::of(&app, 1, 30).await;
    let own = notes(&app, customer.ctid);
    app.sim.set_description(customer.ctid, "mine now");
    app.clock.advance(LATER);
    customer
        .is_refused(&app, 503, "hypervisor_unavailable", true)
        .await;
    app.clock.advance(Duration::from_secs(31 * 60));
    until("the end to be tried", async || {
        app.clock.advance(Duration::from_secs(10));
        (customer.state(&app).await == "expiring").then_some(())
    })
    .await;
    compare(&app).await;
    app.clock.advance(Duration::from_secs(100 * 3600));
    let found = compare(&app).await;
    assert_eq!((found.lost, found.removed), (vec![], vec![]));
    assert!(customer.runs(&app), "nobody stopped what may be another's");
    assert_eq!(customer.state(&app).await, "expiring");
    app.sim.set_description(customer.ctid, &own);
    customer.ends(&app).await;
}

#[tokio::test]
async fn a_container_in_the_place_of_a_leased_one_is_no_customers() {
    let app = TestApp::start().await;
    let customer = Customer::of(&app, 1, 60).await;
    let backup = app.sim.backup(customer.ctid);
    app.sim.remove_container(customer.ctid);
    app.sim.put_foreign_container(customer.ctid, "accounting");
    app.sim.set_pool(customer.ctid, POOL);
    app.clock.advance(LATER);
    app.sim.clear_requests();
    customer.is_refused(&app, 410, "lease_ended", false).await;
    for action in ["stop", "start"] {
        let refused = customer.switch(&app, action).await;
        assert_eq!(refused.status, 410, "{action}: {:?}", refused.body);
    }
    let view = customer.view(&app).await;
    assert_eq!(
        view["liveStatus"], "missing",
        "nothing of the other container is shown"
    );
    // The number is used by another container once more: the customer's own is restored from a
    // backup.
    app.sim.remove_container(customer.ctid);
    app.sim.restore(&backup, customer.ctid, POOL);
    app.clock.advance(LATER);
    let started = customer.switch(&app, "start").await;
    assert_eq!(started.status, 200, "{:?}", started.body);
    customer.is_served(&app).await;
    // It is replaced for good.
    app.sim.remove_container(customer.ctid);
    app.sim.put_foreign_container(customer.ctid, "accounting");
    app.sim.set_pool(customer.ctid, POOL);
    app.clock.advance(LATER);
    customer.is_refused(&app, 410, "lease_ended", false).await;
    app.clock.advance(Duration::from_secs(601));
    assert_eq!(compare(&app).await.lost, [customer.lease_id.as_str()]);
    assert_eq!(customer.state(&app).await, "destroyed");
    let accounting = app.sim.container(customer.ctid).unwrap();
    assert_eq!(
        (accounting.status.as_str(), accounting.hostname.as_str()),
        ("running", "accounting")
    );
    assert_eq!(app.sim.request_count("DELETE", "/lxc/"), 0);
}

/// A clone has another hardware address and its original's marker. An administrator who puts it
/// under the original's number wants it to be the lease's container.
#[tokio::test]
async fn a_clone_that_takes_its_originals_number_becomes_the_leases_container() {
    let app = cluster(&[]).await;
    let customer = Customer::of(&app, 1, 30).await;
    app.sim.clone_container(customer.ctid, 40_900, POOL);
    // The original gets another number, and the clone takes its place.
    app.sim.remove_container(customer.ctid);
    app.sim.renumber(40_900, customer.ctid);
    app.sim.set_pool(customer.ctid, POOL);
    app.clock.advance(LATER);
    let started = customer.switch(&app, "start").await;
    assert_eq!(started.status, 200, "{:?}", started.body);
}

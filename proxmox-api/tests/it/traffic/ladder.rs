//! The measures that are taken when the included traffic is used up, and how they are undone.

use std::time::Duration;

use pve_sim::{Fault, FaultKind, Operation};
use service::clock::Clock as _;

use super::*;
use crate::support::until;

#[tokio::test]
async fn used_up_traffic_is_slowed_then_cut_off_and_a_renewal_undoes_both() {
    let app = stingy().await;
    let tenant = tenant(&app, 1).await;
    let (before, mac) = (tenant.net0(&app), tenant.part(&app, "hwaddr"));
    tenant.sends(&app, GIB - 10 * BY_ITSELF).await;
    assert_eq!(
        (tenant.net0(&app), tenant.notice(&app).await),
        (before.clone(), String::new())
    );

    tenant.sends(&app, 10 * BY_ITSELF).await;
    assert_eq!(tenant.step(&app).await, "slowed");
    assert_eq!(
        tenant.part(&app, "rate").as_deref(),
        Some("0.11920928955078125"),
        "1 Mbit/s"
    );
    assert_eq!(
        tenant.part(&app, "hwaddr"),
        mac,
        "another one ends every connection"
    );
    assert_eq!(tenant.part(&app, "link_down"), None);
    assert_eq!(
        tenant.notice(&app).await,
        "The container has sent more than the 1.0 GiB that are included, so its network is \
         slowed to 1 Mbit/s. A renewal for 1 minutes or more gives it back its full speed."
    );

    tenant.sends(&app, GIB).await;
    assert_eq!(tenant.step(&app).await, "cut");
    assert_eq!(tenant.part(&app, "link_down").as_deref(), Some("1"));
    assert_eq!(tenant.part(&app, "hwaddr"), mac);
    assert!(tenant.notice(&app).await.contains("cut off"));
    assert!(!app.sim.add_traffic(tenant.ctid, 1, 1), "its cable is out");
    assert_eq!(
        app.sim.container(tenant.ctid).unwrap().status,
        "running",
        "never stopped"
    );
    let steps = [metric(&app, "leases_by_traffic_step{step=\"cut\"}").await];
    assert_eq!(steps, [Some(1.0)]);

    tenant.renew(&app, 60).await;
    assert_eq!(
        tenant.step(&app).await,
        "slowed",
        "2 GiB are included, and used up"
    );
    assert_eq!(tenant.part(&app, "link_down"), None);
    tenant.renew(&app, 60).await;
    assert_eq!(tenant.step(&app).await, "full");
    assert_eq!(tenant.net0(&app), before, "as it was made");
    assert_eq!(tenant.notice(&app).await, "");
    compare(&app).await;
    let trail = [
        "traffic_slowed",
        "traffic_cut",
        "traffic_slowed",
        "traffic_restored",
    ];
    assert_eq!(tenant.trail(&app).await, trail);
    assert_eq!(tenant.usage(&app).await["traffic"]["included"], 3 * GIB);
}

#[tokio::test]
async fn a_step_that_cannot_be_taken_now_is_taken_later_and_once() {
    let app = stingy().await;
    let tenant = tenant(&app, 1).await;
    app.sim.set_lock(tenant.ctid, Some("backup"));
    tenant.sends(&app, GIB).await;
    assert_eq!(
        (
            tenant.step(&app).await.as_str(),
            tenant.part(&app, "rate").as_deref() == Some("0.11920928955078125")
        ),
        ("full", false)
    );
    app.sim.set_lock(tenant.ctid, None);
    for away in [FaultKind::Unreachable595, FaultKind::LockTimeout] {
        app.sim
            .faults()
            .inject(Fault::once(Operation::UpdateConfig, away));
        compare(&app).await;
        assert_eq!(tenant.step(&app).await, "full");
    }
    // Proxmox executes the change and its answer is lost, as if the service had crashed before
    // storing it.
    let lost = Fault::once(Operation::UpdateConfig, FaultKind::DropAfter);
    app.sim.faults().inject(lost);
    compare(&app).await;
    assert_eq!(
        tenant.part(&app, "rate").as_deref(),
        Some("0.11920928955078125")
    );
    assert_eq!(tenant.trail(&app).await, [""; 0]);
    compare(&app).await;
    compare(&app).await;
    assert_eq!(tenant.trail(&app).await, ["traffic_slowed"]);
    tenant.renew(&app, 60).await;
    let made = tenant.part(&app, "rate").unwrap();
    assert_eq!(made, "11.920928955078125", "100 Mbit/s for its one core");
}

/// The operator removes the security group while a container is cut off.
#[tokio::test]
async fn a_link_that_was_cut_off_comes_up_behind_a_fence_only() {
    let app = cluster(&[
        ("TRAFFIC_GIB_PER_HOUR", "1"),
        ("PVE_NETWORK", "10.64.0.0/28"),
    ])
    .await;
    app.sim.set_firewall(true);
    app.sim.add_security_group("infra402");
    let tenant = tenant(&app, 1).await;
    app.clock.advance(Duration::from_secs(13));
    until("the link to be up", async || {
        tenant.part(&app, "link_down").is_none().then_some(())
    })
    .await;
    tenant.sends(&app, 3 * GIB).await;
    assert_eq!(tenant.step(&app).await, "cut");
    app.sim.remove_security_group("infra402");
    app.clock.advance(Duration::from_secs(11));
    tenant.renew(&app, 240).await;
    compare(&app).await;
    assert_eq!(tenant.part(&app, "link_down").as_deref(), Some("1"));
    app.sim.add_security_group("infra402");
    app.clock.advance(Duration::from_secs(11));
    compare(&app).await;
    assert_eq!(tenant.part(&app, "link_down"), None);
}

#[tokio::test]
async fn an_administrators_own_limit_is_never_raised() {
    let app = stingy().await;
    let tenant = tenant(&app, 1).await;
    let made = tenant.part(&app, "rate").unwrap();
    let own = tenant
        .net0(&app)
        .replace(&format!("rate={made}"), "rate=0.05");
    app.sim.set_config(tenant.ctid, "net0", json!(own));
    tenant.sends(&app, GIB).await;
    assert_eq!(tenant.step(&app).await, "slowed");
    assert_eq!(tenant.part(&app, "rate").as_deref(), Some("0.05"));
    tenant.sends(&app, GIB).await;
    assert_eq!(tenant.part(&app, "link_down").as_deref(), Some("1"));
    tenant.renew(&app, 120).await;
    assert_eq!(tenant.step(&app).await, "full");
    assert_eq!(tenant.part(&app, "rate").as_deref(), Some("0.05"));
    assert_eq!(tenant.part(&app, "link_down"), None);
}

#[tokio::test]
async fn a_link_that_is_cut_off_is_not_put_up_for_the_firewall() {
    let network = ("PVE_NETWORK", "10.64.0.0/28");
    let app = cluster(&[("TRAFFIC_GIB_PER_HOUR", "1"), network]).await;
    app.sim.set_firewall(true);
    app.sim.add_security_group("infra402");
    let tenant = tenant(&app, 1).await;
    let store = &app.app.store;
    let waits = async || {
        store
            .traffic(&tenant.lease_id)
            .await
            .unwrap()
            .unwrap()
            .waits_for_firewall
    };
    let settled = async || {
        until("the firewall to know its rules", async || {
            app.clock.advance(Duration::from_secs(5));
            (!waits().await).then_some(())
        })
        .await;
    };
    settled().await;
    assert_eq!(tenant.part(&app, "link_down"), None);
    tenant.sends(&app, 2 * GIB).await;
    assert_eq!(tenant.part(&app, "link_down").as_deref(), Some("1"));
    // As if the container had been cut off while its link waits.
    let soon = i64::try_from(app.clock.unix_seconds()).unwrap() + 5;
    store.keep_link_down(&tenant.lease_id, soon).await.unwrap();
    app.app.deadlines_moved.notify_one();
    settled().await;
    assert_eq!(
        tenant.part(&app, "link_down").as_deref(),
        Some("1"),
        "it stays cut off"
    );
    tenant.renew(&app, 120).await;
    assert_eq!(tenant.step(&app).await, "full");
    assert_eq!(tenant.part(&app, "link_down"), None);
}

#[tokio::test]
async fn an_administrators_own_link_stays_down() {
    let app = stingy().await;
    let tenant = tenant(&app, 1).await;
    assert!(app.sim.add_traffic(tenant.ctid, 0, 2 * GIB));
    let down = format!("{},link_down=1", tenant.net0(&app));
    app.sim.set_config(tenant.ctid, "net0", json!(down));
    compare(&app).await;
    assert_eq!(tenant.step(&app).await, "cut");
    tenant.renew(&app, 180).await;
    assert_eq!(tenant.step(&app).await, "full");
    assert_eq!(
        tenant.part(&app, "link_down").as_deref(),
        Some("1"),
        "not ours to put up"
    );
}

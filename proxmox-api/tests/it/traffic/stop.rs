//! The last measure: a container that runs for hours after it was cut off is stopped, and a renewal
//! that includes enough starts it again.

use std::time::Duration;

use pve_sim::{Fault, FaultKind, Operation};

use super::*;

/// A service that includes one GiB per hour, and stops a container after it was cut off for two
/// hours.
async fn strict() -> TestApp {
    cluster(&[("TRAFFIC_GIB_PER_HOUR", "1"), ("TRAFFIC_STOP_HOURS", "2")]).await
}

/// A tenant for half a day whose container is cut off.
async fn cut_off(app: &TestApp) -> Tenant {
    let tenant = tenant(app, 1).await;
    tenant.renew(app, 660).await;
    tenant.sends(app, 24 * GIB).await;
    assert_eq!(tenant.step(app).await, "cut");
    tenant
}

/// Advances the clock by minutes, with a check at the end of each.
async fn minutes(app: &TestApp, number: u32) {
    for _ in 0..number {
        let minute = Duration::from_secs(60);
        app.sim.advance_clock(minute);
        app.clock.advance(minute);
        compare(app).await;
    }
}

fn status(app: &TestApp, tenant: &Tenant) -> String {
    app.sim.container(tenant.ctid).unwrap().status
}

impl Tenant {
    async fn starts(&self, app: &TestApp) -> Answer {
        let path = format!("/lease/{}/start", self.ctid);
        self.session.call(app, Method::POST, &path).await
    }
}

#[tokio::test]
async fn what_runs_on_without_a_network_is_stopped_and_a_renewal_starts_it_again() {
    let app = strict().await;
    let tenant = cut_off(&app).await;
    let before = tenant.net0(&app);
    minutes(&app, 119).await;
    assert_eq!(status(&app, &tenant), "running");
    minutes(&app, 1).await;
    assert_eq!(status(&app, &tenant), "stopped");
    assert_eq!(tenant.step(&app).await, "stopped");
    assert_eq!(tenant.net0(&app), before, "still cut off");
    let notice = "The container has sent more than twice the 12.0 GiB that are included, and ran on \
                  for 2 hours without a network, so it is stopped; its files are kept. A renewal for \
                  721 minutes or more gives it back its full speed, for 1 or more 1 Mbit/s.";
    assert_eq!(tenant.notice(&app).await, notice);

    // Only a renewal that includes enough undoes it; neither its owner's start nor its node's boot
    // does.
    let refused = tenant.starts(&app).await;
    assert_eq!(refusal(&refused), (409, "lease_conflict"));
    assert_eq!(refused.body["error"]["message"], notice);
    minutes(&app, 10).await;
    assert_eq!(status(&app, &tenant), "stopped");
    assert_eq!(tenant.trail(&app).await, ["traffic_cut", "traffic_stopped"]);

    tenant.renew(&app, 60).await;
    assert_eq!(status(&app, &tenant), "running");
    assert_eq!(tenant.step(&app).await, "slowed");
    assert_eq!(tenant.part(&app, "link_down"), None);
    let trail = ["traffic_cut", "traffic_stopped", "traffic_slowed"];
    assert_eq!(tenant.trail(&app).await, trail);
    assert_eq!(tenant.starts(&app).await.status, 200);
}

#[tokio::test]
async fn a_renewal_that_includes_too_little_says_that_the_container_stays_stopped() {
    let app = strict().await;
    let tenant = tenant(&app, 1).await;
    tenant.renew(&app, 600).await;
    tenant.sends(&app, 30 * GIB).await;
    minutes(&app, 121).await;
    assert_eq!(status(&app, &tenant), "stopped");
    let renewed = tenant.buyer.renew(&app, tenant.ctid, 60).await;
    assert_eq!(renewed.status, 200, "{:?}", renewed.body);
    let message = renewed.body["message"].as_str().unwrap();
    assert!(message.contains("60 minutes more. The container has sent"));
    assert!(message.contains("so it is stopped"), "{message}");
    assert_eq!(status(&app, &tenant), "stopped");
}

#[tokio::test]
async fn nothing_is_stopped_while_nobody_looks_or_its_owner_has_it_off_or_the_operator_wants_none()
{
    let app = strict().await;
    let tenant = cut_off(&app).await;
    // A day in which the service was down, or its clock jumped.
    let hours = Duration::from_secs(5 * 3600);
    app.sim.advance_clock(hours);
    app.clock.advance(hours);
    compare(&app).await;
    assert_eq!(status(&app, &tenant), "running");
    tenant.switch(&app, "stop").await;
    minutes(&app, 130).await;
    assert_eq!(tenant.step(&app).await, "cut");
    assert_eq!(tenant.starts(&app).await.status, 200);

    let app = cluster(&[("TRAFFIC_GIB_PER_HOUR", "1"), ("TRAFFIC_STOP_HOURS", "0")]).await;
    let tenant = cut_off(&app).await;
    minutes(&app, 200).await;
    assert_eq!(status(&app, &tenant), "running");
    assert_eq!(tenant.step(&app).await, "cut");
}

#[tokio::test]
async fn a_stop_that_fails_is_tried_again_and_written_down_once() {
    let app = strict().await;
    let tenant = cut_off(&app).await;
    minutes(&app, 118).await;
    app.sim.set_lock(tenant.ctid, Some("backup"));
    minutes(&app, 5).await;
    assert_eq!(tenant.step(&app).await, "cut");
    assert_eq!(status(&app, &tenant), "running");
    app.sim.set_lock(tenant.ctid, None);
    let away = Fault::once(Operation::Shutdown, FaultKind::Unreachable595);
    app.sim.faults().inject(away);
    minutes(&app, 1).await;
    assert_eq!(tenant.step(&app).await, "cut");
    minutes(&app, 3).await;
    assert_eq!(status(&app, &tenant), "stopped");
    assert_eq!(tenant.trail(&app).await, ["traffic_cut", "traffic_stopped"]);
}

/// The customer can still save files: commands run without a network.
#[tokio::test]
async fn a_container_that_is_cut_off_still_runs_commands() {
    let app = strict().await;
    let tenant = cut_off(&app).await;
    let path = format!("/management/exec/{}", tenant.ctid);
    let body = json!({"command": "echo here"});
    let run = tenant
        .buyer
        .pay(&app, Method::POST, &path, Some(body))
        .await;
    assert_eq!(run.status, 200, "{:?}", run.body);
    assert!(run.body.to_string().contains("here"), "{:?}", run.body);
}

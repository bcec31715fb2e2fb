//! An owner stops and starts the container of a running lease.

use std::time::Duration;

use proxmox_api::ids::LeaseId;
use pve_sim::{Fault, FaultKind, Operation, Sim, SimConfig};
use reqwest::Method;
use serde_json::{Value, json};

use crate::guest::plain_shell;
use crate::{
    buyer::{Answer, Buyer, SignedIn, call},
    support::{TestApp, task_runs, until},
};

struct Owner {
    buyer: Buyer,
    session: SignedIn,
    ctid: u32,
    lease_id: LeaseId,
}

impl Owner {
    async fn of_a_lease(app: &TestApp, number: u64, minutes: u32) -> Self {
        let buyer = Buyer::funded(app, number).await;
        let session = buyer.sign_in(app).await;
        let body = json!({"runtimeMinutes": minutes, "diskGB": 2, "hostname": "box"});
        let leased = buyer.lease(app, body).await;
        assert_eq!(leased.status, 200, "{:?}", leased.body);
        Self {
            ctid: u32::try_from(leased.body["ctid"].as_u64().unwrap()).unwrap(),
            lease_id: leased.body["leaseId"].as_str().unwrap().into(),
            buyer,
            session,
        }
    }

    async fn switch(&self, app: &TestApp, action: &str) -> Answer {
        let path = format!("/lease/{}/{action}", self.ctid);
        self.session.call(app, Method::POST, &path).await
    }

    fn runs(&self, app: &TestApp) -> bool {
        app.sim.container(self.ctid).unwrap().status == "running"
    }
}

fn refusal(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.code())
}

fn states(answer: &Answer) -> (u16, &Value, &Value) {
    (
        answer.status.as_u16(),
        &answer.body["status"],
        &answer.body["liveStatus"],
    )
}

#[tokio::test]
async fn a_container_is_stopped_and_started_and_asking_twice_changes_nothing() {
    let app = TestApp::start().await;
    let owner = Owner::of_a_lease(&app, 1, 30).await;
    let (active, stopped, running) = (json!("active"), json!("stopped"), json!("running"));
    for _ in 0..2 {
        let answer = owner.switch(&app, "stop").await;
        assert_eq!(states(&answer), (200, &active, &stopped));
        assert_eq!(answer.body["leaseId"], json!(owner.lease_id));
        assert!(!owner.runs(&app));
    }
    assert_eq!(app.sim.request_count("POST", "/status/shutdown"), 1);

    // Nothing is charged for a command that cannot run, and the answer says what to do.
    let path = format!("/management/exec/{}", owner.ctid);
    let body = json!({"command": "true"});
    let before = owner.session.get(&app, "/payments").await.body;
    let refused = owner.buyer.pay(&app, Method::POST, &path, Some(body)).await;
    assert_eq!(refusal(&refused), (409, "lease_conflict"));
    let advice = refused.body["error"]["nextActions"].to_string();
    assert!(advice.contains("/start"), "{advice}");
    let settled = |payments: &Value| {
        let payments = payments["payments"].as_array().unwrap();
        payments
            .iter()
            .filter(|payment| payment["state"] == "settled")
            .count()
    };
    let after = owner.session.get(&app, "/payments").await.body;
    assert_eq!(settled(&before), settled(&after));

    let starts = app.sim.request_count("POST", "/status/start");
    for _ in 0..2 {
        let answer = owner.switch(&app, "start").await;
        assert_eq!(states(&answer), (200, &active, &running));
        assert!(owner.runs(&app));
    }
    assert_eq!(app.sim.request_count("POST", "/status/start"), starts + 1);
}

#[tokio::test]
async fn only_the_owner_of_the_lease_that_is_meant_may_switch_it() {
    let app = TestApp::start().await;
    let owner = Owner::of_a_lease(&app, 1, 30).await;
    let stranger = Buyer::funded(&app, 2).await.sign_in(&app).await;
    for action in ["stop", "start"] {
        let path = format!("/lease/{}/{action}", owner.ctid);
        let nobody = call(&app, &Method::POST, &path, None, &[]).await;
        assert_eq!(refusal(&nobody), (401, "unauthorized"));
        let foreign = stranger.call(&app, Method::POST, &path).await;
        assert_eq!(refusal(&foreign), (403, "forbidden"));
        for (path, expected) in [
            (format!("/lease/40999/{action}"), (404, "lease_not_found")),
            (format!("/lease/7/{action}"), (400, "invalid_request")),
            (format!("{path}?leaseId=other"), (404, "lease_not_found")),
            (format!("{path}?colour=red"), (400, "invalid_request")),
        ] {
            let answer = owner.session.call(&app, Method::POST, &path).await;
            assert_eq!(refusal(&answer), expected, "{path}");
        }
    }
    assert!(owner.runs(&app), "nothing happened to it");
    let meant = format!("/lease/{}/stop?leaseId={}", owner.ctid, owner.lease_id);
    let stopped = owner.session.call(&app, Method::POST, &meant).await;
    assert_eq!(stopped.status, 200);

    let path = format!("/lease/{}", owner.ctid);
    let ended = owner.session.call(&app, Method::DELETE, &path).await;
    assert_eq!(ended.status, 200);
    assert_eq!(
        refusal(&owner.switch(&app, "start").await),
        (410, "lease_ended")
    );
}

#[tokio::test]
async fn a_start_is_no_way_around_a_renewal() {
    let app = TestApp::start().await;
    let owner = Owner::of_a_lease(&app, 1, 1).await;
    assert_eq!(owner.switch(&app, "stop").await.status, 200);
    app.clock.advance(Duration::from_secs(61));
    let refused = owner.switch(&app, "start").await;
    assert_eq!(refusal(&refused), (409, "lease_conflict"));
    let path = format!("/leases/{}", owner.lease_id);
    until("the lease to be over", async || {
        let lease = owner.session.get(&app, &path).await;
        (lease.body["status"] == "stopped").then_some(())
    })
    .await;
    let refused = owner.switch(&app, "start").await;
    assert_eq!(refusal(&refused), (409, "lease_conflict"));
    assert!(!owner.runs(&app));

    let renewed = owner.buyer.renew(&app, owner.ctid, 5).await;
    assert_eq!(renewed.status, 200, "{:?}", renewed.body);
    assert!(owner.runs(&app), "a renewal starts what was stopped");
}

#[tokio::test]
async fn a_container_that_does_not_listen_is_stopped_all_the_same() {
    let app = TestApp::start().await;
    let owner = Owner::of_a_lease(&app, 1, 30).await;
    app.sim.ignore_shutdown(owner.ctid);
    assert_eq!(owner.switch(&app, "stop").await.status, 200);
    assert!(!owner.runs(&app));
}

#[tokio::test]
async fn what_proxmox_cannot_do_now_is_said_and_can_be_asked_again() {
    let app = TestApp::start().await;
    let owner = Owner::of_a_lease(&app, 1, 30).await;
    let fault = |operation, kind| app.sim.faults().inject(Fault::once(operation, kind));
    app.sim.set_lock(owner.ctid, Some("backup"));
    let locked = owner.switch(&app, "stop").await;
    assert_eq!(refusal(&locked), (409, "lease_conflict"));
    assert_eq!(locked.body["error"]["retryable"], true);
    app.sim.set_lock(owner.ctid, None);

    fault(Operation::Any, FaultKind::Unreachable595);
    let away = owner.switch(&app, "stop").await;
    assert_eq!(refusal(&away), (503, "hypervisor_unavailable"));
    assert!(owner.runs(&app));
    assert_eq!(owner.switch(&app, "stop").await.status, 200);

    fault(
        Operation::Start,
        FaultKind::TaskFailure("no such bridge".into()),
    );
    let failed = owner.switch(&app, "start").await;
    assert_eq!(refusal(&failed), (502, "provisioning_failed"));
    let said = failed.body.to_string();
    assert!(
        !said.contains("bridge") && !said.contains("charged"),
        "{said}"
    );
    assert_eq!(owner.switch(&app, "start").await.status, 200);
    assert!(owner.runs(&app));
}

#[tokio::test]
async fn opposite_wishes_at_once_are_done_one_after_the_other() {
    let app = TestApp::start().await;
    let owner = Owner::of_a_lease(&app, 1, 30).await;
    let (stop, start, again) = tokio::join!(
        owner.switch(&app, "stop"),
        owner.switch(&app, "start"),
        owner.switch(&app, "stop")
    );
    for answer in [&stop, &start, &again] {
        assert_eq!(answer.status, 200, "{:?}", answer.body);
    }
    let path = format!("/leases/{}", owner.lease_id);
    let seen = owner.session.get(&app, &path).await;
    let state = if owner.runs(&app) {
        "running"
    } else {
        "stopped"
    };
    assert_eq!(seen.body["liveStatus"], state);
}

#[tokio::test]
async fn a_cluster_whose_list_lags_does_not_contradict_what_was_just_done() {
    let sim = SimConfig {
        time_scale: 0.002,
        shell: plain_shell(),
        // Longer than this test runs.
        resource_lag: Duration::from_secs(60_000),
        ..SimConfig::default()
    };
    let app = TestApp::on(Sim::start(sim).await.unwrap(), &[("PVE_NODE", "")]).await;
    let owner = Owner::of_a_lease(&app, 1, 30).await;
    for (action, state) in [
        ("stop", "stopped"),
        ("start", "running"),
        ("stop", "stopped"),
    ] {
        let answer = owner.switch(&app, action).await;
        assert_eq!(answer.body["liveStatus"], state, "{action}");
        let list = owner.session.get(&app, "/leases").await;
        assert_eq!(list.body["leases"][0]["liveStatus"], state, "{action}");
    }
}

#[tokio::test]
async fn a_stop_whose_answer_proxmox_loses_is_asked_for_again() {
    let app = TestApp::start().await;
    let owner = Owner::of_a_lease(&app, 1, 30).await;
    let lost = Fault::once(Operation::Shutdown, FaultKind::Answer596After);
    app.sim.faults().inject(lost);
    let first = owner.switch(&app, "stop").await;
    if first.status != 200 {
        assert_eq!(first.body["error"]["retryable"], true, "{:?}", first.body);
    }
    until("a repeated wish to be done", async || {
        (owner.switch(&app, "stop").await.status == 200).then_some(())
    })
    .await;
    assert!(!owner.runs(&app));
}

#[tokio::test]
async fn an_owner_who_hangs_up_has_stopped_it_all_the_same() {
    let app = TestApp::start().await;
    let owner = Owner::of_a_lease(&app, 1, 30).await;
    let slow = FaultKind::SlowTask(Duration::from_millis(800));
    app.sim
        .faults()
        .inject(Fault::once(Operation::Shutdown, slow));
    tokio::select! {
        answer = owner.switch(&app, "stop") => panic!("it is answered: {:?}", answer.body),
        () = task_runs(&app, "vzshutdown") => {}
    }
    until("the container to be stopped", async || {
        (!owner.runs(&app)).then_some(())
    })
    .await;
    let path = format!("/leases/{}", owner.lease_id);
    let lease = owner.session.get(&app, &path).await;
    assert_eq!(lease.body["status"], "active");
    assert_eq!(lease.body["liveStatus"], "stopped");
}

//! A Proxmox that fails, loses answers or sends malformed ones while a lease is made.

use std::time::Duration;

use futures_util::future::join_all;
use proxmox_api::memory::alarms::Trouble;
use pve_sim::{Fault, FaultKind, Operation};
use reqwest::Method;
use serde_json::json;

use crate::{
    buyer::{Answer, Buyer, call},
    support::{TestApp, task_runs, until},
};

async fn assert_nothing_happened(app: &TestApp, buyer: &Buyer, before: u64, answer: &Answer) {
    assert!(
        matches!(answer.status.as_u16(), 502..=504),
        "{} {:?}",
        answer.status,
        answer.body
    );
    let text = answer.body.to_string();
    assert!(
        !text.contains("nginx") && !text.contains("127.0.0.1"),
        "{text}"
    );
    assert_eq!(app.balance(buyer.wallet()).await, before);
    assert_eq!(app.faults.settlements_asked(), 0);
    until("nothing to be left on Proxmox", async || {
        app.sim.containers().is_empty().then_some(())
    })
    .await;
}

/// With this fault nothing is charged and nothing is left; without it the same signed payment
/// leases the same number.
async fn fails_cleanly(fault: Fault) {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let before = app.balance(buyer.wallet()).await;
    let body = json!({"runtimeMinutes": 30});
    let signed = buyer
        .sign(&app, Method::POST, "/lease/container", Some(body))
        .await;
    app.sim.faults().inject(fault.clone());
    let answer = signed.send(&app).await;
    assert!(app.sim.faults().hits() > 0, "{fault:?} hit nothing");
    app.sim.faults().clear();
    assert_nothing_happened(&app, &buyer, before, &answer).await;
    let leased = signed.send(&app).await;
    assert_eq!(leased.status, 200, "after {fault:?}: {:?}", leased.body);
    assert_eq!(app.sim.containers().len(), 1);
}

#[tokio::test]
async fn a_create_task_that_fails() {
    fails_cleanly(Fault::always(
        Operation::Create,
        FaultKind::TaskFailure("unable to create CT: no".into()),
    ))
    .await;
}

/// No request of the API removes such a lock: the operator has to, and until then the number is not
/// used.
#[tokio::test]
async fn a_create_task_that_leaves_its_lock_behind() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let before = app.balance(buyer.wallet()).await;
    app.sim.faults().inject(Fault::once(
        Operation::Create,
        FaultKind::TaskUnexpectedStatus,
    ));
    let failed = buyer.lease(&app, json!({"runtimeMinutes": 30})).await;
    assert_eq!(
        (failed.status.as_u16(), failed.code()),
        (502, "provisioning_failed")
    );
    assert_eq!(app.balance(buyer.wallet()).await, before);
    let leased = buyer.lease(&app, json!({"runtimeMinutes": 30})).await;
    assert_eq!(leased.status, 200, "{:?}", leased.body);
    assert_eq!(leased.body["ctid"], 40201);
}

#[tokio::test]
async fn a_storage_that_is_full() {
    fails_cleanly(Fault::always(Operation::Create, FaultKind::StorageFull)).await;
}

#[tokio::test]
async fn a_start_task_that_fails() {
    fails_cleanly(Fault::always(
        Operation::Start,
        FaultKind::TaskFailure("startup failed".into()),
    ))
    .await;
}

#[tokio::test]
async fn a_node_that_is_unreachable() {
    fails_cleanly(Fault::always(Operation::Create, FaultKind::Unreachable595)).await;
}

#[tokio::test]
async fn an_expired_token() {
    fails_cleanly(Fault::always(Operation::Create, FaultKind::ExpiredToken)).await;
}

#[tokio::test]
async fn a_proxy_that_answers_html() {
    fails_cleanly(Fault::always(Operation::Start, FaultKind::Html502)).await;
}

/// These requests are executed before the answer is lost: there is one container or none, and it is
/// paid if and only if it exists.
async fn lost_answers(on: Operation, kind: FaultKind) {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let before = app.balance(buyer.wallet()).await;
    app.sim
        .faults()
        .inject(Fault::once(on.clone(), kind.clone()));
    let answer = buyer.lease(&app, json!({"runtimeMinutes": 30})).await;
    assert!(app.sim.faults().hits() > 0, "{on:?} {kind:?} hit nothing");
    if answer.status == 200 {
        let containers = app.sim.containers();
        assert_eq!(containers.len(), 1, "{on:?} {kind:?}");
        assert_eq!(containers[0].status, "running", "{on:?} {kind:?}");
        assert!(app.balance(buyer.wallet()).await < before);
    } else {
        assert_nothing_happened(&app, &buyer, before, &answer).await;
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_after_executing_makes_one_container_not_two() {
    for kind in [FaultKind::Answer596After, FaultKind::DropAfter] {
        let app = TestApp::start().await;
        let buyer = Buyer::funded(&app, 1).await;
        app.sim
            .faults()
            .inject(Fault::once(Operation::Create, kind.clone()));
        let leased = buyer.lease(&app, json!({"runtimeMinutes": 30})).await;
        assert_eq!(leased.status, 200, "{kind:?}: {:?}", leased.body);
        assert_eq!(app.sim.faults().hits(), 1);
        assert_eq!(app.sim.containers().len(), 1, "{kind:?}");
        assert_eq!(app.sim.containers()[0].status, "running");
    }
}

#[tokio::test]
async fn answers_that_are_nonsense_charge_for_a_machine_or_not_at_all() {
    for on in [Operation::Create, Operation::Start, Operation::TaskStatus] {
        for kind in [
            FaultKind::EmptyBody,
            FaultKind::TruncatedBody,
            FaultKind::Html502,
            FaultKind::Late(Duration::from_millis(300)),
        ] {
            lost_answers(on.clone(), kind).await;
        }
    }
}

#[tokio::test]
async fn an_answer_of_64_mib_is_not_read_to_its_end() {
    lost_answers(Operation::TaskStatus, FaultKind::HugeBody).await;
}

#[tokio::test]
async fn a_host_that_hangs_keeps_nobody_from_the_prices() {
    let app = TestApp::start().await;
    let late = FaultKind::Late(Duration::from_secs(30));
    app.sim.faults().inject(Fault::always(Operation::Any, late));
    let begin = std::time::Instant::now();
    let catalog = call(&app, &Method::GET, "/catalog", None, &[]).await;
    assert!(begin.elapsed() < Duration::from_secs(8), "waited for once");
    assert_eq!(catalog.status, 200);
    assert_eq!(catalog.body["templates"], json!([]));
    assert!(catalog.body["rates"].is_object());
    assert!(catalog.body.get("capacityLeft").is_none());
}

#[tokio::test]
async fn a_task_with_warnings_is_a_success() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    app.sim
        .faults()
        .inject(Fault::once(Operation::Create, FaultKind::Warnings));
    let leased = buyer.lease(&app, json!({"runtimeMinutes": 30})).await;
    assert_eq!(leased.status, 200, "{:?}", leased.body);
}

#[tokio::test]
async fn a_number_that_somebody_takes_first_is_left_to_them() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    app.sim
        .faults()
        .inject(Fault::times(Operation::Create, FaultKind::VmidTaken, 2));
    let leased = buyer.lease(&app, json!({"runtimeMinutes": 30})).await;
    assert_eq!(leased.status, 200, "{:?}", leased.body);
    assert_eq!(leased.body["ctid"], 40202);
    assert_eq!(app.sim.containers().len(), 3, "two foreign ones stay");
}

#[tokio::test]
async fn two_who_lease_at_once_get_a_number_each() {
    let app = TestApp::start().await;
    let (one, two) = (Buyer::funded(&app, 1).await, Buyer::funded(&app, 2).await);
    let body = json!({"runtimeMinutes": 30});
    let both = join_all([one.lease(&app, body.clone()), two.lease(&app, body)]).await;
    let mut numbers: Vec<_> = both
        .iter()
        .map(|leased| {
            assert_eq!(leased.status, 200, "{:?}", leased.body);
            leased.body["ctid"].as_u64().unwrap()
        })
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [40200, 40201]);
}

#[tokio::test]
async fn a_customer_who_hangs_up_has_the_lease_all_the_same() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let body = json!({"runtimeMinutes": 30});
    let signed = buyer
        .sign(&app, Method::POST, "/lease/container", Some(body))
        .await
        .with_key("asked-for-later-on");
    app.sim.faults().inject(Fault::once(
        Operation::Create,
        FaultKind::SlowTask(Duration::from_millis(500)),
    ));
    tokio::select! {
        answer = signed.send(&app) => panic!("it is answered: {:?}", answer.body),
        () = task_runs(&app, "vzcreate") => {}
    }
    let later = signed.send(&app).await;
    assert_eq!(later.status, 200, "{:?}", later.body);
    assert_eq!(app.sim.containers().len(), 1);
    assert_eq!(app.faults.settlements_asked(), 1);
}

#[tokio::test]
async fn a_container_of_someone_else_is_never_touched() {
    let app = TestApp::with(&[("LEASE_GRACE_MINUTES", "1")]).await;
    let buyer = Buyer::funded(&app, 1).await;
    let leased = buyer.lease(&app, json!({"runtimeMinutes": 5})).await;
    let ctid = u32::try_from(leased.body["ctid"].as_u64().unwrap()).unwrap();
    // The operator removed our container and used its number for another one.
    app.sim.kill_container(ctid);
    app.sim.remove_container(ctid);
    app.sim.put_foreign_container(ctid, "accounting");
    app.clock.advance(Duration::from_secs(7 * 60));
    let lease_id = leased.body["leaseId"].as_str().unwrap();
    until("the worker to have looked", async || {
        (app.app.alarms.of(&lease_id.into()) == Some(Trouble::Hidden)).then_some(())
    })
    .await;
    assert_eq!(app.sim.container(ctid).unwrap().hostname, "accounting");
    assert_eq!(app.sim.container(ctid).unwrap().status, "running");
}

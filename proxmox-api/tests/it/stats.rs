//! How busy the nodes and containers are, and who may see it.

use std::time::Instant;

use pve_sim::{Fault, FaultKind, Operation};
use reqwest::Method;
use serde_json::json;

use crate::{
    buyer::{Buyer, call},
    support::TestApp,
};

#[tokio::test]
async fn everybody_sees_how_busy_the_nodes_are() {
    let app = TestApp::start().await;
    let answer = call(&app, &Method::GET, "/stats/node", None, &[]).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let node = &answer.body["nodes"][0];
    assert_eq!(node["node"], app.sim.node());
    assert_eq!(node["online"], true);
    for figure in [
        "cores",
        "memoryTotal",
        "memoryUsed",
        "diskTotal",
        "uptimeSeconds",
    ] {
        assert!(node[figure].as_u64().unwrap() > 0, "{figure} in {node}");
    }
    assert!(node["cpu"].is_f64());
}

#[tokio::test]
async fn a_container_is_counted_for_everybody_and_shown_to_its_owner() {
    let app = TestApp::start().await;
    let buyer = Buyer::funded(&app, 1).await;
    let lease = buyer
        .lease(
            &app,
            json!({"runtimeMinutes": 30, "memoryMB": 256, "diskGB": 2, "hostname": "secret-name"}),
        )
        .await;
    assert_eq!(lease.status, 200, "{:?}", lease.body);
    let counts = json!({"total": 1, "running": 1, "containers": []});
    let anybody = call(&app, &Method::GET, "/stats/lxc", None, &[]).await;
    assert_eq!(anybody.body, counts);
    let stranger = Buyer::new(2).sign_in(&app).await;
    assert_eq!(stranger.get(&app, "/stats/lxc").await.body, counts);

    let owner = buyer.sign_in(&app).await;
    let seen = owner.get(&app, "/stats/lxc").await;
    let container = &seen.body["containers"][0];
    assert_eq!(container["ctid"], lease.body["ctid"]);
    assert_eq!(container["hostname"], "secret-name");
    assert_eq!(container["status"], "running");
    assert_eq!(container["memoryTotal"], 256 << 20);
    assert_eq!(container["diskTotal"], 2_u64 << 30);
}

#[tokio::test]
async fn a_crowd_that_polls_costs_proxmox_one_request() {
    let app = TestApp::start().await;
    let asked = || app.sim.request_count("GET", "/lxc");
    let before = asked();
    let poll = async || {
        call(&app, &Method::GET, "/stats/lxc", None, &[])
            .await
            .status
    };
    let begin = Instant::now();
    let all = futures_util::future::join_all((0..50).map(|_| poll())).await;
    assert!(all.iter().all(|status| *status == 200), "{all:?}");
    // An answer is cached for three seconds, and a busy machine may need longer for all of them.
    let most = 1 + begin.elapsed().as_secs() / 3;
    let requests = asked() - before;
    assert!(
        (1..=most).contains(&(requests as u64)),
        "{requests} of at most {most}"
    );
}

#[tokio::test]
async fn figures_that_cannot_be_had_are_an_error_that_may_pass() {
    let app = TestApp::start().await;
    app.sim
        .faults()
        .inject(Fault::always(Operation::Any, FaultKind::Unreachable595));
    for path in ["/stats/node", "/stats/lxc"] {
        let answer = call(&app, &Method::GET, path, None, &[]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (503, "hypervisor_unavailable")
        );
        assert!(answer.headers.contains_key("retry-after"));
    }
}

#[tokio::test]
async fn figures_that_make_no_sense_are_an_answer_of_proxmoxs_and_no_absence() {
    for kind in [
        FaultKind::Html502,
        FaultKind::EmptyBody,
        FaultKind::TruncatedBody,
    ] {
        let app = TestApp::start().await;
        app.sim
            .faults()
            .inject(Fault::always(Operation::Any, kind.clone()));
        for path in ["/stats/node", "/stats/lxc"] {
            let answer = call(&app, &Method::GET, path, None, &[]).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code()),
                (502, "hypervisor_error"),
                "{kind:?} {path}"
            );
            assert!(answer.headers.contains_key("retry-after"));
        }
    }
}

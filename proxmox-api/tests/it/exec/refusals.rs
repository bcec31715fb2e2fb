//! Requests that are refused before anything is charged.

use std::time::Duration;

use pve_sim::{Fault, FaultKind, Operation, Sim, SimConfig};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    buyer::{Buyer, call},
    guest::{Guest, lease, plain_shell},
    support::{TestApp, until},
};

fn hello() -> Option<Value> {
    Some(json!({"command": "echo hello"}))
}

#[tokio::test]
async fn only_the_owner_of_an_active_lease_runs_commands_and_nobody_else_pays() {
    let guest = Guest::plain().await;
    let (app, path) = (&guest.app, guest.exec_path());
    let stranger = Buyer::funded(app, 2).await;
    let before = app.balance(stranger.wallet()).await;
    let answer = stranger.pay(app, Method::POST, &path, hello()).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (403, "forbidden"));
    assert_eq!(app.balance(stranger.wallet()).await, before);

    for (ctid, status, code) in [
        ("49999", 404, "lease_not_found"),
        ("99", 400, "invalid_request"),
        ("x", 400, "invalid_request"),
    ] {
        let path = format!("/management/exec/{ctid}");
        let answer = call(app, &Method::POST, &path, hello().as_ref(), &[]).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code));
    }

    // The container is shut down from inside.
    app.sim.kill_container(guest.ctid);
    let pay = || guest.buyer.pay(app, Method::POST, &path, hello());
    let answer = guest.refused(409, "lease_conflict", pay()).await;
    assert_eq!(
        answer.body["error"]["message"],
        "The container does not run."
    );

    app.clock.advance(Duration::from_secs(30 * 60 + 1));
    guest.refused(409, "lease_conflict", pay()).await;
    until("the lease to be stopped", async || {
        let lease = app
            .app
            .store
            .lease_by_vmid(guest.ctid.try_into().unwrap())
            .await
            .unwrap()
            .unwrap();
        (lease.state.as_str() == "stopped").then_some(())
    })
    .await;
    guest.refused(409, "lease_conflict", pay()).await;
    let signed = guest.buyer.sign(app, Method::POST, &path, hello()).await;
    app.clock.advance(Duration::from_secs(25 * 3600));
    until("the lease to be gone", async || {
        app.app
            .store
            .lease_by_vmid(guest.ctid.try_into().unwrap())
            .await
            .unwrap()
            .is_none()
            .then_some(())
    })
    .await;
    guest
        .refused(404, "lease_not_found", signed.send(app))
        .await;
}

#[tokio::test]
async fn bad_commands_are_named_before_anything_is_paid() {
    let guest = Guest::plain().await;
    let (app, path) = (&guest.app, guest.exec_path());
    let cases = [
        (json!({"command": "x".repeat(70_000)}), "command"),
        (json!({"command": " \n"}), "command"),
        (json!({"command": "a\0b"}), "command"),
        (json!({"command": "a", "extraArgs": ["\0"]}), "extraArgs"),
        (
            json!({"command": "a", "extraArgs": ["'".repeat(60_000)]}),
            "extraArgs",
        ),
        (
            json!({"command": "a", "timeoutSeconds": -1}),
            "timeoutSeconds",
        ),
        (
            json!({"command": "a", "timeoutSeconds": 0}),
            "timeoutSeconds",
        ),
        (
            json!({"command": "a", "timeoutSeconds": 1e18}),
            "timeoutSeconds",
        ),
        (
            json!({"command": "a", "timeoutSeconds": 301}),
            "timeoutSeconds",
        ),
        (json!({"command": "a", "tty": true}), "tty"),
        (json!({}), "command"),
    ];
    for (body, field) in cases {
        let answer = call(app, &Method::POST, &path, Some(&body), &[]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (400, "invalid_request"),
            "{field}"
        );
        let fields = answer.body["error"]["details"]["fields"]
            .as_array()
            .unwrap();
        assert!(
            fields.iter().any(|found| found["field"] == field),
            "{field}: {fields:?}"
        );
    }
    let large = json!({"command": "x".repeat(1 << 20)});
    let answer = call(app, &Method::POST, &path, Some(&large), &[]).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (413, "body_too_large")
    );

    // A request without a body returns the price, and its payment buys nothing.
    let answer = call(app, &Method::POST, &path, None, &[]).await;
    assert_eq!(answer.status, 402);
    let pay = guest.buyer.pay(app, Method::POST, &path, None);
    guest.refused(400, "invalid_request", pay).await;
    assert_eq!(guest.output("echo usable").await, "usable\n");
}

#[tokio::test]
async fn a_session_that_something_else_has_is_said_to_be_busy_and_can_be_recovered() {
    let guest = Guest::plain().await;
    let busy = Fault::times(Operation::Websocket, FaultKind::BusySession, 2);
    guest.app.sim.faults().inject(busy);
    let answer = guest
        .refused(
            409,
            "console_in_use",
            guest.exec(json!({"command": "echo hello"})),
        )
        .await;
    assert_eq!(answer.headers["retry-after"], "30");
    assert_eq!(answer.body["error"]["retryable"], true);
    let forced = guest
        .exec(json!({"command": "echo hello", "force": true}))
        .await;
    assert_eq!(forced.body["stdout"], "hello\n", "{:?}", forced.body);
}

#[tokio::test]
async fn a_host_that_lets_us_open_no_terminals_is_said_so_and_costs_nothing() {
    let config = SimConfig {
        time_scale: 0.002,
        shell: plain_shell(),
        console_tokens: false,
        ..SimConfig::default()
    };
    let sim = Sim::start(config).await.unwrap();
    let (user, password) = (sim.console_user(), sim.console_password());
    let app = TestApp::on(sim, &[]).await;
    let buyer = Buyer::funded(&app, 1).await;
    let ctid = lease(&app, &buyer, "box").await;
    let guest = Guest { app, buyer, ctid };
    let answer = guest
        .refused(
            502,
            "console_auth_unsupported",
            guest.exec(json!({"command": "echo hello"})),
        )
        .await;
    assert_eq!(answer.body["error"]["retryable"], false);

    // With an account for consoles, this host works.
    let Guest { app, .. } = guest;
    let TestApp { sim, .. } = app;
    let account = [
        ("PVE_CONSOLE_USER", user.as_str()),
        ("PVE_CONSOLE_PASSWORD", password.as_str()),
        ("PVE_VMID_RANGE", "50000-50100"),
    ];
    let app = TestApp::on(sim, &account).await;
    let buyer = Buyer::funded(&app, 1).await;
    let ctid = lease(&app, &buyer, "box").await;
    let guest = Guest { app, buyer, ctid };
    assert_eq!(guest.output("echo hello").await, "hello\n");
}

//! Concurrent commands, failures on the way, and the outcome for the customer.

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt as _,
    time::{Duration, Instant},
};

use api_types::ErrorCode;
use futures_util::future::join_all;
use pve_sim::{Fault, FaultKind, Operation, TerminalDefects};
use reqwest::Method;
use serde_json::{Value, json};
use x402::facilitator::faults::SettleFault;

use crate::{
    buyer::Buyer,
    guest::{CALL, Guest, app, lease, plain_shell},
    support::until,
};

/// Runs short and long commands behind a terminal proxy with these defects.
async fn works_behind(defects: TerminalDefects) {
    let guest = Guest::behind(defects).await;
    for bytes in [10, 20_708, 62_612] {
        let mut command = "# a comment that makes the command long\n".repeat(bytes / 40 + 1);
        command.truncate(bytes - 10);
        command.push_str("\necho end");
        assert_eq!(guest.output(&command).await, "end\n", "{defects:?} {bytes}");
    }
}

#[tokio::test]
async fn commands_give_their_results_behind_each_defect_of_a_terminal_proxy() {
    join_all(
        [
            TerminalDefects::NONE,
            TerminalDefects::LOST_TAIL,
            TerminalDefects::SPLIT_HEADERS,
            TerminalDefects::ECHO,
            TerminalDefects::ALL,
        ]
        .map(works_behind),
    )
    .await;
}

#[tokio::test]
async fn ten_commands_on_one_container_take_turns() {
    let guest = Guest::with(plain_shell(), &[]).await;
    let command = |number| {
        // Fails if another one runs at the same time.
        let command = format!("mkdir busy || exit 99; sleep 0.1; rmdir busy; echo {number}");
        let guest = &guest;
        async move { (number, guest.exec(json!({ "command": command })).await) }
    };
    for (number, answer) in join_all((0..10).map(command)).await {
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        assert_eq!(answer.body["stdout"], format!("{number}\n"));
        assert_eq!(answer.body["exitCode"], 0);
    }
}

#[tokio::test]
async fn commands_on_ten_containers_run_side_by_side() {
    let app = app(plain_shell(), &[]).await;
    let buyer = Buyer::funded(&app, 1).await;
    let mut ctids = Vec::new();
    for number in 0..10 {
        ctids.push(lease(&app, &buyer, &format!("box{number}")).await);
    }
    let start = Instant::now();
    let sleeping = Duration::from_millis(2500);
    let all = ctids.iter().map(|ctid| {
        let (app, buyer) = (&app, &buyer);
        async move {
            let path = format!("/management/exec/{ctid}");
            // The plain shell's home is a folder with the container's number.
            let body = json!({"command": "sleep 2.5; basename \"$HOME\""});
            buyer.pay(app, Method::POST, &path, Some(body)).await
        }
    });
    for (ctid, answer) in ctids.iter().zip(join_all(all).await) {
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        assert_eq!(answer.body["stdout"], format!("{ctid}\n"));
    }
    // Eight run at a time on a node, so two rounds, not ten.
    assert!(start.elapsed() < sleeping * 6, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_command_whose_connection_is_cut_gives_its_result_all_the_same() {
    let guest = Guest::with(plain_shell(), &[]).await;
    let before = guest.balance().await;
    let body = json!({"command": "echo once >> runs; yes 0123456 | head -c 30000"});
    // The cut comes in the middle of the script, while it runs or reports, and in the middle of the
    // report.
    for kind in [
        FaultKind::CutAfterTyped(1_500),
        FaultKind::CutAfter(450),
        FaultKind::CutAfter(9_000),
    ] {
        let faults = guest.app.sim.faults();
        faults.inject(Fault::once(Operation::Websocket, kind));
        let answer = guest.exec(body.clone()).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        assert_eq!(answer.body["stdout"].as_str().unwrap().len(), 30_000);
    }
    assert_eq!(guest.balance().await, before - 3 * CALL);
    assert_eq!(guest.output("wc -l < runs").await.trim(), "3");
}

#[tokio::test]
async fn a_command_that_never_began_is_run_for_the_same_payment_later() {
    let guest = Guest::with(plain_shell(), &[]).await;
    let app = &guest.app;
    let body = Some(json!({"command": "echo once >> runs; cat runs"}));
    let path = guest.exec_path();
    let signed = guest.buyer.sign(app, Method::POST, &path, body).await;
    let signed = signed.with_key("a-key-that-proves-the-payer");
    let before = guest.balance().await;
    // The connection is lost while the script is written, and cannot be opened again.
    let faults = app.sim.faults();
    let half = FaultKind::CutAfterTyped(1_500);
    faults.inject(Fault::once(Operation::Websocket, half));
    let away = Fault::always(Operation::Termproxy, FaultKind::Unreachable595);
    faults.inject(away.after(1));
    let failed = signed.send(app).await;
    assert_eq!(failed.status, 503, "{:?}", failed.body);
    assert_eq!(failed.body["error"]["details"]["mayHaveRun"], Value::Null);
    assert_eq!(failed.receipt().unwrap()["success"], true);
    assert_eq!(guest.balance().await, before - CALL);
    faults.clear();
    // The half of the script that is in the terminal disturbs no later command.
    let done = signed.send(app).await;
    assert_eq!(done.status, 200, "{:?}", done.body);
    assert_eq!(done.body["stdout"], "once\n");
    assert_eq!(guest.balance().await, before - CALL);
}

#[tokio::test]
async fn a_command_whose_outcome_is_lost_is_owed_and_never_run_again() {
    let guest = Guest::with(plain_shell(), &[]).await;
    let app = &guest.app;
    let path = guest.exec_path();
    // The container's shell is a shell of this machine under another account, so that it can create
    // a file when the command begins.
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    let begun = folder.path().join("begun");
    let command = format!("echo once >> runs; : > {}; sleep 30", begun.display());
    let body = Some(json!({ "command": command }));
    let signed = guest.buyer.sign(app, Method::POST, &path, body).await;
    let signed = signed.with_key("a-key-that-proves-the-payer");
    let before = guest.balance().await;
    let stop = async {
        until("the command to run", async || begun.exists().then_some(())).await;
        app.sim.kill_container(guest.ctid);
    };
    let (broken, ()) = tokio::join!(signed.send(app), stop);
    assert_eq!(
        (broken.status.as_u16(), broken.code()),
        (409, ErrorCode::PaymentOwed.as_str()),
        "{:?}",
        broken.body
    );
    assert_eq!(broken.body["error"]["retryable"], false);
    let advice = broken.body["error"]["nextActions"].to_string();
    assert!(!advice.contains("send"), "{advice}");
    assert_eq!(broken.body["error"]["details"]["mayHaveRun"], true);
    assert_eq!(broken.body["error"]["details"]["amount"], CALL.to_string());
    assert_eq!(broken.receipt().unwrap()["success"], true);
    assert_eq!(guest.balance().await, before - CALL);
    let again = signed.send(app).await;
    assert_eq!((again.status.as_u16(), again.code()), (409, "payment_owed"));
    assert_eq!(again.receipt().unwrap()["success"], true);
    assert_eq!(guest.balance().await, before - CALL);
    let session = guest.buyer.sign_in(app).await;
    let started = session
        .call(app, Method::POST, &format!("/lease/{}/start", guest.ctid))
        .await;
    assert_eq!(started.status, 200, "{:?}", started.body);
    assert_eq!(guest.output("wc -l < runs").await.trim(), "1");
    let payments = session.get(app, "/payments").await.body;
    let owed: Vec<_> = payments["payments"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|payment| payment["state"] == "owed")
        .collect();
    assert_eq!(owed.len(), 1, "{payments}");
    assert_eq!(owed[0]["owed"], CALL.to_string());
}

#[tokio::test]
async fn a_payment_that_is_refused_or_unknown_leaves_the_terminal_in_order() {
    let guest = Guest::with(plain_shell(), &[]).await;
    let app = &guest.app;
    let path = guest.exec_path();
    let before = guest.balance().await;
    app.faults
        .on_settle([SettleFault::Refuse("insufficient_funds".into())]);
    let refused = guest.exec(json!({"command": "touch never"})).await;
    assert_eq!(refused.status, 402);
    assert_eq!(guest.balance().await, before);
    assert_eq!(
        guest.output("ls never 2>/dev/null; echo usable").await,
        "usable\n"
    );

    app.faults.on_settle([SettleFault::LoseAnswer]);
    let signed = guest
        .buyer
        .sign(
            app,
            Method::POST,
            &path,
            Some(json!({"command": "echo late"})),
        )
        .await
        .with_key("a-key-that-proves-the-payer");
    let unknown = signed.send(app).await;
    assert_eq!(
        (unknown.status.as_u16(), unknown.code()),
        (503, "payment_unresolved")
    );
    let done = until("the payment to be found settled", async || {
        let answer = signed.send(app).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert_eq!(done.body["stdout"], "late\n");
    assert_eq!(guest.balance().await, before - 2 * CALL);
}

/// Event names and data of a finished stream.
fn events(text: &str) -> Vec<(String, Value)> {
    let field = |event: &str, name: &str| {
        let line = event.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim().to_owned()
    };
    text.split("\n\n")
        .filter(|event| event.contains("data:"))
        .map(|event| {
            (
                field(event, "event:"),
                serde_json::from_str(&field(event, "data:")).unwrap(),
            )
        })
        .collect()
}

/// Pays for a command and requests its output as a stream.
async fn streamed(guest: &Guest, body: &Value) -> reqwest::Response {
    let (app, path) = (&guest.app, guest.exec_path());
    let signed = guest
        .buyer
        .sign(app, Method::POST, &path, Some(body.clone()))
        .await;
    let (name, value) = signed.payment.to_header();
    let request = app.http.post(format!("{}{path}", app.url)).json(body);
    let request = request.header(name, value);
    request
        .header("accept", "text/event-stream")
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn output_is_streamed_as_it_comes_and_the_result_is_the_same() {
    let guest = Guest::with(plain_shell(), &[]).await;
    let command = "for i in 1 2 3; do echo $i é; sleep 0.4; done; echo bad >&2; exit 4";
    let body = json!({ "command": command });
    let response = streamed(&guest, &body).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let events = events(&response.text().await.unwrap());
    let names: Vec<_> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.last(), Some(&"result"), "{names:?}");
    let text = |wanted: &str| -> String {
        let pieces = events.iter().filter(|(name, _)| name == wanted);
        pieces
            .map(|(_, data)| data["text"].as_str().unwrap())
            .collect()
    };
    assert_eq!(text("stdout"), "1 é\n2 é\n3 é\n");
    assert_eq!(text("stderr"), "bad\n");
    assert!(
        names.iter().filter(|name| **name == "stdout").count() >= 3,
        "{names:?}"
    );
    let (_, result) = events.last().unwrap();
    assert_eq!(result["status"], 200);
    assert_eq!(result["body"]["stdout"], "1 é\n2 é\n3 é\n");
    assert_eq!(result["body"]["exitCode"], 4);
    assert_eq!(result["receipt"]["success"], true);

    // A refusal has the same status with and without a stream.
    guest.app.sim.kill_container(guest.ctid);
    assert_eq!(streamed(&guest, &body).await.status(), 409);
}

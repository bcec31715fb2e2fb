//! What is paid, and what is not: bounds, keys, and answers that get lost.

use std::{
    io::{Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use serde_json::{Value, json};

use crate::{
    cable::Cable,
    market::{Market, serve, until},
    program::{Program, ended},
};

#[tokio::test]
async fn a_price_over_the_bound_is_not_paid() {
    let market = Market::open().await;
    let program = market.customer(1).await;
    let before = market.balance(program.wallet()).await;
    let arguments = ["--json", "--max-price", "0.009999", "lease", "box"];
    let ran = program.run(&arguments).await;
    assert_eq!((ran.status, ran.text().as_str()), (4, ""));
    assert_eq!(ran.error()["code"], "too_expensive");
    let ran = program.run(&arguments[1..]).await;
    let said = "error: the price of 0.0100 USDC is over your limit of 0.009999 USDC; nothing was paid\n  \
                next: allow it: --max-price 0.0100\n";
    assert_eq!((ran.status, ran.stderr.as_str()), (4, said));
    let ran = program.run(&["--network", "base", "lease", "box"]).await;
    assert_eq!(ran.status, 4, "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("the network is not among those allowed"),
        "{}",
        ran.stderr
    );
    assert_eq!(market.balance(program.wallet()).await, before);
    assert_eq!(program.purchases(), 0);
    assert_eq!(
        program.json(&["ls", "--all"]).await["leases"],
        serde_json::json!([])
    );
}

#[tokio::test]
async fn a_wallet_with_too_little_is_told_so() {
    let market = Market::open().await;
    let program = Program::new(&market.url, 1);
    let ran = program.run(&["--json", "lease", "box"]).await;
    assert_eq!(ran.status, 5, "{}", ran.stderr);
    assert_eq!(ran.error()["code"], "not_enough_money");
    assert_eq!(program.purchases(), 0);
}

#[tokio::test]
async fn a_key_is_used_only_where_nobody_else_can_read_it() {
    let market = Market::open().await;
    let program = market.customer(1).await;
    let file = program.write("key", program.key());
    let with_file = |mode: u32| {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        program.keyless(&["--key-file", "key", "ls"])
    };
    let refused = ended(with_file(0o644)).await;
    assert_eq!(refused.status, 2);
    assert!(
        refused
            .stderr
            .contains("others than its owner have rights to it"),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("chmod 600 key"));
    assert!(!refused.stderr.contains(&program.key()[2..]));
    let used = ended(with_file(0o600)).await;
    assert_eq!(used.status, 0, "{}", used.stderr);

    program.write("none", "no key");
    std::fs::set_permissions(program.path("none"), std::fs::Permissions::from_mode(0o600)).unwrap();
    for (arguments, status) in [
        (&["--key-file", "none", "ls"][..], 2),
        (&["--key-file", "missing", "ls"], 2),
        (&["ls"], 2),
    ] {
        let ran = ended(program.keyless(arguments)).await;
        assert_eq!(ran.status, status, "{arguments:?}: {}", ran.stderr);
    }
    let two = program.run(&["--key-file", "key", "ls"]).await;
    assert_eq!(two.status, 2, "{}", two.stderr);

    // A key that the program makes is in the place where it looks.
    let made = ended(program.keyless(&["--json", "wallet", "new"]))
        .await
        .ok()
        .document();
    let shown = ended(program.keyless(&["--json", "wallet", "fill"]))
        .await
        .ok()
        .document();
    assert_eq!(made["address"], shown["address"]);
    assert_eq!(shown["playMoney"], "10000000");
}

#[tokio::test]
async fn an_answer_that_gets_lost_is_asked_for_and_not_bought_again() {
    let market = Market::open().await;
    let mut program = market.customer(1).await;
    let cable = Cable::to(&market.url).await;
    program.api = cable.url.clone();
    let before = market.balance(program.wallet()).await;
    cable.lose(2);
    let lease = program.json(&["lease", "box"]).await;
    assert!(lease["password"].is_string(), "{lease}");
    assert_eq!(market.balance(program.wallet()).await, before - 10_000);
    assert_eq!(program.purchases(), 0);
}

#[tokio::test]
async fn a_purchase_that_was_interrupted_is_bought_once() {
    let market = Market::open().await;
    let mut program = market.customer(1).await;
    let cable = Cable::to(&market.url).await;
    program.api = cable.url.clone();
    let before = market.balance(program.wallet()).await;

    // The program dies after its payment was sent.
    cable.lose(usize::MAX);
    let mut command = program.command(&["lease", "box"]);
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    until("the lease is paid", async || {
        (market.balance(program.wallet()).await < before).then_some(())
    })
    .await;
    child.kill().await.unwrap();
    assert_eq!(program.purchases(), 1);

    // Something else is something else, and leaves it alone.
    cable.lose(0);
    let ran = program
        .run(&["--max-price", "0.001", "lease", "other"])
        .await;
    assert_eq!(ran.status, 4);
    let ran = program.run(&["lease", "box"]).await.ok();
    assert!(ran.stderr.contains("it is bought once"), "{}", ran.stderr);
    assert!(ran.text().contains("password"), "{}", ran.text());
    assert_eq!(market.balance(program.wallet()).await, before - 10_000);
    assert_eq!(program.purchases(), 0);
    let listed = program.json(&["ls"]).await;
    assert_eq!(listed["leases"].as_array().unwrap().len(), 1, "{listed}");

    // The same command afterwards is a purchase of its own.
    program.run(&["lease", "box"]).await.ok();
    assert_eq!(market.balance(program.wallet()).await, before - 20_000);
    let both = program.run(&["stop", "box"]).await;
    assert_eq!(both.status, 2);
    assert!(
        both.stderr
            .contains("several containers are called \"box\""),
        "{}",
        both.stderr
    );
}

#[tokio::test]
async fn only_who_says_so_buys_anew_while_an_answer_is_missing() {
    let market = Market::open().await;
    let mut program = market.customer(1).await;
    let cable = Cable::to(&market.url).await;
    program.api = cable.url.clone();
    let before = market.balance(program.wallet()).await;
    cable.lose(usize::MAX);
    let mut child = program.command(&["lease", "box"]).spawn().unwrap();
    until("the lease is paid", async || {
        (market.balance(program.wallet()).await < before).then_some(())
    })
    .await;
    child.kill().await.unwrap();
    cable.lose(0);
    let anew = program.json(&["--fresh", "lease", "box"]).await;
    assert_eq!(market.balance(program.wallet()).await, before - 20_000);
    let earlier = program.json(&["lease", "box"]).await;
    assert_ne!(anew["leaseId"], earlier["leaseId"]);
    assert_eq!(market.balance(program.wallet()).await, before - 20_000);
    assert_eq!(program.purchases(), 0);
}

#[tokio::test]
async fn an_interrupt_says_how_to_get_the_answer() {
    let market = Market::open().await;
    let mut program = market.customer(1).await;
    let cable = Cable::to(&market.url).await;
    program.api = cable.url.clone();
    let before = market.balance(program.wallet()).await;
    cable.lose(usize::MAX);
    let child = program.command(&["lease", "box"]).spawn().unwrap();
    until("the lease is paid", async || {
        (market.balance(program.wallet()).await < before).then_some(())
    })
    .await;
    let id = child.id().unwrap();
    let interrupt = format!("kill -INT {id}");
    let sent = std::process::Command::new("sh")
        .args(["-c", &interrupt])
        .status();
    assert!(sent.unwrap().success());
    let output = child.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("run the same command again"), "{said}");
    cable.lose(0);
    program.run(&["lease", "box"]).await.ok();
    assert_eq!(market.balance(program.wallet()).await, before - 10_000);
}

#[tokio::test]
async fn what_cannot_be_stored_is_not_paid() {
    let market = Market::open().await;
    let program = market.customer(1).await;
    let before = market.balance(program.wallet()).await;
    program.write("state", "a file where the folder should be");
    let ran = program.run(&["lease", "box"]).await;
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("nothing was paid"), "{}", ran.stderr);
    assert_eq!(market.balance(program.wallet()).await, before);
}

#[tokio::test]
async fn like_commands_at_the_same_time_buy_each_for_itself() {
    let market = Market::open().await;
    let program = market.customer(1).await;
    let before = market.balance(program.wallet()).await;
    let lease = || program.json(&["lease", "twin"]);
    let (one, two) = tokio::join!(lease(), lease());
    assert_ne!(one["leaseId"], two["leaseId"]);
    assert_eq!(market.balance(program.wallet()).await, before - 20_000);
}

/// Runs the program in a terminal, where its question gets this answer; its exit status and what was
/// shown.
async fn in_a_terminal(
    program: &Program,
    arguments: &[&str],
    answer: &'static str,
) -> (u32, String) {
    let pair = native_pty_system().openpty(PtySize::default()).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_infra402"));
    command.args(arguments);
    command.cwd(program.folder.path());
    command.env_clear();
    command.env("INFRA402_API", &program.api);
    command.env("INFRA402_STATE", program.path("state"));
    command.env("INFRA402_KEY", program.key());
    let mut child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().unwrap();
    let mut writer = pair.master.take_writer().unwrap();
    let talk = move || {
        let (mut shown, mut asked) = (Vec::new(), false);
        let mut piece = [0; 1024];
        // Linux ends the reads with an error once the other side of the terminal is closed.
        while let Ok(length @ 1..) = reader.read(&mut piece) {
            shown.extend_from_slice(&piece[..length]);
            if !asked && String::from_utf8_lossy(&shown).contains("[y/N] ") {
                asked = true;
                writer.write_all(answer.as_bytes()).unwrap();
            }
        }
        let status = child.wait().unwrap();
        (
            status.exit_code(),
            String::from_utf8_lossy(&shown).into_owned(),
        )
    };
    tokio::task::spawn_blocking(talk).await.unwrap()
}

/// A service that asks for a payment as the real one does, at a price of its own, and gives no
/// answer to one.
struct Greedy {
    challenge: Value,
    price: AtomicUsize,
    paid: AtomicUsize,
}

async fn greedy(State(greedy): State<Arc<Greedy>>, headers: HeaderMap) -> Response {
    if headers.contains_key("x-payment") {
        greedy.paid.fetch_add(1, Ordering::Relaxed);
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let mut challenge = greedy.challenge.clone();
    let price = greedy.price.load(Ordering::Relaxed).to_string();
    challenge["accepts"][0]["maxAmountRequired"] = price.into();
    (StatusCode::PAYMENT_REQUIRED, Json(challenge)).into_response()
}

#[tokio::test]
async fn an_interrupted_purchase_is_not_signed_at_a_higher_price_unasked() {
    let market = Market::open().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let asked = client.post(format!("{}/lease/container", market.url));
    let asked = asked.json(&json!({"runtimeMinutes": 60, "hostname": "box"}));
    let challenge = asked.send().await.unwrap().json().await.unwrap();
    let service = Arc::new(Greedy {
        challenge,
        price: AtomicUsize::new(10_000),
        paid: AtomicUsize::new(0),
    });
    let router = Router::new().fallback(greedy).with_state(service.clone());
    let (url, _serving) = serve(router).await;
    let program = Program::new(&url, 1);
    let paid = || service.paid.load(Ordering::Relaxed);

    let mut child = program.command(&["lease", "box"]).spawn().unwrap();
    until("the payment is sent", async || (paid() > 0).then_some(())).await;
    child.kill().await.unwrap();
    let sent = paid();
    service.price.store(900_000, Ordering::Relaxed);
    let (ended, shown) = in_a_terminal(&program, &["lease", "box"], "n\n").await;
    assert_eq!(ended, 7, "{shown}");
    assert!(shown.contains("Pay 0.9000 USDC on"), "{shown}");
    assert_eq!((paid(), program.purchases()), (sent, 1));
}

#[tokio::test]
async fn a_terminal_is_asked_before_a_payment() {
    let market = Market::open().await;
    let program = market.customer(1).await;
    let before = market.balance(program.wallet()).await;
    for (answer, status) in [("\n", 4), ("no\n", 4), ("\u{3}", 130), ("\u{4}", 4)] {
        let (ended, shown) = in_a_terminal(&program, &["lease", "box"], answer).await;
        assert_eq!(ended, status, "{answer:?}: {shown}");
        assert!(shown.contains(
            "Pay 0.0100 USDC on Base Sepolia to 0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
        ));
    }
    assert_eq!(market.balance(program.wallet()).await, before);
    assert_eq!(program.purchases(), 0);
    let (ended, shown) = in_a_terminal(&program, &["lease", "box"], "y\n").await;
    assert_eq!(ended, 0, "{shown}");
    // A command costs too little for a question.
    let (ended, shown) = in_a_terminal(&program, &["exec", "box", "exit 5"], "n\n").await;
    assert_eq!(ended, 5, "{shown}");
    let (ended, shown) = in_a_terminal(&program, &["rm", "box"], "n\n").await;
    assert_eq!(ended, 1, "{shown}");
    let (ended, shown) = in_a_terminal(&program, &["rm", "box"], "yes\n").await;
    assert_eq!(ended, 0, "{shown}");
}

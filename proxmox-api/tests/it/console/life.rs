//! Data that passes through an open console, and the ways in which a console ends.

use std::time::Duration;

use futures_util::future::join_all;
use pve_sim::{Fault, FaultKind, Operation, ShellMode, TerminalDefects};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::client::{connect, open, ticket};
use crate::{
    guest::{Guest, plain_shell},
    support::until,
};

/// Names and data of the lease's events.
async fn trail(guest: &Guest) -> Vec<(String, Value)> {
    let store = &guest.app.app.store;
    let lease = store
        .lease_by_vmid(guest.ctid.try_into().unwrap())
        .await
        .unwrap()
        .unwrap();
    let events = store.events(&lease.lease_id, 0, 100).await.unwrap();
    events
        .into_iter()
        .map(|event| (event.kind, serde_json::from_str(&event.data).unwrap()))
        .collect()
}

#[tokio::test]
async fn what_is_typed_is_run_what_is_shown_comes_back_and_the_size_is_the_screens() {
    let guest = Guest::with(plain_shell(), &[]).await;
    let (mut console, _) = open(&guest).await;
    let shown = console.says("stty size", "one").await;
    assert!(shown.contains("40 120"), "{shown:?}");
    console.send(json!({"resize": [90, 33]})).await;
    let shown = console.says("stty size", "two").await;
    assert!(shown.contains("33 90"), "{shown:?}");
    // A paste of many frames, longer than a terminal's buffer.
    let paste = "0123456789".repeat(10_000);
    console
        .keys("stty raw -echo; printf re''ady; head -c 100000 >pasted; stty sane; printf do''ne\r")
        .await;
    console.until("ready").await;
    for part in paste.as_bytes().chunks(64 * 1024) {
        console.keys(std::str::from_utf8(part).unwrap()).await;
    }
    console.until("done").await;
    let shown = console.says("sha256sum pasted", "three").await;
    assert!(
        shown.contains(&service::crypto::sha256_hex(&paste)),
        "{shown:?}"
    );
    console.leave().await;
}

#[tokio::test]
async fn a_command_and_a_console_do_not_meet() {
    let guest = Guest::with(plain_shell(), &[]).await;
    let (mut console, _) = open(&guest).await;
    let answer = guest
        .refused(
            409,
            "console_in_use",
            guest.exec(json!({"command": "echo hello"})),
        )
        .await;
    assert_eq!(answer.headers["retry-after"], "30");
    assert_eq!(
        answer.body["error"]["message"],
        "The container's terminal is in use by an open console."
    );
    // The client left with a program running: commands find the terminal busy, and `force` ends it.
    console.keys("sleep 1000\r").await;
    console.until("sleep 1000").await;
    console.leave().await;
    until("the console to be free", async || {
        let free = trail(&guest)
            .await
            .iter()
            .any(|(kind, _)| kind == "console_closed");
        free.then_some(())
    })
    .await;
    guest
        .refused(
            409,
            "console_in_use",
            guest.exec(json!({"command": "echo hello"})),
        )
        .await;
    let forced = guest
        .exec(json!({"command": "echo hello", "force": true}))
        .await;
    assert_eq!(forced.body["stdout"], "hello\n", "{:?}", forced.body);
    assert_eq!(guest.output("echo usable").await, "usable\n");
}

#[tokio::test]
async fn a_lost_connection_is_taken_up_again_without_paying() {
    let guest = Guest::with(plain_shell(), &[]).await;
    let (mut console, resume) = open(&guest).await;
    console.says("word=kept", "set").await;
    let before = guest.balance().await;
    // The client disappears without closing the connection; the service has not noticed yet.
    let lost = console;
    let mut back = connect(&guest, &resume).await;
    let next = back.opened(&guest).await;
    assert_ne!(next, resume);
    let shown = back.says("echo $word", "again").await;
    assert!(shown.contains("kept"), "{shown:?}");
    assert_eq!(
        lost.closed().await,
        (4411, "The console was opened somewhere else.".into())
    );
    assert_eq!(guest.balance().await, before);
    assert_eq!(
        connect(&guest, &resume).await.closed().await.0,
        4401,
        "once"
    );

    // A connection that was cut can be resumed for two minutes, one that was closed cannot.
    drop(back);
    until("the cut to be seen", async || {
        let closed = trail(&guest).await;
        let lost = closed
            .iter()
            .filter(|(_, data)| data["reason"] == "client_lost")
            .count();
        (lost == 1).then_some(())
    })
    .await;
    let mut back = connect(&guest, &next).await;
    let last = back.opened(&guest).await;
    back.leave().await;
    assert_eq!(connect(&guest, &last).await.closed().await.0, 4401);
}

#[tokio::test]
async fn a_service_that_stops_says_so_and_its_successor_takes_the_console_up_again() {
    let mut guest = Guest::with(plain_shell(), &[]).await;
    let (mut console, resume) = open(&guest).await;
    console.says("word=kept", "set").await;
    let before = guest.balance().await;
    let app = guest.app.app.clone();
    let (closed, ()) = tokio::join!(console.closed(), app.consoles.close_all());
    assert_eq!(closed, (1012, "The service is being restarted.".into()));
    let room = app.consoles.room_for(&"another-lease".into()).is_some();
    assert!(room, "nobody is left");
    let noted = trail(&guest).await;
    assert_eq!(noted.last().unwrap().1["reason"], "restart");
    drop(app);

    guest.app.restart().await;
    let mut back = connect(&guest, &resume).await;
    back.opened(&guest).await;
    let shown = back.says("echo $word", "again").await;
    assert!(shown.contains("kept"), "{shown:?}");
    assert_eq!(guest.balance().await, before);
    back.leave().await;
}

#[tokio::test]
async fn a_new_ticket_takes_over_from_the_console_before() {
    let guest = Guest::plain().await;
    let (first, resume) = open(&guest).await;
    let (mut second, _) = open(&guest).await;
    second.says("echo", "mine").await;
    assert_eq!(first.closed().await.0, 4411);
    // Otherwise two pages would disconnect each other without end.
    assert_eq!(connect(&guest, &resume).await.closed().await.0, 4401);
}

#[tokio::test]
async fn a_console_ends_with_its_lease_unless_that_is_renewed() {
    let guest = Guest::plain().await;
    let (mut console, _) = open(&guest).await;
    let renew = guest.buyer.renew(&guest.app, guest.ctid, 30).await;
    assert_eq!(renew.status, 200);
    // The clock passes the old end in steps that do not count as idleness.
    for _ in 0..4 {
        guest.app.clock.advance(Duration::from_secs(10 * 60));
        console.says("echo", "here").await;
    }
    guest.app.clock.advance(Duration::from_secs(21 * 60));
    assert_eq!(console.closed().await, (4410, "The lease is over.".into()));
    let trail = trail(&guest).await;
    let (_, closed) = trail
        .iter()
        .find(|(kind, _)| kind == "console_closed")
        .unwrap();
    assert_eq!(closed["reason"], "lease_over");
    assert!(
        closed["typedBytes"].as_u64().unwrap() > 50 && closed["shownBytes"].as_u64().unwrap() > 50
    );
    let kinds: Vec<_> = trail.iter().map(|(kind, _)| kind.as_str()).collect();
    for kind in ["console_ticket", "console_opened"] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
}

#[tokio::test]
async fn every_other_end_has_its_reason_too() {
    // The shell ends by itself.
    let guest = Guest::with(plain_shell(), &[]).await;
    let (mut console, resume) = open(&guest).await;
    console.keys("exit\r").await;
    assert_eq!(
        console.closed().await,
        (1000, "The shell has ended.".into())
    );
    assert_eq!(connect(&guest, &resume).await.closed().await.0, 4401);
    // The container is shut down from inside.
    let (console, _) = open(&guest).await;
    guest.app.sim.kill_container(guest.ctid);
    assert_eq!(
        console.closed().await,
        (4409, "The container does not run.".into())
    );
    // The container is gone.
    let guest = Guest::plain().await;
    let (console, _) = open(&guest).await;
    guest.app.sim.remove_container(guest.ctid);
    assert_eq!(console.closed().await.0, 4410);
    // The console is idle.
    let guest = Guest::plain().await;
    let (mut console, _) = open(&guest).await;
    console.says("echo", "quiet").await;
    console.until("# ").await;
    guest.app.clock.advance(Duration::from_secs(15 * 60 + 1));
    assert_eq!(
        console.closed().await,
        (4408, "Nothing was typed or shown for too long.".into())
    );
}

/// Types `exit` behind a terminal proxy with these defects; returns how the console closes.
async fn exits_behind(defects: TerminalDefects) -> (u16, String) {
    let guest = Guest::behind(defects).await;
    let (mut console, resume) = open(&guest).await;
    console.says("echo", "usable").await;
    console.keys("exit\r").await;
    let closed = console.closed().await;
    let back = connect(&guest, &resume).await.closed().await;
    assert_eq!(back.0, 4401, "there is nothing to come back to");
    // The next console has a new shell.
    let (mut console, _) = open(&guest).await;
    console.says("echo", "fresh").await;
    closed
}

#[tokio::test]
async fn exit_closes_a_console_with_1000_whatever_the_terminal_proxy_loses() {
    let all = [
        TerminalDefects::NONE,
        TerminalDefects::LOST_TAIL,
        TerminalDefects::SPLIT_HEADERS,
        TerminalDefects::ECHO,
        TerminalDefects::ALL,
    ];
    for (closed, defects) in join_all(all.map(exits_behind)).await.into_iter().zip(all) {
        assert_eq!(closed, (1000, "The shell has ended.".into()), "{defects:?}");
    }
}

#[tokio::test]
async fn a_console_shows_no_half_of_a_command_that_was_lost() {
    let guest = Guest::with(plain_shell(), &[]).await;
    let faults = guest.app.sim.faults();
    let half = FaultKind::CutAfterTyped(1_500);
    faults.inject(Fault::once(Operation::Websocket, half));
    let away = Fault::always(Operation::Termproxy, FaultKind::Unreachable595);
    faults.inject(away.after(1));
    let lost = guest.exec(json!({"command": "echo never"})).await;
    assert_eq!(lost.status, 503, "{:?}", lost.body);
    faults.clear();
    let (mut console, _) = open(&guest).await;
    console.says("echo", "usable").await;
}

#[tokio::test]
async fn a_console_whose_machines_are_lost_says_so_and_its_ticket_stays_good() {
    let guest = Guest::with(plain_shell(), &[]).await;
    let faults = guest.app.sim.faults();
    faults.inject(Fault::once(Operation::Websocket, FaultKind::CutAfter(200)));
    let mut console = connect(&guest, &ticket(&guest).await).await;
    let resume = console.opened(&guest).await;
    faults.inject(Fault::always(Operation::Status, FaultKind::Unreachable595));
    console.keys("yes | head -c 400\r").await;
    assert_eq!(
        console.closed().await,
        (
            4503,
            "The container's host cannot be reached just now.".into()
        )
    );
    faults.clear();
    let mut back = connect(&guest, &resume).await;
    back.opened(&guest).await;
    back.says("echo", "again").await;
}

#[tokio::test]
async fn a_console_carries_no_more_than_it_may() {
    let guest = Guest::with(plain_shell(), &[("CONSOLE_MAX_MIB", "1")]).await;
    let (mut console, _) = open(&guest).await;
    console.keys("yes\r").await;
    assert_eq!(console.closed().await.0, 4413);
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_up_the_container_and_not_the_service() {
    let guest = Guest::with(plain_shell(), &[]).await;
    let (mut console, _) = open(&guest).await;
    // A hundred megabytes that the client does not read. If nothing slowed the container down, two
    // seconds would be enough to send them all.
    console
        .keys("yes 0123456789abcdef | head -c 100000000; echo done >marker\r")
        .await;
    tokio::time::sleep(Duration::from_secs(2)).await; // The subject is what is sent in this time.
    drop(console);
    let closed = until("the cut to be seen", async || {
        let trail = trail(&guest).await;
        trail.into_iter().find(|(kind, _)| kind == "console_closed")
    })
    .await;
    let shown = closed.1["shownBytes"].as_u64().unwrap();
    assert!(
        (1..30_000_000).contains(&shown),
        "{shown} bytes were taken from the container"
    );
}

#[tokio::test]
#[cfg_attr(
    not(has_confined_shells),
    ignore = "needs namespaces or bubblewrap (Debian: util-linux bubblewrap)"
)]
async fn a_console_works_in_the_confined_shells_of_an_ordinary_simulator() {
    let guest = Guest::with(ShellMode::Confined, &[]).await;
    let (mut console, _) = open(&guest).await;
    let shown = console.says("uname -n", "name").await;
    assert!(shown.contains("box"), "{shown:?}");
    console.message(Message::Ping(vec![1].into())).await;
    console.says("echo", "usable").await;
    let resume = connect(&guest, &ticket(&guest).await)
        .await
        .opened(&guest)
        .await;
    assert_eq!(resume.len(), "resume_".len() + 64);
}

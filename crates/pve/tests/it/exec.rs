//! Commands through all layers: locks, calls, WebSocket, framing, a terminal proxy with all defects
//! of the real one, and a real shell that all connections to the container share.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pve::terminal::ConsoleUse;
use pve::{Auth, Consoles, ExecError, ExecRequest, NodeName, TerminalError, TerminalLocks, Vmid};
use pve_sim::TerminalDefects;
use tokio::io::AsyncWriteExt;

use crate::host::{first_output, host, sh};
use crate::mock::client;
use crate::terminal::{binary, frame, serve, token_client};

fn ids() -> (NodeName, Vmid) {
    ("pve".parse().unwrap(), "101".parse().unwrap())
}

#[tokio::test]
async fn ten_commands_at_once_on_one_container_take_turns_and_all_come_back() {
    let host = host(sh(), TerminalDefects::ALL, 1).await;
    let (consoles, node, vmid) = (host.consoles.clone(), host.node.clone(), host.containers[0]);
    let all: Vec<_> = (0..10)
        .map(|number| {
            let (consoles, node) = (consoles.clone(), node.clone());
            tokio::spawn(async move {
                let mut request = ExecRequest::new(format!("echo {number}; exit {number}"));
                request.lock_timeout = Duration::from_secs(60);
                (number, consoles.exec(&node, vmid, request, None).await)
            })
        })
        .collect();
    for one in all {
        let (number, outcome) = one.await.unwrap();
        let outcome = outcome.unwrap();
        assert_eq!(
            (outcome.exit_code, outcome.stdout),
            (number, format!("{number}\n").into_bytes())
        );
    }
}

#[tokio::test]
async fn a_command_is_refused_while_a_console_is_open_and_when_the_container_is_stopped() {
    let host = host(sh(), TerminalDefects::ALL, 2).await;
    let (consoles, node, vmid) = (host.consoles.clone(), host.node.clone(), host.containers[0]);
    let console = consoles
        .open(&node, vmid, (80, 24), Duration::ZERO)
        .await
        .unwrap();
    let refused = consoles
        .exec(&node, vmid, ExecRequest::new("true"), None)
        .await
        .unwrap_err();
    let ExecError::Terminal(TerminalError::InUse(by)) = &refused else {
        panic!("{refused}")
    };
    assert_eq!(by.by, ConsoleUse::Console);
    assert!(!refused.may_have_executed());
    drop(console);
    consoles
        .exec(&node, vmid, ExecRequest::new("true"), None)
        .await
        .unwrap();

    let stopped = host.containers[1];
    host.sim.kill_container(stopped.get());
    let refused = consoles
        .exec(&node, stopped, ExecRequest::new("true"), None)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, ExecError::Terminal(TerminalError::NotRunning)),
        "{refused}"
    );
    let large = consoles
        .exec(&node, vmid, ExecRequest::new(vec![b'#'; 1 << 20]), None)
        .await
        .unwrap_err();
    assert!(matches!(large, ExecError::TooLarge(_)), "{large}");
}

#[tokio::test]
async fn a_command_goes_on_and_leaves_the_terminal_free_when_its_caller_goes_away() {
    let host = host(sh(), TerminalDefects::ALL, 1).await;
    let (consoles, node, vmid) = (host.consoles.clone(), host.node.clone(), host.containers[0]);
    let (begun, sink) = first_output();
    let request = ExecRequest::new("echo begun; sleep 0.5; echo done >done");
    tokio::select! {
        outcome = consoles.exec(&node, vmid, request, Some(sink)) => panic!("{outcome:?}"),
        () = begun.notified() => {}
    }
    let next = consoles.exec(&node, vmid, ExecRequest::new("cat done"), None);
    assert_eq!(next.await.unwrap().stdout, b"done\n");
}

/// Answers the preparation of a script, disconnects when it is started, and reports its outcome
/// afterwards; counts the starts.
async fn hangs_up(says: &'static str, starts: Arc<AtomicUsize>) -> String {
    serve(move |mut stream| {
        let starts = starts.clone();
        async move {
            frame(&mut stream).await.unwrap();
            stream.write_all(&binary(b"OK\x1b[H\x1b[J")).await.unwrap();
            let mut text = String::new();
            while let Some((_, message)) = frame(&mut stream).await {
                let message = String::from_utf8(message).unwrap();
                text += message.splitn(3, ':').nth(2).unwrap_or_default();
                let (mark, status) = match &text {
                    text if text.ends_with("_402g\r") => {
                        starts.fetch_add(1, Ordering::Relaxed);
                        return;
                    }
                    text if text.contains("HISTFILE") => ("R", ""),
                    text if text.contains("$t/n") && text.ends_with("fi\r") => says.split_at(1),
                    text if text.contains("mkdir") && text.ends_with("; }\r") => ("L", " 0"),
                    text if text.contains("base64 -d") => ("W", " 1 0"),
                    _ => continue,
                };
                // The two halves of the sentinel.
                let at = text.find(&format!("{mark}' '")).unwrap();
                let answer = format!(
                    "\r\n{}{mark}{}{status}\r\n",
                    &text[at - 8..at],
                    &text[at + 4..at + 12]
                );
                stream.write_all(&binary(answer.as_bytes())).await.unwrap();
                text.clear();
            }
        }
    })
    .await
}

#[tokio::test]
async fn the_container_is_asked_for_the_outcome_of_a_command_whose_connection_was_cut() {
    let cases = [
        ("U 1", 1, true, "it was begun and was ended before"),
        ("U 0", 1, true, "its files are gone"),
        // Repeated without end, as only a hostile container does.
        ("N", 3, false, "ends again and again"),
    ];
    let all = cases.map(|(says, runs, may_have_run, text)| {
        tokio::spawn(async move {
            let starts = Arc::new(AtomicUsize::new(0));
            let url = hangs_up(says, starts.clone()).await;
            let consoles = Consoles::new(token_client(&url), None, TerminalLocks::default());
            let (node, vmid) = ids();
            let request = ExecRequest::new("true");
            let run = consoles.exec(&node, vmid, request, None);
            let error = run.await.unwrap_err();
            assert_eq!(error.may_have_executed(), may_have_run, "{says}: {error}");
            assert!(error.to_string().contains(text), "{says}: {error}");
            assert_eq!(starts.load(Ordering::Relaxed), runs, "{says}");
        })
    });
    for one in all {
        one.await.unwrap();
    }
}

#[tokio::test]
async fn a_terminal_that_is_flooded_is_dropped() {
    let (cut, is_cut) = tokio::sync::oneshot::channel();
    let cut = Arc::new(Mutex::new(Some(cut)));
    let url = serve(move |mut stream| {
        let cut = cut.clone();
        async move {
            frame(&mut stream).await.unwrap();
            stream.write_all(&binary(b"OK")).await.unwrap();
            let flood = binary(&[0; 125]).repeat(500);
            while stream.write_all(&flood).await.is_ok() {}
            let cut = cut.lock().unwrap().take();
            cut.expect("one terminal is opened").send(()).unwrap();
        }
    })
    .await;
    let consoles = Consoles::new(token_client(&url), None, TerminalLocks::default());
    let (node, vmid) = ids();
    let error = consoles
        .exec(&node, vmid, ExecRequest::new("true"), None)
        .await
        .unwrap_err();
    assert!(matches!(error, ExecError::Flooded), "{error}");
    assert!(!error.may_have_executed());
    tokio::time::timeout(Duration::from_secs(10), is_cut)
        .await
        .expect("the connection is cut")
        .unwrap();
}

#[tokio::test]
async fn the_account_for_consoles_is_used_where_the_token_is_not_accepted() {
    let accounts = Arc::new(Mutex::new(Vec::new()));
    let log = accounts.clone();
    let url = serve(move |mut stream| {
        let log = log.clone();
        async move {
            let (_, line) = frame(&mut stream).await.unwrap();
            let account = String::from_utf8(line)
                .unwrap()
                .split_once(':')
                .unwrap()
                .0
                .to_owned();
            log.lock().unwrap().push(account.clone());
            if account == "console@pve" {
                stream.write_all(&binary(b"OK$ ")).await.unwrap();
                while frame(&mut stream).await.is_some() {}
            }
        }
    })
    .await;
    let fallback = client(&url, Auth::password("console@pve", "hush"));
    let consoles = Consoles::new(token_client(&url), Some(fallback), TerminalLocks::default());
    let (node, vmid) = ids();
    for _ in 0..2 {
        consoles
            .open(&node, vmid, (80, 24), Duration::from_secs(1))
            .await
            .unwrap();
    }
    // The second time this is known, and the token is not tried again.
    assert_eq!(
        *accounts.lock().unwrap(),
        ["lease@pve!svc", "console@pve", "console@pve"]
    );
}

#[tokio::test]
async fn a_shell_is_found_and_held_before_anything_runs_and_is_left_in_order() {
    let host = host(sh(), TerminalDefects::ALL, 1).await;
    let (consoles, node, vmid) = (host.consoles.clone(), host.node.clone(), host.containers[0]);
    let quick = Duration::from_millis(50);
    let shell = consoles.shell(&node, vmid, false, quick).await.unwrap();
    let second = consoles.shell(&node, vmid, false, quick).await;
    let Err(ExecError::Terminal(TerminalError::InUse(by))) = second else {
        panic!("{second:?}")
    };
    assert_eq!(by.by, ConsoleUse::Exec);
    drop(shell);
    // The shell is dropped without a script: the terminal is free once the session has ended.
    let patient = Duration::from_secs(10);
    let shell = consoles.shell(&node, vmid, false, patient).await.unwrap();
    let outcome = shell.run(ExecRequest::new("echo hi"), None).await.unwrap();
    assert_eq!(outcome.stdout, b"hi\n");
}

//! Connections that are cut before a script, while it is written, while it runs, and while its
//! report arrives. In each case it runs once, and its result is returned.

use std::sync::Arc;
use std::time::Duration;

use pve::{ExecError, ExecOutcome, ExecRequest, OutputSink, Vmid};
use pve_sim::{Fault, FaultKind, Operation, TerminalDefects};
use tokio::sync::Mutex;

use crate::host::{Host, first_output, host, sh, shows, types};

/// A script that reports how often it ran, and prints to each output.
const SCRIPT: &str = "echo run >>runs; sleep 0.3; cat runs; echo err >&2; exit 7";

/// Cuts the next connection to a container's terminal.
pub fn cut(host: &Host, vmid: Vmid, kind: FaultKind, times: u32) {
    let on = Operation::Path(format!("/lxc/{vmid}/vncwebsocket"));
    host.sim.faults().inject(Fault::times(on, kind, times));
}

/// Runs the script over a connection that is cut, and checks that it ran once.
async fn runs_once(host: &Host, vmid: Vmid, kind: FaultKind, times: u32) {
    let case = format!("{kind:?} {times}");
    cut(host, vmid, kind, times);
    let outcome = host.exec(vmid, SCRIPT).await;
    let outcome = outcome.unwrap_or_else(|error| panic!("{case}: {error}"));
    let expected = ExecOutcome {
        stdout: b"run\n".to_vec(),
        stderr: b"err\n".to_vec(),
        exit_code: 7,
        timed_out: false,
        truncated: false,
        stdout_bytes: 4,
        stderr_bytes: 4,
    };
    assert_eq!(outcome, expected, "{case}");
    // The next connection finds a shell. The script ran once and left no files except a report
    // whose receipt was cut, which stays for ten minutes.
    let after = "cat runs; rm runs; ls -d .infra402-*/[wbn] | wc -l";
    let next = host.run(vmid, after.into()).await;
    assert_eq!(next.as_deref().ok(), Some("run\n1\n"), "{case}");
}

/// Tries all cuts, in several containers concurrently.
async fn all_run_once(cuts: impl Iterator<Item = (FaultKind, u32)>) {
    let host = Arc::new(host(sh(), TerminalDefects::ALL, 16).await);
    let cuts = Arc::new(Mutex::new(cuts.collect::<Vec<_>>().into_iter()));
    let all = host.containers.clone().into_iter().map(|vmid| {
        let (host, cuts) = (host.clone(), cuts.clone());
        tokio::spawn(async move {
            loop {
                let next = cuts.lock().await.next();
                let Some((kind, times)) = next else { return };
                runs_once(&host, vmid, kind, times).await;
            }
        })
    });
    for one in all.collect::<Vec<_>>() {
        one.await.unwrap();
    }
}

/// The number of bytes that are typed for the script.
async fn typed_bytes() -> usize {
    let host = host(sh(), TerminalDefects::NONE, 1).await;
    let (mut low, mut high) = (1000, 8000);
    while low < high {
        let middle = (low + high) / 2;
        host.sim.faults().clear();
        host.sim.clear_requests();
        cut(
            &host,
            host.containers[0],
            FaultKind::CutAfterTyped(middle),
            1,
        );
        host.exec(host.containers[0], SCRIPT).await.unwrap();
        match host.sim.request_count("GET", "/vncwebsocket") {
            1 => high = middle,
            _ => low = middle + 1,
        }
    }
    high
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_runs_once_wherever_its_typing_is_cut() {
    let all = typed_bytes().await;
    let coarse = (0..all).step_by(151);
    // The line that starts the script, and the one that ends the session.
    let fine = all - 20..=all;
    let cuts = coarse.chain(fine);
    all_run_once(cuts.map(|bytes| (FaultKind::CutAfterTyped(bytes), 1))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_runs_once_wherever_its_answers_are_cut() {
    let cuts = (0..700).step_by(19);
    all_run_once(cuts.map(|bytes| (FaultKind::CutAfter(bytes), 1))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_runs_once_whenever_its_connection_is_cut_and_cut_again() {
    let cuts = (200..1800).step_by(90);
    let at = |millis| FaultKind::CutAfterTime(Duration::from_millis(millis));
    all_run_once(cuts.flat_map(|millis| [(at(millis), 1), (at(millis), 2)])).await;
}

/// A streaming command takes the same steps, and passes on every byte once.
#[tokio::test(flavor = "multi_thread")]
async fn output_that_is_passed_on_while_it_comes_has_no_gap_and_no_repetition_after_a_cut() {
    let host = Arc::new(host(sh(), TerminalDefects::ALL, 8).await);
    let vmids = host.containers.clone().into_iter();
    let all = vmids
        .zip([500, 900, 1100, 1300, 1500, 1700, 2100, 2500])
        .map(|(vmid, millis)| {
            let host = host.clone();
            tokio::spawn(async move {
                cut(
                    &host,
                    vmid,
                    FaultKind::CutAfterTime(Duration::from_millis(millis)),
                    1,
                );
                let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
                let log = seen.clone();
                let sink =
                    OutputSink::new(move |_, bytes| log.lock().unwrap().extend_from_slice(bytes));
                let request = ExecRequest::new("for i in 1 2 3 4 5; do echo $i; sleep 0.3; done");
                let run = host.consoles.exec(&host.node, vmid, request, Some(sink));
                let outcome = run
                    .await
                    .unwrap_or_else(|error| panic!("{millis}: {error}"));
                assert_eq!(outcome.stdout, b"1\n2\n3\n4\n5\n", "{millis}");
                assert_eq!(*seen.lock().unwrap(), outcome.stdout, "{millis}");
            })
        });
    for one in all.collect::<Vec<_>>() {
        one.await.unwrap();
    }
}

#[tokio::test]
async fn what_somebody_else_types_into_the_terminal_loses_no_result() {
    let host = host(sh(), TerminalDefects::ALL, 1).await;
    let vmid = host.containers[0];
    let (begun, sink) = first_output();
    // The script gives the administrator time to type.
    let request = ExecRequest::new("echo begun; sleep 2; echo done");
    let run = host.consoles.exec(&host.node, vmid, request, Some(sink));
    let typing = async {
        // An administrator's console on the same terminal, while the script runs.
        begun.notified().await;
        let mut terminal = host.terminal().await;
        terminal.write(b"ls -l\r").await.unwrap();
        terminal
    };
    let (result, _terminal) = tokio::join!(run, typing);
    assert_eq!(result.unwrap().stdout, b"begun\ndone\n");
}

#[tokio::test]
async fn a_command_whose_container_is_stopped_may_have_run_and_is_said_so_at_once() {
    let host = host(sh(), TerminalDefects::ALL, 1).await;
    let vmid = host.containers[0];
    let (begun, sink) = first_output();
    let request = ExecRequest::new("echo begun; sleep 60");
    let run = host.consoles.exec(&host.node, vmid, request, Some(sink));
    let stop = async {
        begun.notified().await;
        host.sim.kill_container(vmid.get());
    };
    let (result, ()) = tokio::join!(run, stop);
    let error = result.unwrap_err();
    assert!(error.may_have_executed());
    assert!(
        error.to_string().contains("the container was stopped"),
        "{error}"
    );
}

#[tokio::test]
async fn a_container_that_takes_no_files_runs_nothing() {
    let host = host(sh(), TerminalDefects::ALL, 1).await;
    let vmid = host.containers[0];
    let mut terminal = host.terminal().await;
    // The shell of the next command, as after a console. A full disk and a read-only one refuse in
    // the same way.
    shows(&mut terminal, "# ").await;
    types(&mut terminal, "TMPDIR=/proc; export TMPDIR").await;
    drop(terminal);
    let error = host
        .run(vmid, "echo run >>~/runs".into())
        .await
        .unwrap_err();
    assert!(matches!(error, ExecError::Setup), "{error}");
    assert_eq!(
        host.run(vmid, "ls runs 2>&1 | wc -l; ls runs".into())
            .await
            .unwrap(),
        "1\n"
    );
}

//! The conversation held with real shells in real pseudo-terminals: bash with its line editor,
//! dash, busybox's ash, and bash behind the dtach that Proxmox puts before every container's shell.

mod pty;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::exec::{ExecError, ExecOutcome, ExecRequest, OutputSink, OutputStream};

use pty::{Garble, PtyShell};

const BASH: &[&str] = &["bash", "--norc", "--noprofile", "-i"];
const DASH: &[&str] = &["dash", "-i"];
const ASH: &[&str] = &["busybox", "ash", "-i"];

/// Makes a test of each function for each shell.
macro_rules! test_in_every_shell {
    ($($case:ident,)+) => {
        mod bash {
            $(
                #[tokio::test]
                #[cfg_attr(not(has_bash), ignore = "needs bash (Debian: bash)")]
                async fn $case() {
                    super::$case(super::BASH).await;
                }
            )+
        }
        mod dash {
            $(
                #[tokio::test]
                #[cfg_attr(not(has_dash), ignore = "needs dash (Debian: dash)")]
                async fn $case() {
                    super::$case(super::DASH).await;
                }
            )+
        }
        mod ash {
            $(
                #[tokio::test]
                #[cfg_attr(not(has_busybox), ignore = "needs BusyBox (Debian: busybox)")]
                async fn $case() {
                    super::$case(super::ASH).await;
                }
            )+
        }
    };
}

test_in_every_shell! {
    exit_status_and_both_outputs_come_back,
    binary_output_large_scripts_and_hostile_texts_come_back_exactly,
    a_long_output_is_cut_and_its_true_size_told,
    a_script_is_ended_at_its_time_limit,
    a_script_that_cannot_be_written_is_not_run,
    a_script_that_removes_or_hides_its_own_output_loses_none,
    a_script_that_arrives_garbled_is_not_run_and_is_sent_again,
    a_program_left_running_is_reported_and_ended_by_force,
    output_is_passed_on_while_the_script_runs,
    a_streamed_script_may_end_while_its_output_is_shown,
    a_streamed_script_is_cut_and_ended_like_any_other,
}

async fn run_in(shell: &[&str], request: &ExecRequest, output: Option<&OutputSink>) -> ExecOutcome {
    let mut shell = PtyShell::start(shell);
    let outcome = shell.run(request, output).await.unwrap();
    shell.assert_clean();
    outcome
}

async fn exit_status_and_both_outputs_come_back(shell: &[&str]) {
    for code in [0, 1, 7, 127, 200] {
        let script = format!("echo out; echo err >&2; exit {code}");
        let outcome = run_in(shell, &ExecRequest::new(script), None).await;
        let expected = ExecOutcome {
            stdout: b"out\n".to_vec(),
            stderr: b"err\n".to_vec(),
            exit_code: code,
            timed_out: false,
            truncated: false,
            stdout_bytes: 4,
            stderr_bytes: 4,
        };
        assert_eq!(outcome, expected);
    }
}

async fn binary_output_large_scripts_and_hostile_texts_come_back_exactly(shell: &[&str]) {
    let binary = run_in(
        shell,
        &ExecRequest::new(r"printf '\000\377\r\n\033[2J\001'"),
        None,
    )
    .await;
    assert_eq!(binary.stdout, b"\0\xff\r\n\x1b[2J\x01");

    let padding = "# a comment that makes the script long enough to need many lines\n".repeat(320);
    let large = run_in(shell, &ExecRequest::new(format!("{padding}echo end")), None).await;
    assert_eq!(large.stdout, b"end\n");

    let hostile = "cat <<'EOF'\n'\"`$(x)\\\x1b[31m\nEOF\necho deadbeefH; \
                   [ -t 0 ] && echo tty; cat; echo after";
    let quoted = run_in(shell, &ExecRequest::new(hostile), None).await;
    assert_eq!(quoted.stdout, b"'\"`$(x)\\\x1b[31m\ndeadbeefH\nafter\n");
}

async fn a_long_output_is_cut_and_its_true_size_told(shell: &[&str]) {
    let outcome = run_in(
        shell,
        &ExecRequest::new("yes 0123456 | head -c 405000"),
        None,
    )
    .await;
    assert_eq!(outcome.stdout.len(), 64 * 1024);
    assert_eq!(outcome.stdout_bytes, 405_000);
    assert!(outcome.truncated && outcome.exit_code == 0);
}

async fn a_script_is_ended_at_its_time_limit(shell: &[&str]) {
    let mut request = ExecRequest::new("echo begun; sleep 60; echo never");
    request.timeout = Duration::from_secs(1);
    let outcome = run_in(shell, &request, None).await;
    assert!(outcome.timed_out, "{outcome:?}");
    assert_eq!(outcome.stdout, b"begun\n");
    let quick = run_in(shell, &ExecRequest::new("exit 124"), None).await;
    assert!(!quick.timed_out, "a code alone is no time-out");
}

async fn a_script_that_cannot_be_written_is_not_run(shell: &[&str]) {
    let mut shell = PtyShell::start(shell);
    shell
        .leave_running(
            "TMPDIR=/nonexistent; export TMPDIR; printf 'se%s\\n' t\r",
            "set",
        )
        .await;
    let error = shell
        .run(&ExecRequest::new("echo no"), None)
        .await
        .unwrap_err();
    assert!(matches!(error, ExecError::Setup), "{error}");
    assert!(!error.may_have_executed());
}

async fn a_script_that_removes_or_hides_its_own_output_loses_none(shell: &[&str]) {
    for output in [None, Some(OutputSink::new(|_, _| {}))] {
        let script = "rm -r \"$TMPDIR\"/.infra402-*; echo out; echo err >&2; exit 3";
        let request = ExecRequest::new(script);
        let outcome = run_in(shell, &request, output.as_ref()).await;
        assert_eq!(outcome.stdout, b"out\n");
        assert_eq!(outcome.stderr, b"err\n");
        assert_eq!(outcome.exit_code, 3);
    }
}

async fn a_script_that_arrives_garbled_is_not_run_and_is_sent_again(shell: &[&str]) {
    let run = async |how| {
        let mut shell = PtyShell::start(shell);
        shell.garble(how);
        let request = ExecRequest::new("echo run >>runs; cat runs; rm runs");
        let outcome = shell.run(&request, None).await.unwrap();
        assert_eq!(outcome.stdout, b"run\n", "{how:?}");
        assert_eq!(outcome.stderr, b"", "{how:?}");
        shell.assert_clean();
    };
    // A cut part is waited for, so both wait together.
    tokio::join!(run(Garble::Letter), run(Garble::Cut));
}

/// Leaves a program running, sees that it is reported, and ends it by force.
async fn recover(command: &[&str], line: &str, word: &str) {
    let mut shell = PtyShell::start(command);
    shell.leave_running(line, word).await;
    let mut request = ExecRequest::new("echo hi");
    let error = shell.run(&request, None).await.unwrap_err();
    assert!(
        matches!(error, ExecError::Busy | ExecError::Flooded),
        "{line}: {error}"
    );
    assert!(!error.may_have_executed());
    request.force = true;
    let outcome = shell.run(&request, None).await;
    assert_eq!(outcome.unwrap().stdout, b"hi\n", "{line}");
}

async fn a_program_left_running_is_reported_and_ended_by_force(shell: &[&str]) {
    let left = async |program: &str| {
        let line = format!("printf 'st%s\\n' art; {program}\r");
        recover(shell, &line, "start").await;
    };
    // Each of them mostly waits, so all wait together.
    tokio::join!(
        left("sleep 1000"),
        left("cat >/dev/null"),
        left("yes"),
        left("cat /dev/zero")
    );
}

#[tokio::test]
#[cfg_attr(not(has_bash), ignore = "needs bash (Debian: bash)")]
async fn a_program_that_ignores_interrupts_is_ended_by_force() {
    let deaf = "sh -c 'trap \"\" INT; printf \"st%s\\n\" art; while :; do sleep 1; done'\r";
    recover(BASH, deaf, "start").await;
}

#[tokio::test]
#[cfg_attr(not(has_bash), ignore = "needs bash (Debian: bash)")]
#[cfg_attr(
    all(has_bash, not(has_busybox)),
    ignore = "needs BusyBox (Debian: busybox)"
)]
async fn an_editor_that_fills_the_screen_is_ended_by_force() {
    recover(BASH, "busybox vi note\r", "1/1").await;
}

#[tokio::test]
async fn a_login_prompt_is_told_apart_from_a_busy_shell() {
    let mut shell = PtyShell::start(&[
        "sh",
        "-c",
        "printf 'box login: '; read x; printf 'Password: '; read y; sleep 60",
    ]);
    let error = shell
        .run(&ExecRequest::new("echo hi"), None)
        .await
        .unwrap_err();
    assert!(matches!(error, ExecError::NotShell), "{error}");
}

#[tokio::test]
#[cfg_attr(not(has_dash), ignore = "needs dash (Debian: dash)")]
async fn a_session_that_ends_in_the_middle_leaves_the_outcome_open() {
    let mut shell = PtyShell::start(DASH);
    shell
        .leave_running("echo $$ >pid; printf 'se%s\\n' t\r", "set")
        .await;
    let error = shell
        .run(&ExecRequest::new("kill -9 $(cat pid)"), None)
        .await
        .unwrap_err();
    assert!(matches!(error, ExecError::Lost(_)), "{error}");
    assert!(error.may_have_executed());
}

async fn output_is_passed_on_while_the_script_runs(shell: &[&str]) {
    let seen = Arc::new(Mutex::new((Vec::new(), Vec::new(), 0)));
    let log = seen.clone();
    let sink = OutputSink::new(move |stream, bytes| {
        let mut log = log.lock().unwrap();
        log.2 += 1;
        match stream {
            OutputStream::Stdout => log.0.extend_from_slice(bytes),
            OutputStream::Stderr => log.1.extend_from_slice(bytes),
        }
    });
    let script = "for i in 1 2 3; do echo $i; echo e$i >&2; sleep 0.5; done; printf 'last'; exit 5";
    let outcome = run_in(shell, &ExecRequest::new(script), Some(&sink)).await;
    let seen = seen.lock().unwrap();
    assert_eq!(outcome.exit_code, 5);
    assert_eq!(outcome.stdout, b"1\n2\n3\nlast");
    assert_eq!(seen.0, outcome.stdout);
    assert_eq!(seen.1, outcome.stderr);
    assert!(seen.2 >= 4, "{} pieces are not a stream", seen.2);
}

async fn a_streamed_script_may_end_while_its_output_is_shown(shell: &[&str]) {
    for pause in ["0.2", "0.25", "0.3", "0.35", "0.4"] {
        let sink = OutputSink::new(|_, _| {});
        let script = format!("yes 0123456 | head -c 4000000; sleep {pause}");
        let mut request = ExecRequest::new(script);
        request.limit_bytes = 1 << 22;
        let outcome = run_in(shell, &request, Some(&sink)).await;
        assert_eq!(outcome.exit_code, 0);
        assert_eq!(outcome.stdout.len(), 4_000_000);
    }
}

async fn a_streamed_script_is_cut_and_ended_like_any_other(shell: &[&str]) {
    let total = Arc::new(Mutex::new(0));
    let count = total.clone();
    let sink = OutputSink::new(move |_, bytes| *count.lock().unwrap() += bytes.len());
    let mut request = ExecRequest::new("yes 0123456 | head -c 405000; sleep 60");
    request.timeout = Duration::from_secs(1);
    let outcome = run_in(shell, &request, Some(&sink)).await;
    assert!(
        outcome.timed_out && outcome.truncated,
        "exit code {}",
        outcome.exit_code
    );
    assert_eq!(outcome.stdout_bytes, 405_000);
    assert_eq!(*total.lock().unwrap(), 64 * 1024);
}

#[tokio::test]
#[cfg_attr(not(has_dtach), ignore = "needs dtach (Debian: dtach)")]
#[cfg_attr(all(has_dtach, not(has_bash)), ignore = "needs bash (Debian: bash)")]
async fn a_session_behind_dtach_ends_and_the_next_one_is_fresh() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("console");
    let command = [
        &["dtach", "-A", socket.to_str().unwrap(), "-r", "winch", "-z"],
        BASH,
    ]
    .concat();
    for round in 0..3 {
        let outcome = run_in(&command, &ExecRequest::new(format!("echo {round}")), None).await;
        assert_eq!(outcome.stdout, format!("{round}\n").as_bytes());
        assert!(!socket.exists(), "the session has ended");
    }
}

#[test]
#[cfg_attr(not(has_dash), ignore = "needs dash (Debian: dash)")]
fn random_bytes_and_exit_codes_survive_the_journey() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 12,
        failure_persistence: None,
        ..Default::default()
    });
    let case = (prop::collection::vec(any::<u8>(), 0..2000), 0_i32..=255);
    runner
        .run(&case, |(bytes, code)| {
            let octal: String = bytes.iter().map(|byte| format!("\\{byte:03o}")).collect();
            let request = ExecRequest::new(format!("printf '{octal}'; exit {code}"));
            let outcome = runtime.block_on(run_in(DASH, &request, None));
            prop_assert_eq!((outcome.stdout, outcome.exit_code), (bytes, code));
            Ok(())
        })
        .unwrap();
}

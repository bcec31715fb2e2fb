//! Commands.

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use guest::{CommandRequest, GuestError, OutputSink, OutputStream};
use sha2::{Digest as _, Sha256};

use crate::sshd::{Sshd, eventually, login, run, run_request};

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn both_outputs_and_the_exit_status_come_back() {
    let sshd = Sshd::start();
    let guest = sshd.guest();
    let outcome = run(&guest, "echo out; echo err >&2; exit 7").await;
    assert_eq!(outcome.stdout, b"out\n");
    assert_eq!(outcome.stderr, b"err\n");
    assert_eq!(outcome.exit_code, 7);
    assert_eq!((outcome.stdout_bytes, outcome.stderr_bytes), (4, 4));
    assert!(!outcome.timed_out && !outcome.truncated);
    assert_eq!(run(&guest, "kill -9 $$").await.exit_code, 137);
    assert_eq!(run(&guest, "kill -TERM $$").await.exit_code, 143);
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn standard_input_arrives_whole_and_ends() {
    let sshd = Sshd::start();
    let guest = sshd.guest();
    let mut request = CommandRequest::new("wc -l");
    request.stdin = b"a\nb\n".to_vec();
    let outcome = run_request(&guest, request).await.unwrap();
    assert_eq!(outcome.stdout.trim_ascii(), b"2");
    assert_eq!(run(&guest, "cat; echo end").await.stdout, b"end\n");
    let mut request = CommandRequest::new("sha256sum");
    request.stdin = (0..10_u32 << 20).map(|n| (n % 251) as u8).collect();
    let hash: String = Sha256::digest(&request.stdin)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let outcome = run_request(&guest, request).await.unwrap();
    assert_eq!(
        String::from_utf8(outcome.stdout).unwrap(),
        format!("{hash}  -\n")
    );
    // A command that leaves its input unread ends all the same.
    let mut request = CommandRequest::new("exit 3");
    request.stdin = vec![b'x'; 10 << 20];
    assert_eq!(run_request(&guest, request).await.unwrap().exit_code, 3);
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn a_hundred_mebibytes_of_output_are_counted_and_the_start_is_kept() {
    let sshd = Sshd::start();
    let hash = Arc::new(Mutex::new(Sha256::new()));
    let seen = hash.clone();
    let sink = OutputSink::new(move |stream, bytes| {
        assert_eq!(stream, OutputStream::Stdout);
        seen.lock().unwrap().update(bytes);
    });
    let script = "head -c 104857600 /dev/zero | tr '\\0' 'x'";
    let request = CommandRequest::new(script);
    let command = sshd.guest().open_command(true).await.unwrap();
    let outcome = command.run(request, Some(sink)).await.unwrap();
    assert_eq!(outcome.stdout, vec![b'x'; 64 * 1024]);
    assert_eq!(outcome.stdout_bytes, 100 << 20);
    assert!(outcome.truncated);
    let mut expected = Sha256::new();
    (0..100).for_each(|_| expected.update(vec![b'x'; 1 << 20]));
    assert_eq!(hash.lock().unwrap().clone().finalize(), expected.finalize());
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn the_answer_does_not_wait_for_what_runs_in_the_background() {
    let sshd = Sshd::start();
    let guest = sshd.guest();
    guest.probe().await.unwrap();
    let started = Instant::now();
    let outcome = run(&guest, "echo before; sleep 60 & exit 5").await;
    assert_eq!(
        (outcome.exit_code, outcome.stdout),
        (5, b"before\n".to_vec())
    );
    assert!(
        started.elapsed() < Duration::from_secs(30),
        "{:?}",
        started.elapsed()
    );
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn a_time_limit_leaves_no_process() {
    let sshd = Sshd::start();
    let guest = sshd.guest();
    for (script, exit_code) in [
        ("sleep 4711 & sleep 4712; echo no", 143),
        ("trap '' TERM; while :; do sleep 4711; done", 137),
    ] {
        let mut request = CommandRequest::new(script);
        request.timeout = Duration::from_millis(300);
        let outcome = run_request(&guest, request).await.unwrap();
        assert!(outcome.timed_out);
        assert_eq!(outcome.exit_code, exit_code, "{script}");
        eventually("the processes end", || sleeps(&sshd).is_empty()).await;
    }
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn a_dropped_command_leaves_no_process() {
    let sshd = Sshd::start();
    let guest = sshd.guest();
    let running = tokio::spawn({
        let guest = guest.clone();
        async move { run(&guest, "sleep 4711 | sleep 4712").await }
    });
    eventually("the command starts", || sleeps(&sshd).len() == 2).await;
    running.abort();
    eventually("the processes end", || sleeps(&sshd).is_empty()).await;
    // The connection goes on.
    assert_eq!(run(&guest, "echo next").await.stdout, b"next\n");
}

/// The `sleep 471x` below the server.
fn sleeps(sshd: &Sshd) -> Vec<u32> {
    let mut all = sshd.processes();
    all.retain(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.starts_with(b"sleep\x00471")
    });
    all
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn fifty_commands_run_side_by_side() {
    let sshd = Sshd::start();
    let connections = crate::sshd::connections();
    let guest = connections.guest(sshd.target());
    guest.probe().await.unwrap();
    let started = Instant::now();
    let commands: Vec<_> = (0..50)
        .map(|n| {
            let guest = guest.clone();
            tokio::spawn(async move { run(&guest, &format!("sleep 1; echo {n}")).await })
        })
        .collect();
    for (n, command) in commands.into_iter().enumerate() {
        assert_eq!(command.await.unwrap().stdout, format!("{n}\n").into_bytes());
    }
    // One after the other would take 50 s, on the two lasting connections 4 s.
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    assert!(
        connections.counts().control <= 8,
        "{:?}",
        connections.counts()
    );
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn every_byte_of_a_script_arrives_short_or_long() {
    let sshd = Sshd::start();
    let guest = sshd.guest();
    let bytes: Vec<u8> = (1..=255).filter(|byte| *byte != b'\'').collect();
    for repeat in [1, 200, 800] {
        let mut script = b"printf %s '".to_vec();
        let text = bytes.repeat(repeat);
        script.extend_from_slice(&text);
        script.extend_from_slice(b"'; printf \"it's \\\\ %s\" \"$0\"");
        let mut request = CommandRequest::new(script);
        request.limit_bytes = 1 << 20;
        let outcome = run_request(&guest, request).await.unwrap();
        assert_eq!(outcome.stdout[..text.len()], text, "{repeat}");
        assert!(
            outcome.stdout[text.len()..].starts_with(b"it's \\ "),
            "{repeat}"
        );
    }
    // The file of a long script is gone.
    assert_eq!(run(&guest, "ls /tmp/.i402-* 2>/dev/null").await.stdout, b"");
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn variables_and_the_directory_are_set() {
    let sshd = Sshd::start();
    let guest = sshd.guest();
    let mut request = CommandRequest::new("printf '%s|%s|%s' \"$A\" \"$s\" \"$PWD\"; cat");
    request.env = vec![
        ("A".to_owned(), "it's \"\\\n$HOME".to_owned()),
        ("s".to_owned(), "x".to_owned()),
        ("IFS".to_owned(), "-c".to_owned()),
        ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
    ];
    request.cwd = Some("/usr/lib".to_owned());
    request.stdin = b"|in".to_vec();
    let outcome = run_request(&guest, request).await.unwrap();
    assert_eq!(outcome.stdout, b"it's \"\\\n$HOME|x|/usr/lib|in");
    // 200 KB of variables.
    let mut request = CommandRequest::new("printf %s \"$A$B\" | wc -c");
    request.env = ["A", "B"]
        .map(|name| (name.to_owned(), "'".repeat(100_000)))
        .to_vec();
    let outcome = run_request(&guest, request).await.unwrap();
    assert_eq!(outcome.stdout.trim_ascii(), b"200000");
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn a_missing_user_or_directory_is_an_error_and_nothing_ran() {
    let sshd = Sshd::start();
    let guest = sshd.guest();
    let file = sshd.path().join("ran");
    let script = format!("touch {}; echo user >&2; exit 70", file.display());
    let mut request = CommandRequest::new(script.clone());
    request.cwd = Some("/nowhere".to_owned());
    let error = run_request(&guest, request).await.unwrap_err();
    assert_eq!(error, GuestError::NoSuchDirectory);
    assert!(!error.may_have_run());
    for user in ["nobody-at-all", "-c", "a b", "$(id)"] {
        let mut request = CommandRequest::new(script.clone());
        request.user = Some(user.to_owned());
        let error = run_request(&guest, request).await.unwrap_err();
        assert_eq!(error, GuestError::NoSuchUser, "{user}");
    }
    assert!(!file.exists());
    // The same words of a command are its own.
    assert_eq!(run(&guest, "echo user >&2; exit 70").await.exit_code, 70);
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn a_command_runs_as_the_user_it_names() {
    let sshd = Sshd::start();
    let guest = sshd.guest();
    let users = if login() == "root" {
        vec!["root", "nobody"]
    } else {
        vec![]
    };
    for user in users.into_iter().map(str::to_owned).chain([login()]) {
        for padding in [0, 200_000] {
            let script = format!("id -un; echo $USER; echo $HOME; #{}", "x".repeat(padding));
            let mut request = CommandRequest::new(script);
            request.user = Some(user.clone());
            let outcome = run_request(&guest, request).await.unwrap();
            let entry = Command::new("getent")
                .args(["passwd", &user])
                .output()
                .unwrap();
            let entry = String::from_utf8(entry.stdout).unwrap();
            let home = entry.trim().split(':').nth(5).unwrap();
            let expected = format!("{user}\n{user}\n{home}\n");
            assert_eq!(String::from_utf8(outcome.stdout).unwrap(), expected);
            assert_eq!(String::from_utf8(outcome.stderr).unwrap(), "");
        }
    }
    // Its time limit works as well.
    if login() == "root" {
        let mut request = CommandRequest::new("sleep 4711");
        request.user = Some("nobody".to_owned());
        request.timeout = Duration::from_millis(300);
        assert!(run_request(&guest, request).await.unwrap().timed_out);
        eventually("the process ends", || sleeps(&sshd).is_empty()).await;
    }
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn what_start_up_files_print_is_not_the_commands() {
    let sshd = Sshd::start();
    // bash reads it, because sshd started it.
    let noise = "echo noise; echo run 1 >&2; echo user >&2; printf 'no end of line'\n";
    std::fs::write(sshd.path().join("home/.bashrc"), noise).unwrap();
    let outcome = run(&sshd.guest(), "echo out; echo err >&2").await;
    assert_eq!(outcome.stdout, b"out\n");
    assert_eq!(outcome.stderr, b"err\n");
    assert_eq!((outcome.stdout_bytes, outcome.stderr_bytes), (4, 4));
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn requests_that_cannot_be_expressed_are_refused() {
    let sshd = Sshd::start();
    let guest = sshd.guest();
    let request = CommandRequest::new("echo a\0b");
    let error = run_request(&guest, request).await.unwrap_err();
    assert!(matches!(error, GuestError::InvalidCommand(_)), "{error:?}");
    let mut request = CommandRequest::new("true");
    request.env = vec![("A B".to_owned(), String::new())];
    let error = run_request(&guest, request).await.unwrap_err();
    assert!(matches!(error, GuestError::InvalidCommand(_)), "{error:?}");
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn a_forced_command_is_no_success() {
    let sshd = Sshd::with("ForceCommand echo forced");
    let error = run_request(&sshd.guest(), CommandRequest::new("true"))
        .await
        .unwrap_err();
    assert_eq!(error, GuestError::NotStarted);
    assert!(!error.may_have_run());
}

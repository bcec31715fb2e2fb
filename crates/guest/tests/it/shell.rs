//! Shells in terminals, and readers that stop.

use std::time::Duration;

use bytes::Bytes;
use guest::{GuestError, ShellReader, ShellRequest};

use crate::sshd::{Sshd, eventually, run};

/// Reads until a text was shown.
async fn until(reader: &mut ShellReader, text: &str) -> String {
    let mut seen = String::new();
    let reading = async {
        while !seen.contains(text) {
            let data = reader.read().await.expect("the shell goes on");
            seen += &String::from_utf8_lossy(&data);
        }
    };
    let result = tokio::time::timeout(Duration::from_secs(20), reading).await;
    assert!(result.is_ok(), "{text:?} was not shown");
    seen
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn a_shell_has_a_terminal_of_its_size_and_tells_how_it_ended() {
    let sshd = Sshd::start();
    let request = ShellRequest {
        cols: 100,
        rows: 30,
        term: "vt100".to_owned(),
    };
    let (mut reader, writer) = sshd.guest().open_shell(&request).await.unwrap().split();
    let other = writer.clone();
    writer
        .write(Bytes::from("stty size; echo \"t=$TERM\"\n"))
        .await
        .unwrap();
    let seen = until(&mut reader, "t=vt100").await;
    assert!(seen.contains("30 100"), "{seen}");
    other.resize(132, 43).await.unwrap();
    other
        .write(Bytes::from("stty size; exit 3\n"))
        .await
        .unwrap();
    until(&mut reader, "43 132").await;
    while reader.read().await.is_some() {}
    assert_eq!(reader.exit_status(), Some(3));
    assert_eq!(reader.read().await, None);
    let written = writer.write(Bytes::from("x")).await;
    assert_eq!(
        written,
        Err(GuestError::Lost {
            may_have_run: false
        })
    );
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn a_closed_or_dropped_shell_leaves_no_process() {
    let sshd = Sshd::start();
    let guest = sshd.guest();
    let count = || {
        let line = |pid: &u32| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        sshd.processes()
            .iter()
            .filter(|pid| line(pid).starts_with(b"sleep\x004711"))
            .count()
    };
    for dropped in [false, true] {
        let shell = guest.open_shell(&ShellRequest::default()).await.unwrap();
        let (mut reader, writer) = shell.split();
        writer.write(Bytes::from("sleep 4711\n")).await.unwrap();
        eventually("it runs", || count() == 1).await;
        if dropped {
            drop(reader);
        } else {
            writer.close();
            while reader.read().await.is_some() {}
        }
        eventually("it ends", || count() == 0).await;
    }
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn a_shell_that_nobody_reads_holds_up_no_command_and_takes_no_memory() {
    let sshd = Sshd::start();
    let guest = sshd.guest();
    let shell = guest.open_shell(&ShellRequest::default()).await.unwrap();
    let (mut reader, writer) = shell.split();
    writer.write(Bytes::from("yes 0123456789\n")).await.unwrap();
    until(&mut reader, "0123456789\r\n0123456789").await;
    // The guest has to wait once the buffers are full: `yes` makes no progress.
    let written = sshd.until_blocked("yes").await;
    for n in 0..20 {
        let script = format!("echo {n}");
        let command = run(&guest, &script);
        let outcome = tokio::time::timeout(Duration::from_secs(10), command)
            .await
            .unwrap();
        assert_eq!(outcome.stdout, format!("{n}\n").into_bytes());
    }
    assert_eq!(sshd.written_by("yes"), Some(written));
    // It goes on where it was.
    for _ in 0..1000 {
        reader.read().await.unwrap();
    }
}

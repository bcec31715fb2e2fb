//! Commands on a connection that is open.

use std::process::Stdio;
use std::time::{Duration, Instant};

use guest::Guest;
use tokio::process::Command;

use crate::figures::{durations, figure};
use crate::process::ProcessorTimes;
use crate::sshd::{Sshd, run};
use crate::{BenchSize, median};

/// Commands that share a connection, of which there may be eight.
const SHARING: usize = 8;

pub async fn measure(size: &BenchSize) {
    let sshd = Sshd::start();
    let guest = sshd.guest();
    guest.probe().await.unwrap();
    warm(&guest, size.commands).await;
    // More of them, since eight go on at a time.
    throughput(&guest, size.commands * 4).await;
    drop(sshd);
    at_once(size).await;
}

/// A command that does nothing, so that all of its time is added. The same by a shell of this
/// machine, in turn with it, tells how much of that is the start of a process here and now.
async fn warm(guest: &Guest, count: usize) {
    let (mut by_ssh, mut here) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let start = Instant::now();
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "true"]).stdin(Stdio::null());
        assert!(shell.status().await.unwrap().success());
        here.push(start.elapsed());
        by_ssh.push(run_true(guest).await);
    }
    durations("warm command over SSH", &mut by_ssh);
    durations("command of a local shell", &mut here);
    figure(
        "warm command over SSH, times that of a local shell",
        median(&mut by_ssh) / median(&mut here),
        "x",
    );
}

/// Commands that share a connection, per second that a core works for this end of it.
async fn throughput(guest: &Guest, count: usize) {
    let pid = std::process::id();
    let (before, start) = (ProcessorTimes::of(pid), Instant::now());
    let workers: Vec<_> = (0..SHARING)
        .map(|_| {
            let guest = guest.clone();
            tokio::spawn(async move {
                for _ in 0..count / SHARING {
                    run_true(&guest).await;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    let (count, spent) = ((count / SHARING * SHARING) as f64, start.elapsed());
    let worked = ProcessorTimes::of(pid).since(&before);
    figure(
        "commands over SSH, 8 at a time",
        count / spent.as_secs_f64(),
        "/s",
    );
    figure(
        "commands over SSH, by this end's processor time",
        count / worked.as_secs_f64(),
        "/s/core",
    );
}

/// Many commands of a second each, at a guest with one connection open.
async fn at_once(size: &BenchSize) {
    let mut spent = Vec::new();
    let mut opened = 0;
    for _ in 0..size.rounds {
        let sshd = Sshd::start();
        let connections = crate::sshd::connections();
        let guest = connections.guest(sshd.target());
        guest.probe().await.unwrap();
        let start = Instant::now();
        let commands: Vec<_> = (0..size.at_once)
            .map(|_| {
                let guest = guest.clone();
                tokio::spawn(async move { run(&guest, "sleep 1").await })
            })
            .collect();
        for command in commands {
            assert_eq!(command.await.unwrap().exit_code, 0);
        }
        spent.push(start.elapsed());
        opened = connections.counts().control;
    }
    durations("50 one-second commands at once", &mut spent);
    figure(
        "connections for 50 commands at once",
        opened as f64,
        "connections",
    );
}

/// Runs `true`, and tells how long it took.
pub async fn run_true(guest: &Guest) -> Duration {
    let start = Instant::now();
    let outcome = run(guest, "true").await;
    let spent = start.elapsed();
    assert_eq!(outcome.exit_code, 0);
    spent
}

//! Connections: the time to open one, and the memory of those that are idle.

use std::time::Instant;

use guest::GuestTarget;

use crate::figures::{durations, figure};
use crate::sshd::{Sshd, connections, eventually};
use crate::{BenchSize, process};

pub async fn measure(size: &BenchSize) {
    let sshd = Sshd::start();
    // The first connection of the process makes what all of them share.
    connections().guest(sshd.target()).probe().await.unwrap();
    idle(&sshd, size.idle).await;
    cold(&sshd, size.logins).await;
}

/// The TCP connection, the key exchange and the login.
async fn cold(sshd: &Sshd, count: usize) {
    let mut spent = Vec::new();
    for _ in 0..count {
        let guest = connections().guest(sshd.target());
        let start = Instant::now();
        guest.probe().await.unwrap();
        spent.push(start.elapsed());
    }
    durations("cold SSH connection", &mut spent);
}

/// The memory of connections that are logged in and idle: here, and of the guest's server, which is
/// the customer's.
async fn idle(sshd: &Sshd, count: usize) {
    let connections = connections();
    let pid = std::process::id();
    let (ours, theirs) = (process::resident(pid), server_memory(sshd));
    for n in 0..count {
        // A lease of its own has a connection of its own.
        let target = GuestTarget {
            lease_id: format!("{}-{n}", sshd.lease),
            ..sshd.target()
        };
        connections.guest(target).probe().await.unwrap();
    }
    // The last channel is still being closed.
    eventually("all connections are idle", || {
        connections.counts().idle == count
    })
    .await;
    let each = |bytes: u64| bytes as f64 / 1024.0 / count as f64;
    let (ours, theirs) = (
        process::resident(pid).saturating_sub(ours),
        server_memory(sshd).saturating_sub(theirs),
    );
    figure("memory for each idle SSH connection", each(ours), "KiB");
    figure(
        "memory for each idle SSH connection, in the guest",
        each(theirs),
        "KiB",
    );
}

/// The memory of the server's connections, in bytes. A page that several processes share counts
/// once.
fn server_memory(sshd: &Sshd) -> u64 {
    let of = |pid: u32| {
        let maps = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = maps.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    };
    sshd.processes().into_iter().filter_map(of).sum::<u64>() << 10
}

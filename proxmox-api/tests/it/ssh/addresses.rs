//! A container without an address of the service's claims the address of another host: what the
//! customer sees tells nothing of that host.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use proxmox_api::{
    lease::guest::stream::{self, StillAllowed},
    memory::guest_streams::StreamKind,
};
use serde_json::{Value, json};

use super::server::SshGuest;

impl SshGuest {
    /// What the owner is told after a new try, and how long it takes.
    async fn tried(&self) -> (Value, Duration) {
        let app = &self.guest.app;
        app.app.drop_guest(&self.lease_id);
        let begun = Instant::now();
        let answer = self.session.get(app, &self.path("access")).await;
        (answer.body, begun.elapsed())
    }

    /// What a visitor or an SSH client gets who comes first, how long it takes, and how many
    /// connections are made for them.
    async fn visited(&self) -> (Option<String>, Duration, usize) {
        let app = &self.guest.app.app;
        app.drop_guest(&self.lease_id);
        let lease = app.store.lease(&self.lease_id).await.unwrap().unwrap();
        let (before, begun) = (self.dialled.load(Ordering::Relaxed), Instant::now());
        let allowed: StillAllowed = Box::new(|| Box::pin(async { Ok(true) }));
        let (wanted, idle) = ((StreamKind::Ssh, 22), Duration::from_secs(60));
        let opened = stream::open(app, &lease, wanted, idle, allowed).await;
        let refused = opened.err().map(|refused| format!("{refused:?}"));
        let dialled = self.dialled.load(Ordering::Relaxed) - before;
        (refused, begun.elapsed(), dialled)
    }
}

#[tokio::test]
#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[cfg_attr(
    all(has_sshd, not(has_mount)),
    ignore = "needs the right to mount a file system"
)]
async fn a_visitor_who_comes_first_leads_to_no_address_that_was_not_looked_at() {
    let mut ssh = SshGuest::start().await;
    assert!(ssh.visited().await.2 > 0, "the container is asked");
    let mut visits = Vec::new();
    ssh.reachable.store(false, Ordering::Relaxed);
    visits.push(("nothing answers", ssh.visited().await));
    ssh.reachable.store(true, Ordering::Relaxed);
    ssh.server.stop();
    visits.push(("a closed port", ssh.visited().await));
    for address in ["127.0.0.1", "169.254.169.254"] {
        let sql = format!("UPDATE leases SET ip = '{address}'");
        ssh.guest.app.rewrite(&sql);
        visits.push((address, ssh.visited().await));
    }
    let forbidden = visits.iter().skip(2);
    assert!(forbidden.clone().all(|(_, visit)| visit.2 == 0));
    for (what, (refused, time, _)) in visits {
        assert_eq!(refused.as_deref(), Some("Obstacle(NoAnswer)"), "{what}");
        assert!(time >= Duration::from_secs(2), "{what}: {time:?}");
    }
}

#[tokio::test]
#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[cfg_attr(
    all(has_sshd, not(has_mount)),
    ignore = "needs the right to mount a file system"
)]
async fn all_that_can_be_at_a_claimed_address_looks_alike() {
    let mut ssh = SshGuest::start().await;
    assert_eq!(ssh.tried().await.0, json!({"via": "ssh"}));
    let same = json!({
        "via": "terminal",
        "reason": "No SSH server with the container's host key answers at the container's address.",
        "canSetUp": true,
        "temporary": true,
    });
    let mut tries = Vec::new();
    ssh.reachable.store(false, Ordering::Relaxed);
    tries.push(("nothing answers", ssh.tried().await));
    ssh.reachable.store(true, Ordering::Relaxed);
    let other = guest::HostKeys::from_public_keys(
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f",
    );
    ssh.knows(&other).await;
    tries.push(("another host's SSH server", ssh.tried().await));
    ssh.server.stop();
    tries.push(("a closed port", ssh.tried().await));
    let before = ssh.dialled.load(Ordering::Relaxed);
    for address in [
        "127.0.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "::ffff:127.0.0.1",
    ] {
        let sql = format!("UPDATE leases SET ip = '{address}'");
        ssh.guest.app.rewrite(&sql);
        tries.push((address, ssh.tried().await));
    }
    assert_eq!(ssh.dialled.load(Ordering::Relaxed), before);
    for (what, (told, time)) in tries {
        assert_eq!(told, same, "{what}");
        assert!(time >= Duration::from_secs(2), "{what}: {time:?}");
    }
}

#[tokio::test]
#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[cfg_attr(
    all(has_sshd, not(has_mount)),
    ignore = "needs the right to mount a file system"
)]
async fn an_owner_who_asks_in_quick_succession_makes_few_connections() {
    let mut ssh = SshGuest::start().await;
    ssh.server.stop();
    ssh.tried().await;
    let before = ssh.dialled.load(Ordering::Relaxed);
    let begun = Instant::now();
    for _ in 0..50 {
        let answer = ssh.session.get(&ssh.guest.app, &ssh.path("access")).await;
        assert_eq!(answer.body["via"], "terminal", "{:?}", answer.body);
    }
    // The pauses are of the service's clock, which follows this one.
    let tries = ssh.dialled.load(Ordering::Relaxed) - before;
    assert!(tries <= 4, "{tries} in {:?}", begun.elapsed());
}

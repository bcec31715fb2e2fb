//! OpenSSH from 9.8 on turns an address away for a while after failed logins (PerSourcePenalties).
//! What the service does for one lease keeps below that, and it waits where another did not.

use std::time::{Duration, Instant};

use guest::{GuestError, GuestKey, HostKeys};

use crate::sshd::{Sshd, connections, eventually, run};

const MOMENT: Duration = Duration::from_millis(50);

#[cfg_attr(
    not(has_ssh_penalties),
    ignore = "needs OpenSSH's server from 9.8 on (Debian: openssh-server)"
)]
#[tokio::test]
async fn refused_keys_bring_no_penalty_upon_the_service() {
    let sshd = Sshd::with("LogLevel VERBOSE");
    let log = || std::fs::read_to_string(sshd.path().join("log")).unwrap();
    let connections = connections();
    // The customer removed the key, and asks again and again.
    let mut removed = sshd.target();
    removed.lease_id = "removed".to_owned();
    removed.key = GuestKey::derive(b"another installation", &sshd.lease);
    let removed = connections.guest(removed);
    for _ in 0..20 {
        assert_eq!(removed.probe().await, Err(GuestError::AuthRefused));
    }
    // The server notes a failure when the process for the connection has ended.
    eventually("all have ended", || sshd.processes().is_empty()).await;
    connections.guest(sshd.target()).probe().await.unwrap();
    assert!(!log().contains("activating penalty"), "{}", log());
}

#[cfg_attr(
    not(has_ssh_penalties),
    ignore = "needs OpenSSH's server from 9.8 on (Debian: openssh-server)"
)]
#[tokio::test]
async fn strange_host_keys_and_logins_that_are_cut_off_bring_no_penalty_upon_the_service() {
    let sshd = Sshd::with("LogLevel VERBOSE");
    let connections = connections();
    // The host key was made anew, and the service does not know it yet.
    let mut renewed = sshd.target();
    let print = "ed25519=SHA256:uNiVztksCsDhcc0u9e8BgrJXVGLeDY8pfgnyjIq1Wqo";
    renewed.host_keys = HostKeys::parse(print).unwrap();
    let renewed = connections.guest(renewed);
    for _ in 0..20 {
        assert_eq!(renewed.probe().await, Err(GuestError::HostKeyMismatch));
    }
    connections.forget(&sshd.lease);
    let guest = connections.guest(sshd.target());
    // Callers who give up in the middle of a login.
    for millis in [1, 3, 5, 10, 20] {
        let cut_off = Duration::from_millis(millis);
        let _ = tokio::time::timeout(cut_off, guest.probe()).await;
    }
    tokio::time::sleep(MOMENT).await;
    assert_eq!(run(&guest, "echo in").await.stdout, b"in\n");
    let log = std::fs::read_to_string(sshd.path().join("log")).unwrap();
    assert!(!log.contains("activating penalty"), "{log}");
}

#[cfg_attr(
    not(has_ssh_penalties),
    ignore = "needs OpenSSH's server from 9.8 on (Debian: openssh-server)"
)]
#[tokio::test]
async fn a_penalty_is_told_and_not_made_longer_by_asking() {
    let sshd = Sshd::with("PerSourcePenalties authfail:3s min:1s max:3s");
    let connections = connections();
    let mut stranger = sshd.target();
    stranger.lease_id = "stranger".to_owned();
    stranger.key = GuestKey::derive(b"another installation", &sshd.lease);
    let refused = connections.guest(stranger).probe().await;
    assert_eq!(refused, Err(GuestError::AuthRefused));
    let guest = connections.guest(sshd.target());
    let by = Instant::now() + Duration::from_secs(20);
    let mut penalized = false;
    loop {
        assert!(Instant::now() < by, "the penalty does not begin or end");
        match guest.probe().await {
            Err(GuestError::Penalized) => penalized = true,
            Ok(()) if penalized => break,
            // The server has not noted the failure yet.
            Ok(()) => connections.forget(&sshd.lease),
            Err(error) => panic!("{error:?}"),
        }
        tokio::time::sleep(MOMENT).await;
    }
}

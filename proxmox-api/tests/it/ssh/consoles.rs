//! Consoles over SSH: each has a shell of its own.

use std::time::Duration;

use pve::ConsoleUse;

use crate::{
    console::client::{connect, open, ticket},
    guest::Guest,
};

use super::server::SshGuest;

#[tokio::test]
#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[cfg_attr(
    all(has_sshd, not(has_mount)),
    ignore = "needs the right to mount a file system"
)]
async fn consoles_are_open_at_once_beside_commands_and_each_has_its_shell() {
    let ssh = SshGuest::start().await;
    let (mut one, _) = open(&ssh.guest).await;
    let (mut other, _) = open(&ssh.guest).await;
    one.keys("WHO=one; echo is-$WHO\r").await;
    one.until("is-one").await;
    other.keys("echo is-${WHO:-nobody}; stty size\r").await;
    other.until("is-nobody").await;
    other.until("40 120").await;
    assert_eq!(ssh.guest.output("echo beside").await, "beside\n");
    one.keys("echo still-$WHO\r").await;
    one.until("still-one").await;
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
async fn a_lost_connection_comes_back_to_its_shell_and_after_a_restart_is_told_that_it_is_gone() {
    let mut ssh = SshGuest::start().await;
    let (mut console, resume) = open(&ssh.guest).await;
    console.keys("MARK=kept; echo set-$MARK\r").await;
    console.until("set-kept").await;
    drop(console);
    let mut again = connect(&ssh.guest, &resume).await;
    let resume = again.opened(&ssh.guest).await;
    again.keys("echo it-is-$MARK\r").await;
    again.until("it-is-kept").await;
    ssh.guest.app.restart().await;
    drop(again);
    let mut anew = connect(&ssh.guest, &resume).await;
    anew.opened(&ssh.guest).await;
    anew.until("this is a new one").await;
    anew.keys("echo now-${MARK:-empty}\r").await;
    anew.until("now-empty").await;
    let unused = ticket(&ssh.guest).await;
    assert!(!unused.starts_with("resume_"));
}

#[tokio::test]
async fn a_console_waits_for_the_services_own_reading_of_host_keys() {
    let guest = Guest::plain().await;
    let app = &guest.app.app;
    let lease = app.store.live_leases().await.unwrap().remove(0);
    let reading = app.guest_routes.begin_reading(&lease.lease_id).unwrap();
    let locks = app.proxmox.consoles.locks();
    let held = locks.acquire(&lease.node, lease.vmid, ConsoleUse::Exec, Duration::ZERO);
    let held = held.await.unwrap();
    let mut client = connect(&guest, &ticket(&guest).await).await;
    // Longer than a console waits for a customer's command.
    client.waits(Duration::from_secs(11)).await;
    drop((held, reading));
    client.opened(&guest).await;
}

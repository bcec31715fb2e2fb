//! Attacks on commands, consoles and files over SSH: by a customer against the service, by other
//! customers, and by chance.

use std::time::Duration;

use ::guest::{Guest as SshSession, GuestError, GuestTarget, OpenedCommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::server::SshGuest;
use crate::{
    buyer::Buyer,
    console::client::{connect, open, ticket},
    support::until,
};

impl SshGuest {
    /// The connections that the service itself has into the container.
    async fn own_connections(&self) -> SshSession {
        let app = &self.guest.app.app;
        let lease = app.store.lease(&self.lease_id).await.unwrap().unwrap();
        let address = lease.address.or(lease.ip).unwrap();
        app.guests.guest(GuestTarget {
            lease_id: self.lease_id.to_string(),
            address: address.parse().unwrap(),
            port: 22,
            key: app.installation.guest_key(&self.lease_id),
            host_keys: self.server.host_keys(),
        })
    }

    async fn begun(&self, body: Value) -> String {
        let answer = self.guest.exec(body).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        let id = answer.body["commandId"].as_str().unwrap().to_owned();
        let path = self.path(&format!("commands/{id}"));
        until("the command ends", async || {
            let shown = self.session.get(&self.guest.app, &path).await;
            (shown.body["state"] == "ended").then_some(())
        })
        .await;
        id
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
async fn no_variable_changes_what_runs_in_the_background_or_as_whom() {
    let ssh = SshGuest::start().await;
    let env = json!({
        "script": "echo wrong", "i": "0", "g": "0", "u": "root", "p": "/bin/false", "PATH": "/nowhere",
    });
    for (user, shown) in [
        ("nobody", "nobody\necho wrong\n"),
        ("root", "root\necho wrong\n"),
    ] {
        let body = json!({
            "command": "/usr/bin/id -un; echo \"$script\"", "background": true, "user": user, "env": env,
        });
        let id = ssh.begun(body).await;
        let path = ssh.path(&format!("commands/{id}"));
        let answer = ssh.session.get(&ssh.guest.app, &path).await;
        assert_eq!(answer.body["stdout"], shown, "{:?}", answer.body);
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
async fn an_offset_beyond_all_output_is_answered() {
    let ssh = SshGuest::start().await;
    let id = ssh
        .begun(json!({"command": "echo out; echo err >&2", "background": true}))
        .await;
    let most = u64::MAX;
    let path = ssh.path(&format!("commands/{id}?stdoutOffset={most}"));
    let answer = ssh.session.get(&ssh.guest.app, &path).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    assert_eq!(answer.body["stdout"], "");
    assert_eq!(answer.body["stdoutOffset"], json!(most));
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
async fn what_is_no_file_is_said_to_be_none() {
    let ssh = SshGuest::start().await;
    ssh.guest.output("mkfifo /srv/pipe").await;
    for path in ["/dev/null", "/srv/pipe"] {
        let path = ssh.path(&format!("files?path={path}"));
        for method in [Method::GET, Method::PUT] {
            let answer = ssh.session.call(&ssh.guest.app, method, &path).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code()),
                (409, "file_conflict"),
                "{path}: {:?}",
                answer.body
            );
        }
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
async fn a_ticket_for_which_there_was_no_connection_is_good_for_another_try() {
    let ssh = SshGuest::start().await;
    let session = ssh.own_connections().await;
    // All connections that a lease may have.
    let mut held: Vec<OpenedCommand> = Vec::new();
    let full = loop {
        match session.open_command(true).await {
            Ok(opened) => held.push(opened),
            Err(error) => break error,
        }
    };
    let log = ssh.server.log();
    assert_eq!(full, GuestError::TooMany, "after {}: {log}", held.len());
    let ticket = ticket(&ssh.guest).await;
    let refused = connect(&ssh.guest, &ticket).await;
    let (code, reason) = refused.closed().await;
    assert_eq!(code, 1013, "{reason}");
    drop(held);
    let mut client = connect(&ssh.guest, &ticket).await;
    client.opened(&ssh.guest).await;
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
async fn a_container_whose_sessions_are_all_in_use_is_not_taken_for_unreachable() {
    let ssh = SshGuest::start().await;
    let session = ssh.own_connections().await;
    let mut held: Vec<OpenedCommand> = Vec::new();
    let full = loop {
        match session.open_command(false).await {
            Ok(opened) => held.push(opened),
            Err(error) => break error,
        }
    };
    let log = ssh.server.log();
    assert_eq!(full, GuestError::TooMany, "after {}: {log}", held.len());
    let refused = ssh
        .guest
        .exec(json!({"command": "cat", "stdin": "x"}))
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (429, "rate_limited"),
        "{:?}",
        refused.body
    );
    drop(held);
    let answer = ssh
        .guest
        .exec(json!({"command": "cat", "stdin": "x"}))
        .await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    assert_eq!(answer.body["via"], "ssh");
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
async fn a_shell_that_died_while_it_waited_costs_no_ticket() {
    let mut ssh = SshGuest::start().await;
    let (console, resume) = open(&ssh.guest).await;
    drop(console);
    until("the shell waits", async || {
        let app = &ssh.guest.app;
        let events = app.app.store.events(&ssh.lease_id, 0, 100).await.unwrap();
        events
            .iter()
            .any(|event| event.kind == "console_closed")
            .then_some(())
    })
    .await;
    ssh.server.stop();
    ssh.server.start_again();
    until("SSH works again", async || {
        let access = ssh.session.get(&ssh.guest.app, &ssh.path("access")).await;
        (access.body == json!({"via": "ssh"})).then_some(())
    })
    .await;
    let mut client = connect(&ssh.guest, &resume).await;
    client.opened(&ssh.guest).await;
    client.until("this is a new one").await;
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
async fn another_wallet_reaches_nothing_and_nobody_does_after_the_end() {
    let ssh = SshGuest::start().await;
    let app = &ssh.guest.app;
    let id = ssh
        .begun(json!({"command": "echo mine", "background": true}))
        .await;
    let paths = [
        "files?path=/etc/hostname".to_owned(),
        "commands".to_owned(),
        format!("commands/{id}"),
        "access".to_owned(),
    ];
    let thief = Buyer::funded(app, 2).await.sign_in(app).await;
    for rest in &paths {
        for lease in [ssh.lease_id.to_string(), ssh.guest.ctid.to_string()] {
            let path = format!("/lease/{lease}/{rest}");
            let answer = thief.get(app, &path).await;
            assert_eq!(answer.status, 403, "{path}: {:?}", answer.body);
            assert_eq!(ssh.session.get(app, &path).await.status, 200, "{path}");
        }
    }
    let (console, resume) = open(&ssh.guest).await;
    drop(console);
    let (open_console, _) = open(&ssh.guest).await;
    app.clock.advance(Duration::from_secs(30 * 60 + 1));
    let (code, reason) = open_console.closed().await;
    assert_eq!(code, 4410, "{reason}");
    for rest in &paths {
        let answer = ssh.session.get(app, &ssh.path(rest)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (409, "lease_conflict"),
            "{rest}"
        );
    }
    let (code, reason) = connect(&ssh.guest, &resume).await.closed().await;
    assert!([4410, 4401].contains(&code), "{code}: {reason}");
}

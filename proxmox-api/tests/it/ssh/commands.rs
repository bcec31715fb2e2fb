//! Commands over SSH.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use super::server::SshGuest;
use crate::support::until;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[cfg_attr(
    all(has_sshd, not(has_mount)),
    ignore = "needs the right to mount a file system"
)]
async fn a_command_has_input_environment_folder_and_user() {
    let ssh = SshGuest::start().await;
    let answer = ssh
        .guest
        .exec(json!({
            "command": "cat; echo $GREETING; pwd; id -un; echo oops >&2; exit 3",
            "stdin": "in\n", "env": {"GREETING": "it's $HOME"}, "cwd": "/tmp", "user": "nobody",
        }))
        .await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let body = &answer.body;
    assert_eq!(body["via"], "ssh");
    assert_eq!(body["stdout"], "in\nit's $HOME\n/tmp\nnobody\n");
    assert_eq!(
        (&body["stderr"], &body["exitCode"]),
        (&json!("oops\n"), &json!(3))
    );
    assert_eq!(body["upid"], "");
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
async fn commands_run_side_by_side() {
    let ssh = SshGuest::start().await;
    let begun = Instant::now();
    let all = (0..6).map(|_| ssh.guest.exec(json!({"command": "sleep 1; echo done"})));
    let answers = futures_util::future::join_all(all).await;
    for answer in answers {
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        assert_eq!(answer.body["stdout"], "done\n");
    }
    // One after the other they take six.
    assert!(begun.elapsed() < 5 * SECOND, "{:?}", begun.elapsed());
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
async fn what_the_container_lacks_is_refused_before_money_moves() {
    let ssh = SshGuest::start().await;
    for (field, body) in [
        ("user", json!({"command": "true", "user": "stranger"})),
        ("cwd", json!({"command": "true", "cwd": "/nowhere"})),
    ] {
        let call = ssh.guest.exec(body);
        let answer = ssh.guest.refused(400, "invalid_request", call).await;
        let fields = &answer.body["error"]["details"]["fields"];
        assert_eq!(fields[0]["field"], field, "{fields}");
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
async fn without_a_server_the_terminal_is_used_and_what_needs_ssh_costs_nothing() {
    let mut ssh = SshGuest::start().await;
    assert_eq!(ssh.guest.output("echo one").await, "one\n");
    ssh.server.stop();
    ssh.guest.app.app.forget_guest(&ssh.lease_id);
    let answer = ssh.guest.exec(json!({"command": "echo two"})).await;
    assert_eq!(
        (&answer.body["stdout"], &answer.body["via"]),
        (&json!("two\n"), &json!("terminal"))
    );
    let call = ssh.guest.exec(json!({"command": "cat", "stdin": "x"}));
    let refused = ssh.guest.refused(409, "ssh_unavailable", call).await;
    let message = refused.body["error"]["message"].as_str().unwrap();
    assert!(message.contains("No SSH server with"), "{message}");

    ssh.server.start_again();
    let access = ssh.session.get(&ssh.guest.app, &ssh.path("access")).await;
    assert_eq!(access.body, json!({"via": "ssh"}));
    let answer = ssh.guest.exec(json!({"command": "echo three"})).await;
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
async fn every_obstacle_leads_to_the_terminal_and_is_shown() {
    let ssh = SshGuest::start().await;
    let app = &ssh.guest.app;
    let terminal = async |reason: &str| {
        until(reason, async || {
            app.app.guest_routes.forget(&ssh.lease_id);
            let begun = Instant::now();
            let answer = ssh.guest.exec(json!({"command": "echo here"})).await;
            assert_eq!(
                answer.body["via"], "terminal",
                "{reason}: {:?}",
                answer.body
            );
            assert!(begun.elapsed() < 10 * SECOND, "{reason}");
            let path = format!("/leases/{}", ssh.lease_id);
            let access = &ssh.session.get(app, &path).await.body["access"];
            let shown = access["reason"].as_str()?;
            (access["via"] == "terminal" && shown.contains(reason)).then_some(())
        })
        .await;
    };
    ssh.server.remove_key();
    app.app.forget_guest(&ssh.lease_id);
    terminal("does not accept the service's key").await;
    ssh.reachable.store(false, Ordering::Relaxed);
    app.app.forget_guest(&ssh.lease_id);
    terminal("No SSH server with").await;
    ssh.reachable.store(true, Ordering::Relaxed);
    let other = guest::HostKeys::from_public_keys(
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f",
    );
    ssh.knows(&other).await;
    terminal("No SSH server with").await;
}

#[tokio::test]
async fn a_lease_from_before_goes_on_by_its_terminal_and_says_how_to_get_more() {
    let guest = crate::guest::Guest::with(crate::guest::plain_shell(), &[]).await;
    guest
        .app
        .rewrite("UPDATE leases SET ssh_key = 0, host_keys = NULL");
    let mut app = guest.app;
    app.restart_with(&[("GUEST_SSH", "true")]).await;
    let guest = crate::guest::Guest { app, ..guest };
    let answer = guest.exec(json!({"command": "echo old"})).await;
    assert_eq!(
        (&answer.body["stdout"], &answer.body["via"]),
        (&json!("old\n"), &json!("terminal"))
    );
    let session = guest.buyer.sign_in(&guest.app).await;
    let leases = session.get(&guest.app, "/leases").await;
    let access = &leases.body["leases"][0]["access"];
    assert_eq!(access["canSetUp"], true, "{access}");
    let path = format!("/lease/{}/files?path=/etc", guest.ctid);
    let refused = session.call(&guest.app, Method::GET, &path).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (409, "ssh_unavailable")
    );
    let advice = &refused.body["error"]["nextActions"][0];
    assert!(advice.as_str().unwrap().contains("/access"), "{advice}");
}

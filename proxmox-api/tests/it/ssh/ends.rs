//! The end of the paid time, and numbers that make no sense.

use std::time::Duration;

use futures_util::StreamExt as _;
use proxmox_api::lease::comparing::reconcile;
use serde_json::json;

use super::{server::SshGuest, uploads::stalling_body};
use crate::{console::client::open, support::until};

#[tokio::test]
#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[cfg_attr(
    all(has_sshd, not(has_mount)),
    ignore = "needs the right to mount a file system"
)]
async fn the_end_of_the_paid_time_cuts_commands_consoles_and_transfers() {
    let ssh = SshGuest::start().await;
    let app = &ssh.guest.app;
    ssh.guest.output("truncate -s 500M /var/lib/large").await;
    let (console, _) = open(&ssh.guest).await;
    let url = |path: &str| format!("{}{}", app.url, ssh.path(&format!("files?path={path}")));
    let get = app.http.get(url("/var/lib/large"));
    let get = get.bearer_auth(&ssh.session.0).send().await.unwrap();
    let mut download = get.bytes_stream();
    download.next().await.unwrap().unwrap();
    let put = app.http.put(url("/srv/f")).bearer_auth(&ssh.session.0);
    let upload = tokio::spawn(put.body(stalling_body()).send());
    let body = json!({"command": "sleep 1234", "timeoutSeconds": 300});
    let command = ssh.guest.exec(body);
    tokio::pin!(command);
    let begun = until("all of it runs", async || {
        let shown = ssh
            .guest
            .output("ls /srv; pgrep -fx 'sleep 1234' >/dev/null && echo runs");
        let shown = shown.await;
        (shown.starts_with("f.i402-") && shown.ends_with("runs\n")).then_some(())
    });
    tokio::select! {
        () = begun => {}
        answer = &mut command => panic!("{:?}", answer.body),
    }
    app.clock.advance(Duration::from_secs(30 * 60 + 1));
    let ended = async {
        let answer = command.await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (409, "payment_owed"),
            "{:?}",
            answer.body
        );
        assert_eq!(console.closed().await.0, 4410);
        let answer = upload.await.unwrap().unwrap();
        assert_eq!(answer.status(), 502);
        let mut length = 0;
        loop {
            match download.next().await {
                Some(Ok(piece)) => length += piece.len(),
                Some(Err(_)) => break,
                None => panic!("{length} bytes are taken for the whole file"),
            }
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(40), ended);
    ended.await.expect("all of it ends with the paid time");
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
async fn numbers_below_zero_and_beyond_all_bounds_are_refused() {
    let ssh = SshGuest::start().await;
    let app = &ssh.guest.app;
    for number in ["-1", "1.5", "x", "", "18446744073709551616"] {
        for name in ["stdoutOffset", "stderrOffset", "waitSeconds"] {
            let path = ssh.path(&format!("commands/cmd_1?{name}={number}"));
            let answer = ssh.session.get(app, &path).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code()),
                (400, "invalid_request"),
                "{name}={number}: {:?}",
                answer.body
            );
        }
    }
    for body in [
        json!({"command": "true", "timeoutSeconds": -1}),
        json!({"command": "true", "timeoutSeconds": 1.5}),
    ] {
        let post = app
            .http
            .post(format!("{}{}", app.url, ssh.guest.exec_path()));
        let answer = post.json(&body).send().await.unwrap();
        let status = answer.status().as_u16();
        let told: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(
            (status, &told["error"]["code"]),
            (400, &json!("invalid_request")),
            "{told}"
        );
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
async fn a_replica_keeps_nothing_of_a_lease_that_another_one_has_ended() {
    let ssh = SshGuest::start().await;
    let app = &ssh.guest.app;
    ssh.guest.output("true").await;
    reconcile::take_over_alarms(&app.app).await.unwrap();
    assert!(app.app.known_guest_ids().contains(&ssh.lease_id));
    app.rewrite("UPDATE leases SET state = 'destroyed'");
    reconcile::take_over_alarms(&app.app).await.unwrap();
    assert!(app.app.known_guest_ids().is_empty());
    assert_eq!(app.app.guests.counts().control, 0);
}

//! Background commands: they live in the container.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::server::{Root, SshGuest};
use crate::support::until;

impl SshGuest {
    async fn begin(&self, command: &str) -> String {
        let body = json!({"command": command, "background": true});
        let answer = self.guest.exec(body).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        assert_eq!(answer.body["exitCode"], Value::Null);
        answer.body["commandId"].as_str().unwrap().to_owned()
    }

    pub(super) async fn until_ended(&self, id: &str) {
        until("the command ends", async || {
            (self.show(id, "").await["state"] == "ended").then_some(())
        })
        .await;
    }

    pub(super) async fn show(&self, id: &str, query: &str) -> Value {
        let path = self.path(&format!("commands/{id}?{query}"));
        let answer = self.session.get(&self.guest.app, &path).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        answer.body
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
async fn a_background_command_outlives_the_service_and_is_read_from_any_offset() {
    let mut ssh = SshGuest::start().await;
    let begun = Instant::now();
    let id = ssh
        .begin("echo one; sleep 2; echo two; echo err >&2; exit 7")
        .await;
    let first = ssh.show(&id, "waitSeconds=20").await;
    assert_eq!(
        (&first["stdout"], &first["state"]),
        (&json!("one\n"), &json!("running"))
    );
    assert!(begun.elapsed() < Duration::from_secs(15));
    ssh.guest.app.restart().await;
    ssh.session = ssh.guest.buyer.sign_in(&ssh.guest.app).await;
    let offset = first["stdoutOffset"].as_u64().unwrap();
    let rest = ssh
        .show(&id, &format!("stdoutOffset={offset}&waitSeconds=20"))
        .await;
    assert_eq!(rest["stdout"], "two\n");
    ssh.until_ended(&id).await;
    let whole = ssh.show(&id, "").await;
    assert_eq!(whole["stdout"], "one\ntwo\n");
    assert_eq!(
        (&whole["stderr"], &whole["exitCode"]),
        (&json!("err\n"), &json!(7))
    );
    let listed = ssh.session.get(&ssh.guest.app, &ssh.path("commands")).await;
    let commands = listed.body["commands"].as_array().unwrap();
    assert_eq!(commands.len(), 1);
    assert_eq!(commands[0]["commandId"], json!(id));
    assert_eq!(
        commands[0]["command"],
        "echo one; sleep 2; echo two; echo err >&2; exit 7"
    );
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
async fn a_signal_reaches_the_whole_group_and_its_end_is_written_down() {
    let ssh = SshGuest::start().await;
    // What a shell starts by `&` ignores SIGINT.
    for (signal, status, command) in [
        ("INT", 130, "sleep 1000"),
        ("TERM", 143, "sleep 1000 & sleep 1000"),
        ("KILL", 137, "sleep 1000 & sleep 1000"),
    ] {
        let id = ssh.begin(command).await;
        let path = ssh.path(&format!("commands/{id}?signal={signal}"));
        let answer = ssh
            .session
            .call(&ssh.guest.app, Method::DELETE, &path)
            .await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        ssh.until_ended(&id).await;
        assert_eq!(ssh.show(&id, "").await["exitCode"], status, "{signal}");
    }
    let left = ssh.guest.output("pgrep -fx 'sleep 1000' | wc -l").await;
    assert_eq!(left.trim(), "0");
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
async fn surroundings_and_input_are_those_of_the_request() {
    let ssh = SshGuest::start().await;
    let body = json!({
        "command": "cat; pwd; id -un; echo \"$A\"", "background": true, "stdin": "in\n",
        "cwd": "/tmp", "user": "nobody", "env": {"A": "it's"},
    });
    let answer = ssh.guest.exec(body).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let id = answer.body["commandId"].as_str().unwrap();
    ssh.until_ended(id).await;
    assert_eq!(ssh.show(id, "").await["stdout"], "in\n/tmp\nnobody\nit's\n");
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
async fn unknown_and_hostile_ids_name_no_command() {
    let ssh = SshGuest::start().await;
    for id in ["cmd_0", "cmd_..", "x", "cmd_%2e%2e%2fetc", "cmd_$(id)"] {
        let path = ssh.path(&format!("commands/{id}"));
        let answer = ssh.session.get(&ssh.guest.app, &path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (404, "command_not_found"),
            "{id}"
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
async fn two_replicas_that_get_one_payment_begin_one_command_and_both_find_it() {
    let ssh = SshGuest::start().await;
    let beside = ssh.guest.app.beside().await;
    let body = json!({"command": "echo once >>/srv/count", "background": true});
    let path = ssh.guest.exec_path();
    let signed = ssh
        .guest
        .buyer
        .sign(&ssh.guest.app, Method::POST, &path, Some(body))
        .await
        .with_key("purchase-4f1c9a77d2e0b356");
    let (one, other) = tokio::join!(signed.send(&ssh.guest.app), signed.send(&beside));
    let answers = [&one, &other];
    let good = answers.iter().find(|answer| answer.status == 200);
    let good = good.unwrap_or_else(|| panic!("{:?} {:?}", one.body, other.body));
    let id = good.body["commandId"].as_str().unwrap().to_owned();
    for answer in answers {
        let busy = answer.code() == "payment_in_progress";
        assert!(
            busy || answer.body["commandId"] == json!(id),
            "{:?}",
            answer.body
        );
    }
    ssh.until_ended(&id).await;
    let found = ssh.session.get(&beside, &ssh.path("commands")).await;
    assert_eq!(found.body["commands"].as_array().unwrap().len(), 1);
    assert_eq!(found.body["commands"][0]["commandId"], json!(id));
    assert_eq!(ssh.guest.output("cat /srv/count").await, "once\n");
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
async fn a_command_that_fills_the_disk_ends_and_says_that_output_may_be_missing() {
    let ssh = SshGuest::start().await;
    let id = ssh.begin("head -c 100000000 /dev/zero; exit 9").await;
    ssh.until_ended(&id).await;
    let offset = ssh.show(&id, "").await["stdoutBytes"].as_u64().unwrap();
    let shown = ssh.show(&id, &format!("stdoutOffset={offset}")).await;
    assert_eq!(shown["exitCode"], 9, "{shown}");
    let stderr = shown["stderr"].as_str().unwrap();
    assert!(stderr.contains("the container's disk is full"), "{shown}");
    // The next one is not begun at all.
    let body = json!({"command": "echo x", "background": true});
    let refused = ssh.guest.exec(body).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (409, "lease_conflict")
    );
    let message = refused.body["error"]["message"].as_str().unwrap();
    assert!(message.contains("disk is full"), "{message}");
    assert_eq!(ssh.guest.output("echo in front").await, "in front\n");
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
async fn a_folder_that_is_closed_to_root_is_entered_by_the_user_of_the_command() {
    let ssh = SshGuest::with(Root::WithoutOthersFiles).await;
    ssh.guest
        .output("mkdir /srv/own && chown nobody /srv/own && chmod 700 /srv/own")
        .await;
    assert_ne!(ssh.guest.output("cd /srv/own 2>&1; true").await, "");
    let body = json!({"command": "pwd", "background": true, "user": "nobody", "cwd": "/srv/own"});
    let answer = ssh.guest.exec(body).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let id = answer.body["commandId"].as_str().unwrap();
    ssh.until_ended(id).await;
    let shown = ssh.show(id, "").await;
    assert_eq!(
        (&shown["stdout"], &shown["exitCode"]),
        (&json!("/srv/own\n"), &json!(0)),
        "{shown}"
    );
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
async fn a_signal_waits_for_a_command_that_has_just_begun() {
    let ssh = SshGuest::start().await;
    // As the scripts leave it before the command's first process has written down its group.
    let begun = "d=/var/lib/infra402/commands/cmd_late; mkdir -p $d; cd $d; echo x >head; \
                 date +%s >begun; \
                 (sleep 2; exec setsid sh -c 'echo $$ >group; exec sleep 1000') >/dev/null 2>&1 &";
    ssh.guest.output(begun).await;
    let path = ssh.path("commands/cmd_late?signal=KILL");
    let app = &ssh.guest.app;
    let answer = ssh.session.call(app, Method::DELETE, &path).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let left = ssh.guest.output("pgrep -fx 'sleep 1000' | wc -l").await;
    assert_eq!(left.trim(), "0");
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
async fn commands_that_began_within_a_second_are_listed_in_their_order() {
    let ssh = SshGuest::start().await;
    let mut begun = Vec::new();
    for number in 0..6 {
        begun.push(ssh.begin(&format!("echo {number}")).await);
    }
    begun.reverse();
    let listed = ssh.session.get(&ssh.guest.app, &ssh.path("commands")).await;
    let listed = listed.body["commands"].as_array().unwrap();
    let ids: Vec<_> = listed
        .iter()
        .map(|one| one["commandId"].as_str().unwrap())
        .collect();
    assert_eq!(ids, begun);
}

//! A container without an SSH server gets one at its owner's wish, over its terminal: in real
//! containers, whose package managers are told from one another by what they are asked.

use std::path::Path;
use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    distribution::{self, Distribution, program},
    simulated::guest_on,
};
use crate::{buyer::SignedIn, guest::Guest, support::until};

/// A template without an SSH server.
const ALPINE: &str = "alpine-3.20-default";
/// What OpenSSH's packages have.
const OPENSSH: &[(&str, &str)] = &[
    ("sshd", "usr/sbin/sshd"),
    ("ssh-keygen", "usr/bin/ssh-keygen"),
    ("sftp-server", "usr/lib/openssh/sftp-server"),
];

impl Guest {
    /// Sends the owner's wish; the work may go on after the first answer.
    async fn set_up(&self, session: &SignedIn) {
        let path = format!("/lease/{}/access", self.ctid);
        let answer = session.call(&self.app, Method::POST, &path).await;
        match answer.status.as_u16() {
            200 => assert_eq!(answer.body, json!({"via": "ssh"})),
            202 => self.until_ssh().await,
            _ => panic!("{:?}", answer.body),
        }
    }

    async fn put(&self, session: &SignedIn, path: &str, text: &'static str) -> (u16, Value) {
        let url = format!("{}/lease/{}/files?path={path}", self.app.url, self.ctid);
        let put = self.app.http.put(url).bearer_auth(&session.0);
        let answer = put.body(text).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// A command by SSH, a background command, and a file.
    async fn has_all_of_ssh(&self, session: &SignedIn) {
        let answer = self
            .exec(json!({"command": "cat; exit 4", "stdin": "hello\n"}))
            .await;
        assert_eq!(answer.body["via"], "ssh", "{:?}", answer.body);
        assert_eq!(
            (&answer.body["stdout"], &answer.body["exitCode"]),
            (&json!("hello\n"), &json!(4))
        );
        let body = json!({"command": "cat; id -un; exit 5", "stdin": "in\n", "user": "nobody", "background": true});
        let begun = self.exec(body).await;
        assert_eq!(begun.status, 200, "{:?}", begun.body);
        let path = format!(
            "/lease/{}/commands/{}",
            self.ctid,
            begun.body["commandId"].as_str().unwrap()
        );
        let ended = until("the command ends", async || {
            let shown = session.get(&self.app, &path).await;
            (shown.body["state"] == "ended").then_some(shown.body)
        })
        .await;
        assert_eq!(
            (&ended["stdout"], &ended["exitCode"]),
            (&json!("in\nnobody\n"), &json!(5))
        );
        let (status, answer) = self.put(session, "/srv/file", "content").await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(self.output("cat /srv/file").await, "content");
    }
}

#[tokio::test]
#[cfg_attr(
    not(has_lxc),
    ignore = "needs root, namespaces, LXC with a network interface, and dtach (Debian: lxc iproute2 dtach)"
)]
#[cfg_attr(
    all(has_lxc, not(has_sshd)),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[cfg_attr(
    all(has_lxc, has_sshd, not(has_busybox)),
    ignore = "needs BusyBox (Debian: busybox)"
)]
async fn every_package_manager_is_asked_in_its_own_words() {
    for (manager, calls) in [
        (
            "apk",
            "apk add -q openssh-server openssh-sftp-server\nrc-update add sshd default\n\
             rc-service sshd start\n",
        ),
        (
            "apt-get",
            "apt-get -qq update\napt-get -qq install -y --no-install-recommends openssh-server \
             openssh-sftp-server\n",
        ),
        ("dnf", "dnf -q -y install openssh-server\n"),
        ("zypper", "zypper -nq install openssh-server\n"),
        ("pacman", "pacman -Sy --noconfirm --needed openssh\n"),
    ] {
        let distribution = Distribution::with_packages(manager, OPENSSH);
        if manager == "apk" {
            let note = "echo \"${0##*/} $*\" >>/var/log/packages\n";
            distribution.script("rc-update", note);
            let start = "mkdir -p /run/sshd && /usr/sbin/sshd\n";
            distribution.script("rc-service", &format!("{note}{start}"));
        }
        // A container can have systemd's program and another init.
        distribution.script("systemctl", "exit 1\n");
        let guest = guest_on(distribution.simulator(), ALPINE).await;
        let session = guest.buyer.sign_in(&guest.app).await;
        assert_eq!(
            guest.put(&session, "/srv/file", "x").await.0,
            409,
            "{manager}"
        );
        guest.set_up(&session).await;
        assert_eq!(guest.output("cat /var/log/packages").await, calls);
        if manager == "apk" {
            guest.has_all_of_ssh(&session).await;
        }
        // Once more it changes nothing.
        guest.set_up(&session).await;
        let counted = guest
            .output("grep -c infra402 /root/.ssh/authorized_keys")
            .await;
        assert_eq!(counted, "1\n", "{manager}");
    }
}

#[tokio::test]
#[cfg_attr(
    not(has_lxc),
    ignore = "needs root, namespaces, LXC with a network interface, and dtach (Debian: lxc iproute2 dtach)"
)]
#[cfg_attr(
    all(has_lxc, not(has_busybox)),
    ignore = "needs BusyBox (Debian: busybox)"
)]
async fn a_container_without_a_package_manager_says_so() {
    let distribution = Distribution::busybox();
    let guest = guest_on(distribution.simulator(), ALPINE).await;
    let session = guest.buyer.sign_in(&guest.app).await;
    let path = format!("/lease/{}/access", guest.ctid);
    let answer = session.call(&guest.app, Method::POST, &path).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (409, "ssh_unavailable")
    );
    let message = answer.body["error"]["message"].as_str().unwrap();
    assert!(message.contains("no package manager"), "{message}");
}

#[tokio::test]
#[cfg_attr(
    not(has_lxc),
    ignore = "needs root, namespaces, LXC with a network interface, and dtach (Debian: lxc iproute2 dtach)"
)]
#[cfg_attr(
    all(has_lxc, not(has_sshd)),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[cfg_attr(
    all(has_lxc, has_sshd, not(has_busybox)),
    ignore = "needs BusyBox (Debian: busybox)"
)]
#[cfg_attr(
    all(has_lxc, has_sshd, has_busybox, not(has_dropbear)),
    ignore = "needs Dropbear (Debian: dropbear-bin)"
)]
async fn dropbear_is_used_for_commands_and_files_are_refused_with_what_is_missing() {
    let distribution = Distribution::busybox();
    for name in ["dropbear", "dropbearkey"] {
        distribution.place(&program(name), &format!("usr/sbin/{name}"));
    }
    let keys = distribution.path().join("etc/dropbear");
    std::fs::create_dir(&keys).unwrap();
    let made = Command::new(program("dropbearkey"))
        .args(["-t", "ed25519", "-f"])
        .arg(keys.join("dropbear_ed25519_host_key"))
        .output();
    assert!(made.unwrap().status.success());
    let guest = guest_on(distribution.simulator(), ALPINE).await;
    let session = guest.buyer.sign_in(&guest.app).await;
    guest.set_up(&session).await;
    let answer = guest
        .exec(json!({"command": "cat", "stdin": "hello\n"}))
        .await;
    assert_eq!(
        (&answer.body["via"], &answer.body["stdout"]),
        (&json!("ssh"), &json!("hello\n"))
    );
    let (status, answer) = guest.put(&session, "/srv/file", "x").await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (409, &json!("ssh_unavailable")),
        "{answer}"
    );
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("SFTP"), "{message}");
}

#[tokio::test]
#[cfg_attr(
    not(has_lxc),
    ignore = "needs root, namespaces, LXC with a network interface, and dtach (Debian: lxc iproute2 dtach)"
)]
#[cfg_attr(
    all(has_lxc, not(has_debian)),
    ignore = "needs a Debian in target/debian, which .ci/debian makes"
)]
async fn debians_own_package_manager_installs_the_server() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/debian");
    let guest = guest_on(distribution::of(&folder.canonicalize().unwrap()), ALPINE).await;
    let session = guest.buyer.sign_in(&guest.app).await;
    guest.set_up(&session).await;
    let version = guest
        .output("dpkg-query -W -f '${Status}' openssh-server")
        .await;
    assert_eq!(version, "install ok installed");
    guest.has_all_of_ssh(&session).await;
    // Debian's configuration asks PAM, and the server is started with the container.
    for action in ["stop", "start"] {
        let path = format!("/lease/{}/{action}", guest.ctid);
        let done = session.call(&guest.app, Method::POST, &path).await;
        assert_eq!(done.status, 200, "{:?}", done.body);
    }
    guest.until_ssh().await;
    assert_eq!(guest.output("cat /srv/file").await, "content");
}

//! Consoles over SSH among replicas: a connection that comes back at another one is led to its
//! shell, and only replicas are.

use std::time::Duration;

use proxmox_api::{
    console::hand_over::{HAND_OVER, HandOver},
    replicas::address_of,
};

use super::server::SshGuest;
use crate::{
    console::client::{Client, connect, dial_path, open},
    guest::Guest,
    replicas::database,
    support::until,
};

/// A container with an SSH server, and two replicas that know where to reach each other.
struct TwoReplicas {
    ssh: SshGuest,
    other: Guest,
}

fn unused_address() -> String {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", unused.local_addr().unwrap())
}

impl TwoReplicas {
    async fn start(more: &[(&str, &str)]) -> Self {
        let address = unused_address();
        let settings = [more, &[("REPLICA_ADDRESS", &address)]].concat();
        let ssh = SshGuest::start_with(&settings).await;
        let app = &ssh.guest.app;
        let address = unused_address();
        let app = app.beside_with(&[("REPLICA_ADDRESS", &address)]).await;
        let other = Guest {
            app,
            buyer: ssh.guest.buyer.clone(),
            ctid: ssh.guest.ctid,
        };
        Self { ssh, other }
    }

    /// A console at the first replica in whose shell a variable is set, and the ticket to come back
    /// with.
    async fn marked(&self) -> (Client, String) {
        let (mut console, resume) = open(&self.ssh.guest).await;
        console.keys("MARK=kept; echo set-$MARK\r").await;
        console.until("set-kept").await;
        (console, resume)
    }

    /// The same shell through the other replica, and the ticket to come back with.
    async fn led(&self) -> (Client, String) {
        let (console, resume) = self.marked().await;
        drop(console);
        has_mark(&self.other, &resume, "led").await
    }
}

/// Comes back at a replica to the shell with the variable.
async fn has_mark(replica: &Guest, ticket: &str, word: &str) -> (Client, String) {
    let mut console = connect(replica, ticket).await;
    let resume = console.opened(replica).await;
    console
        .keys(&format!("echo {word}-${{MARK:-gone}}\r"))
        .await;
    console.until(&format!("{word}-kept")).await;
    (console, resume)
}

/// Comes back to a new shell, and is told so.
async fn has_new_shell(replica: &Guest, ticket: &str) {
    let mut console = connect(replica, ticket).await;
    console.opened(replica).await;
    console.until("this is a new one").await;
    console.keys("echo now-${MARK:-empty}\r").await;
    console.until("now-empty").await;
}

/// There and back, with much output, until the shell ends.
async fn comes_back_at_either(replicas: &TwoReplicas) {
    let (console, resume) = replicas.led().await;
    drop(console);
    let (console, resume) = has_mark(&replicas.ssh.guest, &resume, "home").await;
    drop(console);
    let (mut console, resume) = has_mark(&replicas.other, &resume, "again").await;
    console
        .keys("head -c 2000000 /dev/zero | tr '\\0' x; echo; echo end-$MARK; stty size\r")
        .await;
    console.until("end-kept").await;
    console.until("40 120").await;
    console.keys("exit\r").await;
    let (code, reason) = console.closed().await;
    assert_eq!((code, reason.as_str()), (1000, "The shell has ended."));
    let (code, _) = connect(&replicas.other, &resume).await.closed().await;
    assert_eq!(code, 4401, "the ticket ended with the shell");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[cfg_attr(
    all(has_sshd, not(has_mount)),
    ignore = "needs the right to mount a file system"
)]
async fn a_console_comes_back_to_its_shell_at_either_replica() {
    comes_back_at_either(&TwoReplicas::start(&[]).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[cfg_attr(
    all(has_sshd, not(has_mount)),
    ignore = "needs the right to mount a file system"
)]
#[cfg_attr(
    all(has_sshd, has_mount, not(has_postgresql)),
    ignore = "needs PostgreSQL (Debian: postgresql)"
)]
async fn a_console_comes_back_to_its_shell_among_replicas_on_a_server() {
    let url = database().await;
    comes_back_at_either(&TwoReplicas::start(&[("DATABASE", &url)]).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[cfg_attr(
    all(has_sshd, not(has_mount)),
    ignore = "needs the right to mount a file system"
)]
async fn a_connection_that_comes_back_before_its_loss_was_noticed_takes_the_shell_over() {
    let replicas = TwoReplicas::start(&[]).await;
    let (first, resume) = replicas.marked().await;
    let (second, resume) = has_mark(&replicas.other, &resume, "second").await;
    let (code, reason) = first.closed().await;
    assert_eq!(code, 4411, "{reason}");
    // The same within one replica, and where the connection before is a led one.
    let (third, _) = has_mark(&replicas.ssh.guest, &resume, "third").await;
    let (code, reason) = second.closed().await;
    assert_eq!(code, 4411, "{reason}");
    drop(third);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[cfg_attr(
    all(has_sshd, not(has_mount)),
    ignore = "needs the right to mount a file system"
)]
async fn a_shell_that_died_with_its_replica_is_replaced_by_a_new_one_that_says_so() {
    let replicas = TwoReplicas::start(&[]).await;
    let (lost, waiting) = replicas.marked().await;
    drop(lost);
    let (led, resume) = replicas.led().await;
    let TwoReplicas { mut ssh, other } = replicas;
    ssh.guest.app.stop().await;
    // The led one hears of it at once, and its ticket is good.
    let (code, reason) = led.closed().await;
    assert_eq!(code, 1012, "{reason}");
    for ticket in [waiting, resume] {
        has_new_shell(&other, &ticket).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[cfg_attr(
    all(has_sshd, not(has_mount)),
    ignore = "needs the right to mount a file system"
)]
async fn a_led_console_ends_with_the_lease_as_its_replica_says() {
    let replicas = TwoReplicas::start(&[]).await;
    let (console, resume) = replicas.led().await;
    replicas
        .ssh
        .guest
        .app
        .clock
        .advance(Duration::from_secs(30 * 60 + 1));
    let (code, reason) = console.closed().await;
    assert_eq!((code, reason.as_str()), (4410, "The lease is over."));
    let (code, _) = connect(&replicas.other, &resume).await.closed().await;
    assert!([4401, 4410].contains(&code), "{code}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[cfg_attr(
    all(has_sshd, not(has_mount)),
    ignore = "needs the right to mount a file system"
)]
async fn nobody_but_a_replica_is_led_to_a_shell() {
    let replicas = TwoReplicas::start(&[]).await;
    let (console, resume) = replicas.marked().await;
    drop(console);
    let (owner, other) = (&replicas.ssh.guest, &replicas.other);
    let id = owner.app.app.replica.id.clone();
    let lease = &replicas.ssh.lease_id;
    let asked = async |value: &str| dial_replica(owner, Some(value)).await;
    let sign = |to: &str, ticket: &str| {
        HandOver::new(&other.app.app, to, ticket, lease, (120, 40)).signed(&other.app.app)
    };
    assert_eq!(dial_replica(owner, None).await, Some(403), "no request");
    assert_eq!(asked(&resume).await, Some(403), "a ticket alone");
    let good = sign(&id, &resume);
    let (text, tag) = good.rsplit_once(' ').unwrap();
    for forged in [
        text.to_owned(),
        format!("{text} {}", "0".repeat(tag.len())),
        good.replace(" 120 ", " 121 "),
        format!("{good}0"),
        sign(&other.app.app.replica.id, &resume),
    ] {
        assert_eq!(asked(&forged).await, Some(403), "{forged}");
    }
    // A request is good once, and for half a minute.
    let stranger = sign(&id, "resume_ssh_unknown");
    assert_eq!(asked(&stranger).await, None, "no shell is behind it");
    assert_eq!(asked(&stranger).await, Some(403), "a second time");
    let late = sign(&id, &resume);
    owner.app.clock.advance(Duration::from_secs(31));
    assert_eq!(asked(&late).await, Some(403), "too late");
    // Its last announcement is as old as that.
    until("the owner announces itself again", async || {
        let address = address_of(&other.app.app, &id).await.unwrap();
        address.map(drop)
    })
    .await;
    // All of this has taken no shell.
    has_mark(&replicas.other, &resume, "safe").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[cfg_attr(
    all(has_sshd, not(has_mount)),
    ignore = "needs the right to mount a file system"
)]
async fn replicas_without_an_address_lead_nobody_and_say_that_the_shell_is_new() {
    let ssh = SshGuest::start().await;
    let other = Guest {
        app: ssh.guest.app.beside().await,
        buyer: ssh.guest.buyer.clone(),
        ctid: ssh.guest.ctid,
    };
    let (console, resume) = open(&ssh.guest).await;
    drop(console);
    assert_eq!(dial_replica(&ssh.guest, None).await, Some(404));
    has_new_shell(&other, &resume).await;
}

/// Asks a replica as another one does; the status if it refuses.
async fn dial_replica(replica: &Guest, value: Option<&str>) -> Option<u16> {
    let headers: Vec<_> = value.into_iter().map(|value| (HAND_OVER, value)).collect();
    let path = "/replicas/console";
    dial_path(replica, path, &headers).await.err()
}

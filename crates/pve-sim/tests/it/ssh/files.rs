//! Files by scp and sftp, with OpenSSH's server program and with the simulator's own code.

use std::path::PathBuf;

use pve_sim::SshDefects;
use tokio::process::Command;

use super::place::{Place, Way, run};

/// Bytes of a file, none of which can be told from its place.
const SIZE: usize = 5 << 20;

async fn scp(place: &Place, legacy: bool, words: &[&str]) {
    let mut command = place.openssh("scp").await;
    if legacy {
        command.arg("-O");
    }
    command.args(words);
    succeed(command, b"").await;
}

async fn succeed(command: Command, input: &[u8]) -> String {
    let output = run(command, input).await;
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

async fn files_go_both_ways(way: Way, own_sftp: bool) {
    let place = Place::new(way).await;
    let defects = SshDefects {
        own_sftp,
        ..SshDefects::default()
    };
    place.node.sim.set_ssh_defects(100, defects);
    let path = |name: &str| place.folder.path().join(name);
    let shown = |path: PathBuf| path.display().to_string();
    let mut content = vec![0; SIZE];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut content).unwrap();
    std::fs::write(path("up"), &content).unwrap();
    for legacy in [false, true] {
        scp(
            &place,
            legacy,
            &[&shown(path("up")), "root@127.0.0.1:there"],
        )
        .await;
        let size = place.ssh("wc -c <there", b"").await;
        assert_eq!(
            String::from_utf8_lossy(&size.stdout).trim(),
            SIZE.to_string()
        );
        scp(
            &place,
            legacy,
            &["root@127.0.0.1:there", &shown(path("down"))],
        )
        .await;
        assert!(std::fs::read(path("down")).unwrap() == content, "{legacy}");
        std::fs::remove_file(path("down")).unwrap();
    }

    let mut command = place.openssh("sftp").await;
    command.args(["-b", "-", "root@127.0.0.1"]);
    let up = shown(path("up"));
    let batch = format!(
        "mkdir folder\ncd folder\nput {up} one\nrename one two\nput {up} one\nchmod 600 two\n\
         symlink two link\nls -l\nrm one\nget link {}\nmkdir empty\nrmdir empty\n",
        shown(path("got"))
    );
    let listed = succeed(command, batch.as_bytes()).await;
    assert!(listed.contains("-rw-------"), "{listed}");
    assert!(std::fs::read(path("got")).unwrap() == content);
    let left = place.ssh("cd folder; ls; readlink link", b"").await;
    assert_eq!(String::from_utf8_lossy(&left.stdout), "link\ntwo\ntwo\n");
    place.node.sim.stop().await;
}

#[tokio::test]
#[cfg_attr(
    not(has_ssh_client),
    ignore = "needs OpenSSH's clients (Debian: openssh-client)"
)]
async fn files_go_both_ways_unconfined() {
    files_go_both_ways(Way::Plain, false).await;
}

#[tokio::test]
#[cfg_attr(
    not(has_ssh_client),
    ignore = "needs OpenSSH's clients (Debian: openssh-client)"
)]
async fn files_go_both_ways_without_opensshs_program() {
    files_go_both_ways(Way::Plain, true).await;
}

#[tokio::test]
#[cfg_attr(
    not(has_namespaces),
    ignore = "needs namespaces of ordinary users (Debian: util-linux)"
)]
#[cfg_attr(
    all(has_namespaces, not(has_ssh_client)),
    ignore = "needs OpenSSH's clients (Debian: openssh-client)"
)]
async fn files_go_both_ways_in_namespaces() {
    files_go_both_ways(Way::Namespaces, false).await;
}

#[tokio::test]
#[cfg_attr(
    not(has_bubblewrap),
    ignore = "needs bubblewrap and the right to use it (Debian: bubblewrap)"
)]
#[cfg_attr(
    all(has_bubblewrap, not(has_ssh_client)),
    ignore = "needs OpenSSH's clients (Debian: openssh-client)"
)]
async fn files_go_both_ways_in_bubblewrap() {
    files_go_both_ways(Way::Bubblewrap, true).await;
}

/// The host's files stay out of reach, whoever serves SFTP.
async fn sftp_does_not_leave_the_container(way: Way) {
    let place = Place::new(way).await;
    assert!(std::path::Path::new("/etc/passwd").exists());
    let host = place.folder.path().join("of-the-host");
    std::fs::write(&host, "secret").unwrap();
    for own_sftp in [false, true] {
        let defects = SshDefects {
            own_sftp,
            ..SshDefects::default()
        };
        place.node.sim.set_ssh_defects(100, defects);
        let got = place.folder.path().join("got");
        place.ssh("ln -sfn ../../../../../.. up", b"").await;
        for path in [
            "/etc/../../../etc/shadow".to_owned(),
            "up/etc/shadow".to_owned(),
            format!("/..{}", host.display()),
            format!("up{}", host.display()),
            format!("/proc/1/root{}", host.display()),
        ] {
            let mut command = place.openssh("sftp").await;
            command.args(["-b", "-", "root@127.0.0.1"]);
            let batch = format!("get {path} {}\n", got.display());
            let output = run(command, batch.as_bytes()).await;
            assert!(!output.status.success(), "{path}: {output:?}");
            assert!(!got.exists(), "{path}");
        }
    }
    place.node.sim.stop().await;
}

#[tokio::test]
#[cfg_attr(
    not(has_namespaces),
    ignore = "needs namespaces of ordinary users (Debian: util-linux)"
)]
#[cfg_attr(
    all(has_namespaces, not(has_ssh_client)),
    ignore = "needs OpenSSH's clients (Debian: openssh-client)"
)]
async fn sftp_does_not_leave_the_container_in_namespaces() {
    sftp_does_not_leave_the_container(Way::Namespaces).await;
}

#[tokio::test]
#[cfg_attr(
    not(has_bubblewrap),
    ignore = "needs bubblewrap and the right to use it (Debian: bubblewrap)"
)]
#[cfg_attr(
    all(has_bubblewrap, not(has_ssh_client)),
    ignore = "needs OpenSSH's clients (Debian: openssh-client)"
)]
async fn sftp_does_not_leave_the_container_in_bubblewrap() {
    sftp_does_not_leave_the_container(Way::Bubblewrap).await;
}

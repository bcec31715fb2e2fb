//! Users whose login shell is not bash: every command is one for `/bin/sh` all the same.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use guest::{CommandRequest, GuestError};

use crate::sshd::{Sshd, eventually, login, run, run_request};

/// Commands that a shell of another grammar would read differently, or not at all.
async fn runs_commands_for_sh(sshd: &Sshd) {
    let guest = sshd.guest();
    let shown = run(&guest, "echo \"$0\"").await;
    assert_eq!(shown.stdout, b"/bin/sh\n");
    let mut request = CommandRequest::new(
        "if [ \"$A\" = x ]; then for i in 1 2; do printf '%s\\n' \"it's \\$i $i\"; done; fi\n\
         cat; pwd; printf '%s\\n' \"$B\" >&2; (exit 7) || exit $?",
    );
    request.env = vec![
        ("A".to_owned(), "x".to_owned()),
        (
            "B".to_owned(),
            "'\\'\n$HOME \\\\ (fish) {a,b} !1 ~".to_owned(),
        ),
    ];
    request.stdin = b"in\n".to_vec();
    request.cwd = Some("/usr/lib".to_owned());
    request.user = Some(login());
    let outcome = run_request(&guest, request.clone()).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let expected = "it's $i 1\nit's $i 2\nin\n/usr/lib\n";
    assert_eq!(text(outcome.stdout), expected);
    assert_eq!(text(outcome.stderr), format!("{}\n", request.env[1].1));
    assert_eq!(outcome.exit_code, 7);
    // One that is sent as a file.
    request
        .script
        .splice(0..0, format!("# {}\n", "x".repeat(200_000)).into_bytes());
    assert_eq!(
        text(run_request(&guest, request).await.unwrap().stdout),
        expected
    );
    let mut request = CommandRequest::new("sleep 4711 & sleep 4711");
    request.timeout = Duration::from_millis(300);
    assert!(run_request(&guest, request).await.unwrap().timed_out);
    let sleeps = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.starts_with(b"sleep\x004711")
    };
    eventually("the processes end", || !sshd.processes().iter().any(sleeps)).await;
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[cfg_attr(
    all(has_sshd, not(has_mount)),
    ignore = "needs the right to mount a file system"
)]
#[cfg_attr(
    all(has_sshd, has_mount, not(has_fish)),
    ignore = "needs fish (Debian: fish)"
)]
#[tokio::test]
async fn commands_of_a_user_of_fish_are_for_sh() {
    let sshd = Sshd::with_shell(|folder| {
        let configuration = folder.join("home/.config/fish");
        std::fs::create_dir_all(&configuration).unwrap();
        std::fs::write(
            configuration.join("config.fish"),
            "echo noise; echo noise >&2\n",
        )
        .unwrap();
        "/usr/bin/fish".into()
    });
    runs_commands_for_sh(&sshd).await;
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[cfg_attr(
    all(has_sshd, not(has_mount)),
    ignore = "needs the right to mount a file system"
)]
#[cfg_attr(
    all(has_sshd, has_mount, not(has_dash)),
    ignore = "needs dash (Debian: dash)"
)]
#[tokio::test]
async fn commands_of_a_user_of_dash_are_for_sh() {
    runs_commands_for_sh(&Sshd::with_shell(|_| "/bin/dash".into())).await;
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[cfg_attr(
    all(has_sshd, not(has_mount)),
    ignore = "needs the right to mount a file system"
)]
#[cfg_attr(
    all(has_sshd, has_mount, not(has_busybox)),
    ignore = "needs BusyBox (Debian: busybox)"
)]
#[tokio::test]
async fn commands_of_a_user_of_busyboxs_shell_are_for_sh() {
    let sshd = Sshd::with_shell(|folder| {
        let shell = folder.join("ash");
        let busybox = ["/bin/busybox", "/usr/bin/busybox"].map(Path::new);
        let busybox = busybox.iter().find(|path| path.exists()).unwrap();
        symlink(busybox, &shell).unwrap();
        shell
    });
    runs_commands_for_sh(&sshd).await;
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[cfg_attr(
    all(has_sshd, not(has_mount)),
    ignore = "needs the right to mount a file system"
)]
#[tokio::test]
async fn a_login_shell_that_starts_nothing_is_no_success() {
    for shell in ["/bin/true", "/bin/false"] {
        let sshd = Sshd::with_shell(|_| PathBuf::from(shell));
        let request = CommandRequest::new("true");
        let error = run_request(&sshd.guest(), request).await.unwrap_err();
        assert_eq!(error, GuestError::NotStarted, "{shell}");
        assert!(!error.may_have_run());
    }
}

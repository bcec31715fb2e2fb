//! Commands in real unprivileged LXC containers, attached to through a real dtach as in Proxmox.
//! Only termproxy, with its two defects, and the calls before it are simulated.

use std::time::Duration;

use pve::{ExecError, ExecRequest};
use pve_sim::{FaultKind, ShellMode, TerminalDefects};

use crate::cuts::cut;
use crate::host::{Host, Load, host, shows, types};

/// Containers on a busy machine.
async fn busy_host(containers: u32) -> (Host, Load) {
    let host = host(ShellMode::Lxc, TerminalDefects::ALL, containers).await;
    (host, Load::start().await)
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(
    not(has_lxc),
    ignore = "needs root, namespaces, LXC with a network interface, and dtach (Debian: lxc iproute2 dtach)"
)]
async fn a_command_in_a_real_container_is_its_root_and_gives_what_it_does() {
    let (host, _load) = busy_host(1).await;
    let vmid = host.containers[0];
    let script = r"id -u; cut -c1-30 /proc/self/uid_map; printf '\000\377' >&2; exit 7";
    let outcome = host.exec(vmid, script).await.unwrap();
    let shown = String::from_utf8(outcome.stdout).unwrap();
    let words: Vec<_> = shown.split_whitespace().collect();
    assert_eq!(words[..3], ["0", "0", "100000"], "{shown}");
    assert_eq!((outcome.stderr, outcome.exit_code), (vec![0, 0xff], 7));

    let mut request = ExecRequest::new("echo begun; sleep 60");
    request.timeout = Duration::from_secs(1);
    let run = host.consoles.exec(&host.node, vmid, request, None);
    let outcome = run.await.unwrap();
    assert!(outcome.timed_out);
    assert_eq!(outcome.stdout, b"begun\n");
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(
    not(has_lxc),
    ignore = "needs root, namespaces, LXC with a network interface, and dtach (Debian: lxc iproute2 dtach)"
)]
async fn short_and_long_commands_in_real_containers_give_their_results_under_load() {
    let (host, _load) = busy_host(4).await;
    // Every fifth command has 60 KB.
    let script = |number: usize| {
        let padding = if number % 5 == 4 { 1_500 } else { 0 };
        let comments = "# a comment that makes the script long\n".repeat(padding);
        format!("{comments}echo {number}\n")
    };
    assert_eq!(host.results(25, script).await, 100);
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(
    not(has_lxc),
    ignore = "needs root, namespaces, LXC with a network interface, and dtach (Debian: lxc iproute2 dtach)"
)]
async fn a_command_in_a_real_container_runs_once_wherever_it_is_cut() {
    let (host, _load) = busy_host(8).await;
    let after = |millis| FaultKind::CutAfterTime(Duration::from_millis(millis));
    let cuts = [
        FaultKind::CutAfterTyped(300),
        FaultKind::CutAfterTyped(1_500),
        FaultKind::CutAfter(100),
        FaultKind::CutAfter(300),
        after(600),
        after(1_000),
        after(1_500),
        after(2_500),
    ];
    let host = std::sync::Arc::new(host);
    let all = cuts.into_iter().zip(host.containers.clone());
    let all = all.map(|(kind, vmid)| {
        let host = host.clone();
        tokio::spawn(async move {
            cut(&host, vmid, kind.clone(), 1);
            let script = "cd /root; echo run >>runs; sleep 1; cat runs";
            let result = host.run(vmid, script.into()).await;
            assert_eq!(result.unwrap(), "run\n", "{kind:?}");
            let left = host.run(vmid, "ls -A /tmp/.infra402-*".into()).await;
            assert!(left.is_ok(), "{kind:?}: {left:?}");
        })
    });
    for one in all.collect::<Vec<_>>() {
        one.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(
    not(has_lxc),
    ignore = "needs root, namespaces, LXC with a network interface, and dtach (Debian: lxc iproute2 dtach)"
)]
async fn a_full_or_read_only_disk_of_a_real_container_runs_nothing_and_loses_no_result() {
    let (host, _load) = busy_host(1).await;
    let vmid = host.containers[0];
    let run = |script: &str| host.run(vmid, script.to_owned());
    // Hides the folder of the command's own output.
    let mount = "mount -t tmpfs -o size=64k tmpfs /tmp && echo mounted";
    assert_eq!(run(mount).await.unwrap(), "mounted\n");
    // It fills the disk of the command's own output and mark.
    let filled = host
        .exec(
            vmid,
            "echo first; head -c 1000000 /dev/zero >/tmp/full; exit 5",
        )
        .await
        .unwrap();
    assert_eq!(filled.exit_code, 5);
    assert_eq!(filled.stdout, b"first\n");
    let mut console = host.terminal().await;
    console.write(b"\r").await.unwrap();
    shows(&mut console, "# ").await;
    types(&mut console, "! head -c 1000000 /dev/zero >/tmp/more").await;
    drop(console);
    let refused = run("echo ran >/root/ran").await.unwrap_err();
    assert!(matches!(refused, ExecError::Setup), "{refused}");
    assert!(!refused.may_have_executed());

    let mut console = host.terminal().await;
    shows(&mut console, "# ").await;
    types(&mut console, "mount -t tmpfs -o ro tmpfs /tmp").await;
    drop(console);
    let refused = run("echo ran >/root/ran").await.unwrap_err();
    assert!(matches!(refused, ExecError::Setup), "{refused}");

    let mut console = host.terminal().await;
    console.write(b"\r").await.unwrap();
    shows(&mut console, "# ").await;
    types(&mut console, "umount /tmp && umount /tmp").await;
    drop(console);
    assert_eq!(run("ls /root").await.unwrap(), "");
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(
    not(has_lxc),
    ignore = "needs root, namespaces, LXC with a network interface, and dtach (Debian: lxc iproute2 dtach)"
)]
async fn what_is_pasted_into_a_real_container_does_not_block_its_dtach() {
    let (host, _load) = busy_host(1).await;
    let mut console = host.terminal().await;
    shows(&mut console, "# ").await;
    let line = "true a line that is pasted\r";
    let paste = line.repeat(57_000 / line.len());
    console.paced().write(paste.as_bytes()).await.unwrap();
    types(&mut console, "true").await;
}

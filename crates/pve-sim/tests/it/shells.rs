//! The shells behind the terminals: the toy, those of the host and confined ones run the same script
//! with the same report.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::time::{Duration, Instant};

use pve_sim::ShellMode;

use crate::client::Node;
use crate::socket::Socket;
use crate::terminal::{node, plain_shell};

/// Types a script that prints to both outputs and fails, as a client does, and checks its report.
async fn envelope(node: &Node) {
    let mut socket = Socket::terminal(node, 100).await;
    socket.until("\x1b[H\x1b[J").await;
    socket.asks("printf 'rea%s\\n' dy", "ready").await;
    socket
        .keys(
            " unset HISTFILE; stty -echo 2>/dev/null; PS1= PS2=; printf '\\n%s%s\\n' 'aaR' 'bb'\r",
        )
        .await;
    socket.until("aaRbb").await;
    // echo out; echo err >&2; exit 7
    let lines = [
        " t=$(mktemp -d) && base64 -d >\"$t/c\" <<'aaH'\r",
        "ZWNobyBvdXQ7IGVjaG8gZXJyID4mMjsgZXhpdCA3Cg==\r",
        "aaH\r",
        " (cd; exec timeout -k 2 5 sh \"$t/c\" </dev/null >\"$t/o\" 2>\"$t/e\"); r=$?\r",
        " printf '\\n%s%s %d %d %d\\n' 'aaB' 'bb' \"$r\" $(wc -c <\"$t/o\") $(wc -c <\"$t/e\"); head -c 99 \"$t/o\" | base64; \
         printf '%s%s\\n' 'aaM' 'bb'; head -c 99 \"$t/e\" | base64; printf '%s%s\\n' 'aaE' 'bb'; rm -rf \"$t\"; exit\r",
    ];
    for line in lines {
        socket.keys(line).await;
    }
    let shown = socket.end().await;
    let plain = shown.replace('\r', "");
    assert!(
        plain.contains("aaBbb 7 4 4\nb3V0Cg==\naaMbb\nZXJyCg==\naaEbb\n"),
        "{plain:?}"
    );
    assert!(plain.ends_with("[EOF - dtach terminating]\n"), "{plain:?}");
}

#[tokio::test]
async fn the_toy_runs_a_script_through_the_envelope() {
    envelope(&node(|config| config.shell = ShellMode::Toy).await).await;
}

/// The same with a shell of the host.
async fn envelope_in(shell: &str) {
    let node = node(|config| config.shell = ShellMode::HostForTests(shell.into())).await;
    envelope(&node).await;
    node.sim.stop().await;
}

#[tokio::test]
#[cfg_attr(not(has_bash), ignore = "needs bash (Debian: bash)")]
async fn bash_runs_a_script_through_the_envelope() {
    envelope_in("/bin/bash").await;
}

#[tokio::test]
#[cfg_attr(not(has_dash), ignore = "needs dash (Debian: dash)")]
async fn dash_runs_a_script_through_the_envelope() {
    envelope_in("/bin/dash").await;
}

#[tokio::test]
#[cfg_attr(not(has_busybox), ignore = "needs BusyBox (Debian: busybox)")]
async fn busybox_runs_a_script_through_the_envelope() {
    envelope_in("/bin/busybox").await;
}

#[tokio::test]
async fn an_unconfined_shell_is_never_root_on_the_host() {
    let node = node(|config| config.shell = plain_shell()).await;
    let own = std::fs::metadata("/proc/self").unwrap().uid();
    let expected = if own == 0 { 65534 } else { own };
    let mut socket = Socket::terminal(&node, 100).await;
    let line = "printf 'user %s;\\n' \"$(id -u)\"";
    socket.asks(line, &format!("\nuser {expected};")).await;
}

#[tokio::test]
async fn a_container_that_is_powered_off_from_inside_stops_and_the_host_goes_on() {
    for shell in [ShellMode::Toy, plain_shell()] {
        let node = node(|config| config.shell = shell.clone()).await;
        for program in ["poweroff", "halt"] {
            let mut socket = Socket::terminal(&node, 100).await;
            socket.until("# ").await;
            socket.keys(&format!("{program}\r")).await;
            socket.end().await;
            let deadline = Instant::now() + Duration::from_secs(5);
            while node.sim.container(100).unwrap().status != "stopped" {
                assert!(Instant::now() < deadline, "{shell:?}: it still runs");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            let start = node
                .call("POST", "/nodes/pve/lxc/100/status/start", &[])
                .await;
            assert_eq!(node.finish(&start).await, "OK");
        }
        // A shell that ends by itself powers nothing off.
        let mut socket = Socket::terminal(&node, 100).await;
        socket.until("# ").await;
        socket.keys("exit\r").await;
        socket.end().await;
        assert_eq!(node.sim.container(100).unwrap().status, "running");
    }
}

#[tokio::test]
async fn a_container_begins_without_files_of_one_that_had_its_number() {
    let place = tempfile::tempdir().unwrap();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    let roots = place.path().join("roots");
    let node = node(|config| {
        config.shell = plain_shell();
        config.rootfs_dir = Some(roots.clone());
    })
    .await;
    let mut socket = Socket::terminal(&node, 100).await;
    let line = "echo mine >note; printf 'do%s\\n' ne";
    socket.asks(line, "done").await;
    let folder = roots.join("100");
    assert_eq!(std::fs::read(folder.join("note")).unwrap(), b"mine\n");

    let destroy = node
        .call("DELETE", "/nodes/pve/lxc/100", &[("force", "1")])
        .await;
    assert_eq!(node.finish(&destroy).await, "OK");
    assert!(!folder.exists(), "it is destroyed with its files");
    socket.end().await;

    // As after a crash between the removal of the container and that of its files.
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("note"), "somebody else's").unwrap();
    let create = node.create(100, &[("cmode", "shell")]).await;
    assert_eq!(node.finish(&create).await, "OK");
    assert!(!folder.exists(), "it begins with nothing");
}

#[tokio::test]
async fn an_ordinary_simulator_confines_its_shells_or_says_that_it_does_not() {
    let node = node(|config| config.shell = ShellMode::Confined).await;
    let how = node.sim.describe_shell().await;
    assert!(
        how.contains("confined by") || how.contains("toy shell, because"),
        "{how}"
    );
    envelope(&node).await;
    let mut socket = Socket::terminal(&node, 100).await;
    socket.until("# ").await;
    socket.keys("uname -n; pwd; cat /etc/shadow\r").await;
    let shown = socket.until("No such file").await;
    assert!(shown.contains("web\r\n/root\r\n"), "{how}: {shown:?}");
    socket.keys("echo hi >note\r").await;
    socket.until("# ").await;
    node.sim.stop().await;
}

/// Where root may make control groups, the kernel limits containers and no counting is needed.
#[tokio::test]
#[cfg_attr(not(has_control_groups), ignore = "needs root and control groups 2")]
#[cfg_attr(
    all(has_control_groups, not(has_confined_shells)),
    ignore = "needs namespaces or bubblewrap (Debian: util-linux bubblewrap)"
)]
async fn root_limits_its_confined_shells_by_control_groups() {
    let node = node(|config| config.shell = ShellMode::Confined).await;
    let how = node.sim.describe_shell().await;
    assert!(how.contains("by control groups in"), "{how}");
}

#[tokio::test]
async fn shells_are_confined_wherever_the_root_folders_are() {
    let closed = tempfile::tempdir().unwrap();
    std::fs::set_permissions(closed.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let open = node(|config| config.shell = ShellMode::Confined).await;
    let place = closed.path().join("roots");
    let node = node(|config| {
        config.shell = ShellMode::Confined;
        config.rootfs_dir = Some(place);
    })
    .await;
    assert_eq!(
        node.sim.describe_shell().await,
        open.sim.describe_shell().await
    );
}

#[tokio::test]
async fn a_simulator_tells_customers_what_its_shells_are() {
    let notice = async |shell: ShellMode| {
        let node = node(|config| config.shell = shell).await;
        let how = node.sim.describe_shell().await;
        let version = node.call("GET", "/version", &[]).await;
        let notice = version.data()["simulator"]["notice"].as_str();
        (how, notice.unwrap_or_default().to_owned())
    };
    let (_, toy) = notice(ShellMode::Toy).await;
    assert_eq!(
        toy,
        "Commands run in an imitation of a shell that knows only a few of them."
    );
    let (how, confined) = notice(ShellMode::Confined).await;
    let expected = if how.contains("control groups in") {
        ""
    } else if how.contains("confined by") {
        "Demo containers share their host's processors, and one that takes more memory or disk than \
         it has is ended."
    } else {
        "Commands run in an imitation of a shell that knows only a few of them, because this host \
         cannot confine a real one."
    };
    assert_eq!(confined, expected, "{how}");
}

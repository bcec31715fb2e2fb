//! Commands and consoles in a real unprivileged LXC container, attached to through a real dtach as
//! in Proxmox, on a busy machine.

use std::process::{Child, Command};

use pve_sim::ShellMode;
use serde_json::json;

use crate::{console::client::open, guest::Guest};

/// Uses all cores until it is dropped.
struct Load(Vec<Child>);

impl Load {
    fn start() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let one = || {
            let mut command = Command::new("sh");
            command.args(["-c", "while :; do :; done"]).spawn().unwrap()
        };
        Self((0..cores).map(|_| one()).collect())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[tokio::test]
#[cfg_attr(
    not(has_lxc),
    ignore = "needs root, namespaces, LXC with a network interface, and dtach (Debian: lxc iproute2 dtach)"
)]
async fn commands_and_a_console_in_a_real_container_keep_their_promises() {
    let guest = Guest::with(ShellMode::Lxc, &[]).await;
    let _load = Load::start();
    let answer = guest
        .exec(json!({"command": "id -u; hostname; echo err >&2; exit 7"}))
        .await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    assert_eq!(answer.body["stdout"], "0\nbox\n");
    assert_eq!(answer.body["stderr"], "err\n");
    assert_eq!(answer.body["exitCode"], 7);
    for number in 0..10 {
        let shown = guest.output(&format!("echo {number}")).await;
        assert_eq!(shown, format!("{number}\n"));
    }

    let (mut console, _) = open(&guest).await;
    let shown = console.says("stty size; echo kept >note", "size").await;
    assert!(shown.contains("40 120"), "{shown:?}");
    let paste = "true a line that is pasted\r".repeat(2_000);
    console.keys(&paste).await;
    console.says("echo", "pasted").await;
    console.keys("exit\r").await;
    assert_eq!(
        console.closed().await,
        (1000, "The shell has ended.".into())
    );

    let (mut console, _) = open(&guest).await;
    console.keys("sleep 1000\r").await;
    console.until("sleep 1000").await;
    console.leave().await;
    let forced = guest
        .exec(json!({"command": "cat /root/note /note 2>/dev/null", "force": true}))
        .await;
    assert_eq!(forced.body["stdout"], "kept\n", "{:?}", forced.body);

    let (console, _) = open(&guest).await;
    guest.app.sim.kill_container(guest.ctid);
    assert_eq!(
        console.closed().await,
        (4409, "The container does not run.".into())
    );
}

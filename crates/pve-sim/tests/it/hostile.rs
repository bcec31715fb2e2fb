//! Hostile tenants of the demo: the host stays usable, and the other containers keep running. Each
//! test runs in a process of its own under limits from outside, so that it cannot exhaust the
//! machine where the simulator's own limits fail.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use pve_sim::ShellMode;
use tempfile::TempDir;

use crate::client::Node;
use crate::socket::Socket;

/// Limits from outside, far above those of the simulator: processes of the account, memory of one
/// process, size of one file.
const OUTSIDE: [&str; 3] = ["--nproc=6000", "--as=8589934592", "--fsize=4294967296"];

/// Set in the process that runs under the limits.
const INSIDE: &str = "INFRA402_HOSTILE_TEST";

/// The timeout of one test.
const READ_TIMEOUT: &str = "90";

/// Bytes of free disk below which containers are stopped to protect the host.
const DISK_NEEDED: u64 = 6 << 30;

/// Memory in MiB and disk in GiB of the containers here.
const SIZE: [(&str, &str); 3] = [("memory", "64"), ("rootfs", "local-lvm:1"), ("cores", "1")];

/// Makes a test of each function, which runs it in a process of its own. A function may need
/// something of this machine.
macro_rules! test_in_own_process {
    ($($case:ident $(: not($need:ident), ignore = $reason:literal)?;)+) => {
        mod bounded {
            $(
                #[tokio::test]
                #[cfg_attr(
                    not(has_hostile_tenants),
                    ignore = "needs confined shells and 6 GiB of free disk (Debian: bubblewrap)"
                )]
                $(#[cfg_attr(all(has_hostile_tenants, not($need)), ignore = $reason)])?
                async fn $case() {
                    let name = concat!("hostile::bounded::", stringify!($case));
                    super::in_own_process(name, super::$case()).await;
                }
            )+
        }
    };
}

test_in_own_process! {
    a_fork_bomb_stays_small_and_ends_with_its_container;
    files_end_at_the_containers_disk;
    removed_and_reserved_files_count_too;
    a_memory_hog_is_ended_and_nobody_else;
    a_processor_hog_lets_others_go_first;
    a_shell_that_hides_from_its_parent_ends_with_its_container:
        not(has_python3), ignore = "needs Python 3 (Debian: python3)";
    what_waits_in_sockets_has_a_limit:
        not(has_python3), ignore = "needs Python 3 (Debian: python3)";
    keys_of_the_operator_are_not_the_tenants:
        not(has_session_keys), ignore = "needs kernel keyrings on x86-64 and Python 3 (Debian: python3)";
}

/// Runs a case in the process that was started for it; in the one that the test runner started,
/// runs the test of that name again under the limits from outside.
async fn in_own_process(test: &str, case: impl Future<Output = ()>) {
    if std::env::var_os(INSIDE).is_some() {
        return case.await;
    }
    let output = Command::new("timeout")
        .args(["--kill-after=5", READ_TIMEOUT, "prlimit"])
        .args(OUTSIDE)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "--include-ignored", test])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}\n{shown}\n{errors}",
        output.status
    );
    assert!(shown.contains("test result: ok. 1 passed"), "{shown}");
}

/// A folder for files and a simulator with two running containers, 100 and 101.
async fn two_containers() -> (TempDir, Node) {
    // Temporary files are in memory on some hosts; these files are on disk.
    let disk = tempfile::Builder::new()
        .prefix("pve-sim-")
        .permissions(Permissions::from_mode(0o711))
        .tempdir_in("/var/tmp")
        .unwrap();
    let node = Node::with(|config| {
        config.tls = false;
        config.time_scale = 0.001;
        config.shell = ShellMode::Confined;
        config.rootfs_dir = Some(disk.path().join("roots"));
    })
    .await;
    let how = node.sim.describe_shell().await;
    assert!(how.contains("confined by"), "{how}");
    // Other tests may have filled the disk since this was built.
    let about = rustix::fs::statvfs(disk.path()).unwrap();
    let free = about.f_bavail * about.f_frsize;
    assert!(free >= DISK_NEEDED, "only {free} bytes of disk are free");
    for vmid in [100, 101] {
        let mut more = SIZE.to_vec();
        more.push(("cmode", "shell"));
        let create = node.create(vmid, &more).await;
        assert_eq!(node.finish(&create).await, "OK");
        let start = format!("/nodes/pve/lxc/{vmid}/status/start");
        let start = node.call("POST", &start, &[]).await;
        assert_eq!(node.finish(&start).await, "OK");
    }
    (disk, node)
}

/// An open terminal whose shell takes keys.
async fn shell(node: &Node, vmid: u32) -> Socket {
    let mut socket = Socket::terminal(node, vmid).await;
    socket.asks("printf 'rea%s\\n' dy", "ready").await;
    socket
}

/// Checks that the second container answers, in a new shell. It has its share of the processors,
/// which is small where there are no control groups.
async fn second_answers(node: &Node) {
    let begun = Instant::now();
    let mut second = Socket::terminal(node, 101).await;
    while begun.elapsed() < Duration::from_secs(40) {
        second.keys("printf 'he%s\\n' re\r").await;
        let shown = tokio::time::timeout(Duration::from_secs(4), second.until("here"));
        if shown.await.is_ok() {
            return;
        }
    }
    panic!("the second container does not answer");
}

/// Shells and programs of both containers: all processes below the test's own.
fn processes() -> Vec<u32> {
    let mut found = vec![std::process::id()];
    let parents: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|id: u32| Some((id, field(id, 1)?.parse().ok()?)))
        .collect();
    let mut next = 0;
    while let Some(id) = found.get(next).copied() {
        found.extend(
            parents
                .iter()
                .filter(|(_, parent)| *parent == id)
                .map(|(id, _)| id),
        );
        next += 1;
    }
    found.split_off(1)
}

/// A field of `/proc/PID/stat`, counted from the state on.
fn field(id: u32, index: usize) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(index).map(str::to_owned)
}

/// Waits until a condition holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn a_fork_bomb_stays_small_and_ends_with_its_container() {
    let (_disk, node) = two_containers().await;
    let mut first = shell(&node, 100).await;
    let quiet = processes().len();
    first
        .keys("bomb() { bomb | bomb & }; bomb 2>/dev/null\r")
        .await;
    until("the bomb fills its quota", || {
        processes().len() > quiet + 100
    })
    .await;
    // A bomb goes on as long as it is let: this is the time in which it is watched.
    let deadline = Instant::now() + Duration::from_secs(3);
    let mut most = 0;
    while Instant::now() < deadline {
        most = most.max(processes().len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(most <= quiet + 256, "{most} processes");
    second_answers(&node).await;
    let stop = node
        .call("POST", "/nodes/pve/lxc/100/status/stop", &[])
        .await;
    assert_eq!(node.finish(&stop).await, "OK");
    until("the bomb ends", || processes().len() < quiet + 20).await;
    second_answers(&node).await;
}

async fn files_end_at_the_containers_disk() {
    let (_disk, node) = two_containers().await;
    let mut first = shell(&node, 100).await;
    first
        .keys("fallocate -l 10G large || echo no\"thing\"\r")
        .await;
    let shown = first.until("nothing").await;
    assert!(shown.contains("File size limit exceeded"), "{shown:?}");
    first.keys("stat -c 'size %s;' large; rm -f large\r").await;
    first.until("size 0;").await;
    // Each file is small enough, all of them together are too large.
    first
        .keys("for n in 1 2 3 4; do fallocate -l 400M file$n; sleep 1; done\r")
        .await;
    let shown = first.end().await;
    let cause = "because they wrote more than 1024 MiB of files. Its files are removed.]";
    assert!(shown.contains(cause), "{shown:?}");
    second_answers(&node).await;
    let mut again = shell(&node, 100).await;
    again.keys("ls /root | wc -l | sed 's/^/files /'\r").await;
    again.until("files 0").await;
}

async fn removed_and_reserved_files_count_too() {
    let (_disk, node) = two_containers().await;
    let attempts = [
        // The files' sizes are small, but their blocks are taken.
        "touch reserved; fallocate --keep-size -l 2G reserved",
        "for n in 3 4 5; do fallocate -l 400M f; eval \"exec $n<f\"; rm f; done",
        "mkdir -p a/b && for n in 1 2 3; do fallocate -l 400M a/b/f$n; done; chmod 0 a",
    ];
    for attempt in attempts {
        let mut first = shell(&node, 100).await;
        first.keys(&format!("{attempt}\r")).await;
        first.until("they wrote more than 1024 MiB of files").await;
        first.end().await;
    }
    let mut first = shell(&node, 100).await;
    // More folders than the simulator walks through when it counts files.
    first.keys("mkdir -p $(seq -s / 150)\r").await;
    first.until("they made more than 50000 files").await;
    first.end().await;
    second_answers(&node).await;
}

async fn a_memory_hog_is_ended_and_nobody_else() {
    let (_disk, node) = two_containers().await;
    let mut second = shell(&node, 101).await;
    let mut first = shell(&node, 100).await;
    // The shell itself grows and keeps the memory. The kernel may take long to end it.
    let line = "hog=$(head -c 200000000 /dev/zero | tr '\\0' x); printf 'survi%s\\n' ved";
    first.keys(&format!("{line}\r")).await;
    let shown = first.end_within(Duration::from_secs(40)).await;
    assert!(!shown.contains("survived"), "{shown:?}");
    // Control groups report no event.
    let by_counting = node
        .sim
        .describe_shell()
        .await
        .contains("memory and files by counting");
    let cause = "because they used more than 64 MiB of memory.]";
    assert_eq!(shown.contains(cause), by_counting, "{shown:?}");
    second.asks("printf 'sti%s\\n' ll", "still").await;
    let mut again = shell(&node, 100).await;
    again.asks("printf 'sti%s\\n' ll", "still").await;
}

async fn a_processor_hog_lets_others_go_first() {
    let (_disk, node) = two_containers().await;
    let mut first = shell(&node, 100).await;
    let quiet = processes();
    first
        .keys("for n in $(seq 30); do while :; do :; done & done\r")
        .await;
    until("the hogs run", || processes().len() >= quiet.len() + 30).await;
    second_answers(&node).await;
    for id in processes().iter().filter(|id| !quiet.contains(id)) {
        // A process that has ended has no priority.
        let nice = field(*id, 16).unwrap_or("19".into());
        assert_eq!(nice, "19", "process {id} goes before the host's own");
    }
}

async fn a_shell_that_hides_from_its_parent_ends_with_its_container() {
    let (_disk, node) = two_containers().await;
    let mark = format!("hidden{}", std::process::id());
    let hidden = || {
        let all = std::fs::read_dir("/proc").unwrap().flatten();
        let named = all.filter(|entry| {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            line.starts_with(b"/usr/bin/python3") && String::from_utf8_lossy(&line).contains(&mark)
        });
        named.count()
    };
    // This process outlives its parent (PR_SET_PDEATHSIG) and the end of its terminal.
    let program = format!(
        "import ctypes, os, signal, time; ctypes.CDLL(None).prctl(1, 0); \
         signal.signal(signal.SIGHUP, signal.SIG_IGN); print('{mark}', 'runs', flush=True); \
         time.sleep(1000)"
    );
    let mut first = shell(&node, 100).await;
    first
        .keys(&format!("exec /usr/bin/python3 -c \"{program}\"\r"))
        .await;
    first.until(&format!("{mark} runs")).await;
    assert_eq!(hidden(), 1);
    let stop = node
        .call("POST", "/nodes/pve/lxc/100/status/stop", &[])
        .await;
    assert_eq!(node.finish(&stop).await, "OK");
    until("the hidden one ends with its container", || hidden() == 0).await;
}

/// Data in transit through sockets uses memory that belongs to no process.
async fn what_waits_in_sockets_has_a_limit() {
    let (_disk, node) = two_containers().await;
    let program = "import os, socket, time\n\
                   for child in range(16):\n\
                   \x20if os.fork() == 0:\n\
                   \x20\x20pairs = [socket.socketpair() for pair in range(100)]\n\
                   \x20\x20time.sleep(1000)\n\
                   print('op' + 'en', flush=True)\n\
                   time.sleep(5)\n";
    let mut first = shell(&node, 100).await;
    let lines = format!("cat >sockets.py <<'END'\n{program}END\npython3 sockets.py; exit\r");
    first.keys(&lines).await;
    let shown = first.end_within(Duration::from_secs(40)).await;
    let by_counting = node
        .sim
        .describe_shell()
        .await
        .contains("memory and files by counting");
    let cause = "because they opened more than 1000 sockets.]";
    // Control groups count the data as memory.
    assert_eq!(shown.contains(cause), by_counting, "{shown:?}");
    second_answers(&node).await;
}

/// A session keyring is inherited by child processes, which can read its keys.
async fn keys_of_the_operator_are_not_the_tenants() {
    let mut keyring = keyutils::Keyring::join_anonymous_session().unwrap();
    keyring
        .add_key::<keyutils::keytypes::User, _, _>("of-the-operator", b"hunter2".as_ref())
        .unwrap();
    let (_disk, node) = two_containers().await;
    // keyctl(KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, …).
    let search = "python3 -c \"import ctypes; kernel = ctypes.CDLL(None); \
                  print('found' if kernel.syscall(250, 10, -3, b'user', b'of-the-operator', 0) > 0 \
                  else 'none', 'a' + 't all')\"\r";
    let mut first = shell(&node, 100).await;
    first.keys(search).await;
    let shown = first.until("at all").await;
    assert!(shown.contains("none at all"), "{shown:?}");
}

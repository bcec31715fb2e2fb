//! Each kind of confinement, seen from a shell inside.

use super::*;
use crate::terminal::rootfs::RootFolders;

/// Makes two tests of each function, one for each kind of confinement. A function may need a
/// program of the host.
macro_rules! test_in_each_confinement {
    ($($case:ident $(: not($need:ident), ignore = $reason:literal)?;)+) => {
        mod in_namespaces {
            use crate::terminal::confine::{Confinement, tests::confined};

            $(
                #[tokio::test]
                #[cfg_attr(
                    not(has_namespaces),
                    ignore = "needs namespaces of ordinary users (Debian: util-linux)"
                )]
                $(#[cfg_attr(all(has_namespaces, not($need)), ignore = $reason)])?
                async fn $case() {
                    confined(Confinement::Namespaces, super::$case).await;
                }
            )+
        }
        mod in_bubblewrap {
            use crate::terminal::confine::{Confinement, tests::confined};

            $(
                #[tokio::test]
                #[cfg_attr(
                    not(has_bubblewrap),
                    ignore = "needs bubblewrap and the right to use it (Debian: bubblewrap)"
                )]
                $(#[cfg_attr(all(has_bubblewrap, not($need)), ignore = $reason)])?
                async fn $case() {
                    confined(Confinement::Bubblewrap, super::$case).await;
                }
            )+
        }
    };
}

mod programs;

test_in_each_confinement! {
    a_shell_is_root_in_a_small_world_and_nobody_outside;
    root_inside_makes_no_namespace_mounts_nothing_and_sees_no_process_of_the_host;
    proc_tells_nothing_of_the_host_that_a_container_does_not_need;
    files_in_memory_have_a_limit;
}

/// Runs a case in a fresh root folder, in a kind of confinement that works here.
async fn confined(way: Confinement, case: impl AsyncFnOnce(Confinement, &Path)) {
    let roots = RootFolders::new(None);
    let root = roots.prepare("100", "web-1", &mount_points()).unwrap();
    assert!(way.works(&root).await, "this host allows it");
    case(way, &root).await;
}

/// What a command prints inside.
async fn inside(way: Confinement, root: &Path, script: &str) -> String {
    let bounds = Bounds::for_a_probe();
    let arguments = way.arguments(root, "web-1", &bounds, &["/bin/sh", "-c", script]);
    let output = Command::new(&arguments[0])
        .args(&arguments[1..])
        .env_clear()
        .envs(ENVIRONMENT.iter().copied())
        .output()
        .await
        .unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

async fn a_shell_is_root_in_a_small_world_and_nobody_outside(way: Confinement, root: &Path) {
    assert_eq!(
        inside(way, root, "id -u; hostname; pwd").await,
        "0\nweb-1\n/root",
        "{way:?}"
    );
    assert_eq!(
        inside(way, root, "echo hi >note; cat note").await,
        "hi",
        "{way:?}"
    );
    assert_eq!(
        inside(way, root, "cat note").await,
        "hi",
        "{way:?}: files stay"
    );
    for links in [
        "ln -s / /.host",
        "ln -sfn mnt /.host",
        "mv /home /h; ln -s .. /home",
    ] {
        inside(way, root, links).await;
        assert_eq!(
            inside(way, root, "pwd; ls -d /.host; ls -d /usr/bin").await,
            "/root\n/.host\n/usr/bin",
            "{way:?}: {links}"
        );
    }
    assert_eq!(
        inside(way, root, "mv /usr /u 2>/dev/null || echo refused").await,
        "refused",
        "{way:?}: mount points stay"
    );
    assert_eq!(
        inside(
            way,
            root,
            "ls /home /srv 2>/dev/null; ls /etc/shadow 2>&1 | wc -l"
        )
        .await
        .lines()
        .last(),
        Some("1")
    );
    assert_eq!(
        inside(
            way,
            root,
            "echo x 2>/dev/null >/proc/sys/kernel/core_pattern || echo refused"
        )
        .await,
        "refused"
    );
    assert_eq!(
        inside(
            way,
            root,
            "ls /sys/class/net 2>/dev/null | wc -l; grep -c : /proc/net/dev"
        )
        .await,
        "0\n1"
    );
    assert_eq!(
        inside(way, root, "grep CapEff /proc/self/status | tr -d '\\t '").await,
        "CapEff:0000000000000000"
    );
    assert_eq!(
        inside(way, root, "hostname other 2>/dev/null || echo refused").await,
        "refused"
    );
    assert_eq!(
        inside(
            way,
            root,
            "grep '^Max processes' /proc/self/limits | tr -s ' '"
        )
        .await,
        "Max processes 256 256 processes"
    );
    assert_eq!(
        inside(way, root, "touch /usr/x 2>/dev/null || echo refused").await,
        "refused"
    );
}

async fn root_inside_makes_no_namespace_mounts_nothing_and_sees_no_process_of_the_host(
    way: Confinement,
    root: &Path,
) {
    let attempts = [
        "unshare --user true",
        "unshare --user --map-root-user true",
        "unshare --mount true",
        "unshare --net true",
        "unshare --pid --fork true",
        "mount -t tmpfs tmpfs /mnt",
        "mount --bind /etc /mnt",
        "umount /proc",
        "mount -o remount,rw,bind /usr",
        "mknod /root/disk b 254 0",
        "chroot / true",
        "echo 1000 >/proc/sys/user/max_user_namespaces",
        "cat /proc/1/root/etc/shadow",
    ];
    for attempt in attempts {
        let script = format!("({attempt}) >/dev/null 2>&1 && echo done || echo refused");
        assert_eq!(
            inside(way, root, &script).await,
            "refused",
            "{way:?}: {attempt}"
        );
    }
    let own = std::process::id();
    let processes = inside(way, root, "ls -d /proc/[0-9]* | wc -l; ls /sys").await;
    assert!(
        processes.parse::<u32>().is_ok_and(|count| count < 9),
        "{way:?}: {processes}"
    );
    let host = std::fs::read_to_string(format!("/proc/{own}/cmdline")).unwrap();
    let all = inside(way, root, "cat /proc/[0-9]*/cmdline").await;
    assert!(!all.contains(&host), "{way:?}: {all}");
}

async fn proc_tells_nothing_of_the_host_that_a_container_does_not_need(
    way: Confinement,
    root: &Path,
) {
    for name in MASKED_FILES {
        let script = format!("wc -c </proc/{name} 2>/dev/null || echo none");
        let size = inside(way, root, &script).await;
        assert!(
            matches!(size.as_str(), "0" | "none"),
            "{way:?}: {name} has {size}"
        );
    }
    for name in MASKED_FOLDERS {
        let script = format!("ls /proc/{name} 2>/dev/null | wc -l");
        assert_eq!(inside(way, root, &script).await, "0", "{way:?}: {name}");
    }
}

async fn files_in_memory_have_a_limit(way: Confinement, root: &Path) {
    for place in ["/dev", "/dev/shm"] {
        let script = format!(
            "head -c 100000000 /dev/zero >{place}/large 2>/dev/null; \
             cat {place}/large 2>/dev/null | wc -c"
        );
        let size: u64 = inside(way, root, &script).await.parse().unwrap();
        assert!(size <= 16 << 20, "{way:?}: {size} bytes in {place}");
    }
}

/// System V shared memory, queues and semaphores outlive the processes that made them.
/// Bubblewrap cannot limit them; there the host's memory is watched.
#[tokio::test]
#[cfg_attr(
    not(has_namespaces),
    ignore = "needs namespaces of ordinary users (Debian: util-linux)"
)]
#[cfg_attr(
    all(has_namespaces, not(has_ipcmk)),
    ignore = "needs ipcmk (Debian: util-linux)"
)]
async fn memory_that_no_process_has_is_limited_in_namespaces() {
    confined(Confinement::Namespaces, async |way, root| {
        let cases = [
            ("ipcmk -M 8000000", "made"),
            ("ipcmk -M 17000000", "refused"),
            ("ipcmk -M 9000000; ipcmk -M 9000000", "refused"),
            ("for n in $(seq 17); do ipcmk -Q || exit 1; done", "refused"),
            ("ipcmk -S 200", "made"),
            (
                "for n in 1 2 3 4 5; do ipcmk -S 240 || exit 1; done",
                "refused",
            ),
            ("echo 99999999 >/proc/sys/kernel/shmall", "refused"),
        ];
        for (attempt, expected) in cases {
            let script = format!("({attempt}) >/dev/null 2>&1 && echo made || echo refused");
            assert_eq!(inside(way, root, &script).await, expected, "{attempt}");
        }
    })
    .await;
}

//! Each kind of confinement, seen from a shell inside.

use super::*;
use crate::terminal::rootfs::RootFolders;

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

#[tokio::test]
async fn a_confined_shell_is_root_in_a_small_world_and_nobody_outside() {
    let roots = RootFolders::new(None);
    let probe = roots.prepare("probe", "probe", &mount_points()).unwrap();
    let mut tried = 0;
    for way in [Confinement::Namespaces, Confinement::Bubblewrap] {
        if !works(way, &probe).await {
            eprintln!("{way:?} does not work on this host, so it is not tried");
            continue;
        }
        tried += 1;
        let root = roots.prepare("100", "web-1", &mount_points()).unwrap();
        assert_eq!(
            inside(way, &root, "id -u; hostname; pwd").await,
            "0\nweb-1\n/root",
            "{way:?}"
        );
        assert_eq!(
            inside(way, &root, "echo hi >note; cat note").await,
            "hi",
            "{way:?}"
        );
        assert_eq!(
            inside(way, &root, "cat note").await,
            "hi",
            "{way:?}: files stay"
        );
        for links in [
            "ln -s / /.host",
            "ln -sfn mnt /.host",
            "mv /home /h; ln -s .. /home",
        ] {
            inside(way, &root, links).await;
            assert_eq!(
                inside(way, &root, "pwd; ls -d /.host; ls -d /usr/bin").await,
                "/root\n/.host\n/usr/bin",
                "{way:?}: {links}"
            );
        }
        assert_eq!(
            inside(way, &root, "mv /usr /u 2>/dev/null || echo refused").await,
            "refused",
            "{way:?}: mount points stay"
        );
        assert_eq!(
            inside(
                way,
                &root,
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
                &root,
                "echo x 2>/dev/null >/proc/sys/kernel/core_pattern || echo refused"
            )
            .await,
            "refused"
        );
        assert_eq!(
            inside(
                way,
                &root,
                "ls /sys/class/net 2>/dev/null | wc -l; grep -c : /proc/net/dev"
            )
            .await,
            "0\n1"
        );
        assert_eq!(
            inside(way, &root, "grep CapEff /proc/self/status | tr -d '\\t '").await,
            "CapEff:0000000000000000"
        );
        assert_eq!(
            inside(way, &root, "hostname other 2>/dev/null || echo refused").await,
            "refused"
        );
        assert_eq!(
            inside(
                way,
                &root,
                "grep '^Max processes' /proc/self/limits | tr -s ' '"
            )
            .await,
            "Max processes 256 256 processes"
        );
        assert_eq!(
            inside(way, &root, "touch /usr/x 2>/dev/null || echo refused").await,
            "refused"
        );
        roots.remove("100");
    }
    eprintln!("{tried} of 2 ways of confinement tried");
}

/// Whether a confinement works here. Where the host allows namespaces, the one by namespaces has
/// to.
async fn works(way: Confinement, root: &Path) -> bool {
    let works = way.works(root).await;
    if way == Confinement::Namespaces {
        let mut arguments = ordinary_user();
        let tool = [
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            "--pid",
            "--fork",
        ];
        arguments.extend(tool.map(String::from));
        arguments.extend(["--mount-proc", "true"].map(String::from));
        let allowed = Command::new(&arguments[0])
            .args(&arguments[1..])
            .stderr(Stdio::null())
            .status()
            .await;
        let allowed = allowed.is_ok_and(|status| status.success());
        assert_eq!(works, allowed, "namespaces are allowed here: {allowed}");
    }
    works
}

/// Runs a test in every kind of confinement that this host allows.
async fn in_every_way(mut attempt: impl AsyncFnMut(Confinement, &Path)) {
    let roots = RootFolders::new(None);
    for way in [Confinement::Namespaces, Confinement::Bubblewrap] {
        let root = roots.prepare("100", "probe", &mount_points()).unwrap();
        if works(way, &root).await {
            attempt(way, &root).await;
        } else {
            eprintln!("{way:?} does not work on this host, so it is not tried");
        }
        roots.remove("100");
    }
}

#[tokio::test]
async fn root_inside_makes_no_namespace_mounts_nothing_and_sees_no_process_of_the_host() {
    in_every_way(async |way, root| {
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
    })
    .await;
}

#[tokio::test]
async fn proc_tells_nothing_of_the_host_that_a_container_does_not_need() {
    in_every_way(async |way, root| {
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
    })
    .await;
}

#[tokio::test]
async fn files_in_memory_have_a_limit() {
    in_every_way(async |way, root| {
        for place in ["/dev", "/dev/shm"] {
            let script = format!(
                "head -c 100000000 /dev/zero >{place}/large 2>/dev/null; \
                 cat {place}/large 2>/dev/null | wc -c"
            );
            let size: u64 = inside(way, root, &script).await.parse().unwrap();
            assert!(size <= 16 << 20, "{way:?}: {size} bytes in {place}");
        }
    })
    .await;
}

/// System V shared memory, queues and semaphores outlive the processes that made them.
#[tokio::test]
async fn memory_that_no_process_has_is_limited() {
    in_every_way(async |way, root| {
        if way == Confinement::Bubblewrap {
            eprintln!("bubblewrap cannot limit what System V keeps; its host's memory is watched");
            return;
        }
        if !std::path::Path::new("/usr/bin/ipcmk").exists() {
            eprintln!("ipcmk is not on this host, so nothing is made");
            return;
        }
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

/// Runs each program that the host has where a container looks for it; what it prints has to
/// contain the text.
#[tokio::test]
async fn the_programs_of_the_host_find_what_they_need() {
    let cases = [
        ("ip", "ip addr", "inet 127.0.0.1/8"),
        ("ping", "ping -c1 -W1 192.0.2.1 2>&1", "unreachable"),
        (
            "curl",
            "curl -sS https://example.com 2>&1",
            "Could not resolve host",
        ),
        (
            "curl",
            "curl -sS http://192.0.2.1 2>&1",
            "Couldn't connect to server",
        ),
        (
            "vi",
            "vi -es -c 'normal ihello' -c 'wq! f' </dev/null; cat f",
            "hello",
        ),
        ("nano", "nano --version", "nano"),
        ("less", "echo text | less", "text"),
        (
            "python3",
            "python3 -c 'import json, sqlite3, ssl; print(\"fine\")' 2>&1",
            "fine",
        ),
        (
            "python3",
            "python3 -c 'import socket; print(socket.getservbyname(\"https\"))' 2>&1",
            "443",
        ),
        ("openssl", "openssl version -d", "OPENSSLDIR"),
    ];
    in_every_way(async |way, root| {
        for (program, script, shown) in cases {
            let folders = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"];
            if !folders
                .iter()
                .any(|folder| Path::new(folder).join(program).exists())
            {
                eprintln!("{program} is not on this host, so it is not tried");
                continue;
            }
            let said = inside(way, root, script).await;
            assert!(said.contains(shown), "{way:?}: {script}: {said}");
        }
        let bundle = "ssl/certs/ca-certificates.crt";
        if Path::new("/etc").join(bundle).exists() {
            let script = format!("grep -c BEGIN /etc/{bundle}");
            let count: u32 = inside(way, root, &script).await.parse().unwrap();
            assert!(count > 10, "{way:?}: {count} certificates");
        }
    })
    .await;
}

//! The cases that the Rust tests skip on this machine without saying so to libtest.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::statvfs;

use crate::host;

/// Free disk in bytes that the tests of hostile tenants need, by their own check.
const HOSTILE_DISK: u64 = 6 << 30;

/// Programs that exec cases of the package `pve` use, and which cases those are. The cases return
/// early without them, so they are counted here. Other packages ignore such cases by a `cfg` of the
/// crate `test-needs`, and libtest counts them.
const SHELLS: [(&str, &str); 3] = [
    ("bash", "the exec cases under bash"),
    ("busybox", "the exec cases under busybox ash and vi"),
    ("dtach", "the exec case behind dtach"),
];

/// The cases that the Rust tests skip without saying so to libtest, each with its reason.
pub fn skips() -> Vec<String> {
    let shells = SHELLS
        .iter()
        .filter(|(program, _)| !host::has_program(program))
        .map(|(program, cases)| {
            format!("{cases}: {program} is not installed (Debian: apt-get install {program})")
        });
    let containers =
        lxc_obstacle().map(|obstacle| format!("commands in real LXC containers: {obstacle}"));
    demo_skips().chain(shells).chain(containers).collect()
}

/// Why the tests have no real containers here; `pve_sim::lxc_obstacle` checks the same.
fn lxc_obstacle() -> Option<&'static str> {
    let programs = ["lxc-start", "lxc-attach", "lxc-stop", "dtach", "unshare"];
    if !programs.into_iter().all(host::has_program) {
        return Some(
            "lxc, dtach or util-linux is not installed (Debian: apt-get install lxc dtach)",
        );
    }
    if !rustix::process::geteuid().is_root() {
        return Some("they need root");
    }
    let allowed = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "--pid", "--fork"])
        .args(["--mount-proc", "true"])
        .stderr(Stdio::null())
        .status();
    (!allowed.is_ok_and(|status| status.success())).then_some("this host allows no namespaces")
}

/// The skipped cases of the demo's shells.
fn demo_skips() -> impl Iterator<Item = String> {
    let bubblewrap = (!host::has_program("bwrap")).then(|| {
        "shells of the demo confined by bubblewrap: it is not installed (Debian: apt-get install \
         bubblewrap)"
            .to_owned()
    });
    let groups = control_groups_obstacle()
        .map(|obstacle| format!("limits of the demo's shells by control groups: {obstacle}"));
    let full =
        statvfs("/var/tmp").is_ok_and(|about| about.f_bavail * about.f_frsize < HOSTILE_DISK);
    let hostile = full.then(|| "hostile tenants of the demo: less than 6 GiB are free".to_owned());
    [bubblewrap, groups, hostile].into_iter().flatten()
}

/// Why control groups cannot limit the demo's containers here, as far as the mounts show it.
fn control_groups_obstacle() -> Option<&'static str> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let place = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let place = fields.next()?;
        (fields.next()? == "cgroup2").then_some(place)
    });
    let Some(place) = place else {
        return Some("no cgroup2 file system is mounted");
    };
    let controllers = Path::new(place).join("cgroup.controllers");
    let controllers = fs::read_to_string(controllers).unwrap_or_default();
    let has = |name| controllers.split_whitespace().any(|one| one == name);
    (!["cpu", "memory", "pids"].into_iter().all(has))
        .then_some("the host's cgroup 2 lacks cpu, memory or pids")
}

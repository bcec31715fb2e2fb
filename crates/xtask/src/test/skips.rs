//! The cases that the Rust tests skip on this machine, each with its reason.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::statvfs;

use crate::{fence, host};

/// Free disk in bytes that the tests of hostile tenants need, by their own check.
const HOSTILE_DISK: u64 = 6 << 30;

/// Programs that some Rust tests use, and which tests those are. The tests pass without them, so
/// the skipped cases are counted here.
const OPTIONAL: [(&str, &str); 4] = [
    (
        "bash",
        "the exec cases under bash, and the probe of the fence",
    ),
    ("busybox", "the exec cases under busybox ash and vi"),
    ("dtach", "the exec case behind dtach"),
    ("pgbouncer", "the store behind a pooler"),
];

/// The cases that the Rust tests skip on this machine, each with its reason.
pub fn skips() -> Vec<String> {
    let programs = OPTIONAL
        .iter()
        .filter(|(program, _)| !host::has_program(program))
        .map(|(program, cases)| (*program, *cases));
    let server = (!host::has_postgresql()).then_some((
        "postgresql",
        "the store and the lease API on PostgreSQL, alone and with replicas, and chaos on it",
    ));
    let missing = demo_skips().chain(programs.chain(server).map(|(program, cases)| {
        format!("{cases}: {program} is not installed (Debian: apt-get install {program})")
    }));
    let real = lxc_obstacle()
        .map(|obstacle| format!("commands and consoles in real LXC containers: {obstacle}"));
    let fence = fence::obstacle().map(|obstacle| format!("the fence around tenants: {obstacle}"));
    let bound = processes_obstacle()
        .map(|obstacle| format!("the probe's look for a bound of processes: {obstacle}"));
    missing.chain(real).chain(fence).chain(bound).collect()
}

/// Why processes of another user cannot be limited here.
fn processes_obstacle() -> Option<&'static str> {
    if !["setpriv", "prlimit", "perl"]
        .into_iter()
        .all(host::has_program)
    {
        return Some("setpriv, prlimit or perl is not installed (Debian: apt-get install perl)");
    }
    (!rustix::process::geteuid().is_root()).then_some("it needs root")
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

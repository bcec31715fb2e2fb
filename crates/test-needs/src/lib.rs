//! What some tests need of the machine beside Rust: programs of the system, or rights.
//!
//! libtest cannot be told at run time that a case is ignored. So a package's build script calls
//! [`emit`], which sets a `cfg` for each need that this machine meets, and a case that has a need
//! says `#[cfg_attr(not(has_dash), ignore = "needs dash (Debian: dash)")]`. The runner then counts
//! it as ignored and prints the reason, which is [`TestNeed::reason`]. A case with two needs says
//! `all(has_one, not(has_other))` for the second, since it can be ignored for one reason only.

mod machine;

use std::path::Path;

use MachineCheck::{Condition, Program};

/// Something that a test may need.
#[derive(Debug, Clone, Copy)]
pub struct TestNeed {
    /// The `cfg` that is set where the need is met.
    pub cfg: &'static str,
    /// What is needed, in words.
    name: &'static str,
    /// The Debian packages that have it; empty where none gives it.
    packages: &'static str,
    check: MachineCheck,
}

/// How a need is checked.
#[derive(Debug, Clone, Copy)]
enum MachineCheck {
    /// The system has this program.
    Program(&'static str),
    Condition(fn() -> bool),
}

/// All needs.
pub const NEEDS: [TestNeed; 33] = [
    need("has_bash", "bash", "bash", Program("bash")),
    need("has_dash", "dash", "dash", Program("dash")),
    need("has_busybox", "BusyBox", "busybox", Program("busybox")),
    need("has_dtach", "dtach", "dtach", Program("dtach")),
    need("has_python3", "Python 3", "python3", Program("python3")),
    need("has_ip", "ip", "iproute2", Program("ip")),
    need("has_ping", "ping", "iputils-ping", Program("ping")),
    need("has_curl", "curl", "curl", Program("curl")),
    need("has_vi", "vi", "vim", Program("vi")),
    need("has_nano", "nano", "nano", Program("nano")),
    need("has_less", "less", "less", Program("less")),
    need("has_openssl", "OpenSSL", "openssl", Program("openssl")),
    need("has_ipcmk", "ipcmk", "util-linux", Program("ipcmk")),
    need(
        "has_certificates",
        "certificates of public authorities",
        "ca-certificates",
        Condition(machine::has_certificates),
    ),
    need(
        "has_sshd",
        "OpenSSH's server",
        "openssh-server",
        Condition(machine::has_sshd),
    ),
    need(
        "has_ssh_client",
        "OpenSSH's clients",
        "openssh-client",
        Condition(machine::has_ssh_client),
    ),
    need(
        "has_mount",
        "the right to mount a file system",
        "",
        Condition(machine::has_mount),
    ),
    need(
        "has_postgresql",
        "PostgreSQL",
        "postgresql",
        Condition(machine::has_postgresql),
    ),
    need(
        "has_pgbouncer",
        "PgBouncer",
        "pgbouncer",
        Program("pgbouncer"),
    ),
    need("has_root", "root", "", Condition(machine::is_root)),
    need(
        "has_namespaces",
        "namespaces of ordinary users",
        "util-linux",
        Condition(machine::has_namespaces),
    ),
    need(
        "has_bubblewrap",
        "bubblewrap and the right to use it",
        "bubblewrap",
        Condition(machine::has_bubblewrap),
    ),
    need(
        "has_confined_shells",
        "namespaces or bubblewrap",
        "util-linux bubblewrap",
        Condition(machine::has_confined_shells),
    ),
    need(
        "has_hostile_tenants",
        "confined shells and 6 GiB of free disk",
        "bubblewrap",
        Condition(machine::has_hostile_tenants),
    ),
    need(
        "has_control_groups",
        "root and control groups 2",
        "",
        Condition(machine::has_control_groups),
    ),
    need(
        "has_session_keys",
        "kernel keyrings on x86-64 and Python 3",
        "python3",
        Condition(machine::has_session_keys),
    ),
    need(
        "has_lxc",
        "root, namespaces, LXC with a network interface, and dtach",
        "lxc iproute2 dtach",
        Condition(machine::has_lxc),
    ),
    need(
        "has_debian",
        "a Debian in target/debian, which .ci/debian makes",
        "",
        Condition(machine::has_debian),
    ),
    need("has_rsync", "rsync", "rsync", Program("rsync")),
    need("has_fish", "fish", "fish", Program("fish")),
    need(
        "has_dropbear",
        "Dropbear",
        "dropbear-bin",
        Program("dropbear"),
    ),
    need(
        "has_ssh_penalties",
        "OpenSSH's server from 9.8 on",
        "openssh-server",
        Condition(machine::has_ssh_penalties),
    ),
    need(
        "has_process_limits",
        "root, prlimit and Perl",
        "util-linux perl",
        Condition(machine::has_process_limits),
    ),
];

const fn need(
    cfg: &'static str,
    name: &'static str,
    packages: &'static str,
    check: MachineCheck,
) -> TestNeed {
    TestNeed {
        cfg,
        name,
        packages,
        check,
    }
}

impl TestNeed {
    /// Whether this machine meets the need.
    #[must_use]
    pub fn is_met(&self) -> bool {
        match self.check {
            Program(name) => machine::has_program(name),
            Condition(holds) => holds(),
        }
    }

    /// Why a case is ignored where the need is not met.
    #[must_use]
    pub fn reason(&self) -> String {
        let Self { name, packages, .. } = self;
        match *packages {
            "" => format!("needs {name}"),
            packages => format!("needs {name} (Debian: {packages})"),
        }
    }
}

/// Sets the `cfg` of every need that is met, from a build script.
pub fn emit() {
    // Debian's list of installed packages: what is met may change with it.
    let packages = Path::new("/var/lib/dpkg/status");
    if packages.exists() {
        println!("cargo::rerun-if-changed={}", packages.display());
    }
    for need in &NEEDS {
        println!("cargo::rustc-check-cfg=cfg({})", need.cfg);
        if need.is_met() {
            println!("cargo::rustc-cfg={}", need.cfg);
        }
    }
}

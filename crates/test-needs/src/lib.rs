//! What some tests need of the machine beside Rust: programs of the system, or rights.
//!
//! libtest cannot be told at run time that a case is ignored. So a package's build script calls
//! [`emit`], which sets a `cfg` for each need that this machine meets, and a case that has a need
//! says `#[cfg_attr(not(has_postgresql), ignore = "PostgreSQL is not installed")]`. The runner then
//! counts it as ignored and prints the reason.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Something that a test may need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestNeed {
    /// A PostgreSQL server can be started.
    Postgresql,
    /// PgBouncer is installed.
    Pgbouncer,
    /// bash is installed.
    Bash,
    /// dash is installed.
    Dash,
    /// BusyBox is installed.
    Busybox,
    /// dtach is installed.
    Dtach,
    /// Real LXC containers can be started: the programs, root and namespaces.
    Lxc,
    /// The processes of another user can be bounded: setpriv, prlimit, Perl and root.
    ProcessLimits,
    /// OpenSSH's client with its programs for files and keys.
    SshClient,
    /// Python 3 is installed.
    Python3,
    /// curl is installed.
    Curl,
    /// Ordinary users may make namespaces.
    Namespaces,
    /// bubblewrap is installed and may make namespaces.
    Bubblewrap,
}

use TestNeed::*;

impl TestNeed {
    /// All needs.
    pub const ALL: [Self; 13] = [
        Postgresql,
        Pgbouncer,
        Bash,
        Dash,
        Busybox,
        Dtach,
        Lxc,
        ProcessLimits,
        SshClient,
        Python3,
        Curl,
        Namespaces,
        Bubblewrap,
    ];

    /// The `cfg` that is set where the need is met.
    pub fn cfg(self) -> &'static str {
        match self {
            Postgresql => "has_postgresql",
            Pgbouncer => "has_pgbouncer",
            Bash => "has_bash",
            Dash => "has_dash",
            Busybox => "has_busybox",
            Dtach => "has_dtach",
            Lxc => "has_lxc",
            ProcessLimits => "has_process_limits",
            SshClient => "has_ssh_client",
            Python3 => "has_python3",
            Curl => "has_curl",
            Namespaces => "has_namespaces",
            Bubblewrap => "has_bubblewrap",
        }
    }

    /// Whether this machine meets the need.
    pub fn is_met(self) -> bool {
        match self {
            Postgresql => postgresql_exists(),
            Pgbouncer => program_exists("pgbouncer"),
            Bash => program_exists("bash"),
            Dash => program_exists("dash"),
            Busybox => program_exists("busybox"),
            Dtach => program_exists("dtach"),
            Lxc => {
                let programs = ["lxc-start", "lxc-attach", "lxc-stop", "dtach", "unshare"];
                programs.into_iter().all(program_exists) && is_root() && namespaces_are_allowed()
            }
            ProcessLimits => {
                ["setpriv", "prlimit", "perl"]
                    .into_iter()
                    .all(program_exists)
                    && is_root()
            }
            SshClient => ["ssh", "scp", "sftp", "ssh-keygen"]
                .into_iter()
                .all(program_exists),
            Python3 => program_exists("python3"),
            Curl => program_exists("curl"),
            Namespaces => namespaces_are_allowed(),
            Bubblewrap => {
                let status = Command::new("bwrap")
                    .args(["--unshare-all", "--disable-userns", "--unshare-user"])
                    .args(["--ro-bind", "/", "/", "--proc", "/proc", "true"])
                    .stderr(Stdio::null())
                    .status();
                status.is_ok_and(|status| status.success())
            }
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
    for need in TestNeed::ALL {
        println!("cargo::rustc-check-cfg=cfg({})", need.cfg());
        if need.is_met() {
            println!("cargo::rustc-cfg={}", need.cfg());
        }
    }
}

/// Debian keeps the server's programs in a folder of its release.
fn postgresql_exists() -> bool {
    let releases = std::fs::read_dir("/usr/lib/postgresql");
    let mut releases = releases.into_iter().flatten().flatten();
    program_exists("initdb") || releases.any(|release| release.path().join("bin/initdb").exists())
}

fn program_exists(program: &str) -> bool {
    ["/bin", "/usr/bin", "/sbin", "/usr/sbin"]
        .iter()
        .any(|folder| Path::new(folder).join(program).exists())
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn namespaces_are_allowed() -> bool {
    let status = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "--pid", "--fork"])
        .args(["--mount-proc", "true"])
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

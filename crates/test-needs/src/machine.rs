//! What this machine has.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use keyutils::Keyring;
use keyutils::keytypes::User;

/// Free disk in bytes that the tests of hostile tenants need: they fill the disks of containers.
const HOSTILE_DISK: u64 = 6 << 30;

/// An account without rights, which shells of the demo are where the simulator is root.
const NOBODY: &str = "65534";

/// Whether the system has a program.
pub(crate) fn has_program(program: &str) -> bool {
    ["/bin", "/usr/bin", "/sbin", "/usr/sbin"]
        .iter()
        .any(|folder| Path::new(folder).join(program).exists())
}

fn have_programs(programs: &[&str]) -> bool {
    programs.iter().all(|program| has_program(program))
}

pub(crate) fn has_certificates() -> bool {
    Path::new("/etc/ssl/certs/ca-certificates.crt").exists()
}

/// Whether a server can be started. Debian keeps its programs in a folder of its release.
pub(crate) fn has_postgresql() -> bool {
    let releases = fs::read_dir("/usr/lib/postgresql");
    let mut releases = releases.into_iter().flatten().flatten();
    has_program("initdb") || releases.any(|release| release.path().join("bin/initdb").exists())
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Whether an ordinary user may make the namespaces that confine a shell.
pub(crate) fn has_namespaces() -> bool {
    succeeds(&[&as_ordinary_user()[..], &UNSHARE].concat())
}

/// Whether an ordinary user may run bubblewrap, in a release that can forbid user namespaces.
pub(crate) fn has_bubblewrap() -> bool {
    let bubblewrap = ["bwrap", "--unshare-all", "--unshare-user"];
    let inside = ["--disable-userns", "--ro-bind", "/", "/"];
    let mounts = ["--proc", "/proc", "--dev", "/dev", "true"];
    succeeds(&[&as_ordinary_user()[..], &bubblewrap, &inside, &mounts].concat())
}

/// Whether the demo's shells can be confined in one way or the other.
pub(crate) fn has_confined_shells() -> bool {
    has_namespaces() || has_bubblewrap()
}

/// Whether shells can be confined, bounded from outside, and allowed to fill disks.
pub(crate) fn has_hostile_tenants() -> bool {
    let has_disk = rustix::fs::statvfs("/var/tmp")
        .is_ok_and(|about| about.f_bavail * about.f_frsize >= HOSTILE_DISK);
    has_disk && have_programs(&["timeout", "prlimit"]) && has_confined_shells()
}

/// Whether root may make control groups that bound memory, processes and processors.
pub(crate) fn has_control_groups() -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let top = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (path, kind) = (fields.next()?, fields.next()?);
        (kind == "cgroup2").then(|| PathBuf::from(path))
    });
    let Some(top) = top else { return false };
    let controllers = fs::read_to_string(top.join("cgroup.subtree_control")).unwrap_or_default();
    let has = |name| controllers.split_whitespace().any(|one| one == name);
    let attempt = top.join(format!("infra402-test-needs-{}", std::process::id()));
    let may_make = || fs::create_dir(&attempt).is_ok() && fs::remove_dir(&attempt).is_ok();
    ["cpu", "memory", "pids"].into_iter().all(has) && is_root() && may_make()
}

/// Whether a process may have a keyring, which many hosts of containers forbid. The program in
/// Python that looks for keys knows the number of the call on one architecture only.
pub(crate) fn has_session_keys() -> bool {
    cfg!(target_arch = "x86_64")
        && has_program("python3")
        && Keyring::join_anonymous_session()
            .and_then(|mut ring| ring.add_key::<User, _, _>("test-needs", b"nothing".as_ref()))
            .is_ok()
}

/// Whether real LXC containers can be started, with a network interface to this host.
pub(crate) fn has_lxc() -> bool {
    let interface = ["ip", "link", "add", "test-needs", "type", "veth"];
    have_programs(&["lxc-start", "lxc-attach", "lxc-stop", "lxc-freeze", "dtach"])
        && is_root()
        && succeeds(&UNSHARE)
        && succeeds(&[&["unshare", "--net"], &interface[..]].concat())
}

/// Whether the processes of another user can be bounded, and Perl can count them.
pub(crate) fn has_process_limits() -> bool {
    let another_user = ["setpriv", "--reuid", "61402", "--clear-groups"];
    let bounded = ["prlimit", "--nproc=200", "sh", "-c", "command -v perl"];
    succeeds(&[&another_user[..], &bounded].concat())
}

/// Makes the namespaces of a container.
const UNSHARE: [&str; 8] = [
    "unshare",
    "--user",
    "--map-root-user",
    "--mount",
    "--pid",
    "--fork",
    "--mount-proc",
    "true",
];

/// The words before a command with which root runs it without rights.
fn as_ordinary_user() -> Vec<&'static str> {
    if !is_root() {
        return Vec::new();
    }
    let account = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY];
    [&account[..], &["--clear-groups", "--inh-caps=-all"]].concat()
}

fn succeeds(command: &[&str]) -> bool {
    let status = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// Whether OpenSSH's server can be started with keys of its own.
pub(crate) fn has_sshd() -> bool {
    have_programs(&["sshd", "ssh-keygen"])
}

/// Whether OpenSSH's server has `PerSourcePenalties`.
pub(crate) fn has_ssh_penalties() -> bool {
    let version = Command::new("/usr/sbin/sshd").arg("-V").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
    let version = version.unwrap_or_default();
    let numbers = version.split("OpenSSH_").nth(1).unwrap_or_default();
    let mut numbers = numbers.split(|c: char| !c.is_ascii_digit());
    let mut next = || numbers.next().and_then(|number| number.parse::<u32>().ok());
    has_sshd() && (next(), next()) >= (Some(9), Some(8))
}

/// Whether there is a Debian for real containers.
pub(crate) fn has_debian() -> bool {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    workspace
        .join("target/debian/srv/packages/Packages")
        .exists()
}

/// Whether OpenSSH's client is there with its programs for files and keys.
pub(crate) fn has_ssh_client() -> bool {
    have_programs(&["ssh", "scp", "sftp", "ssh-keygen"])
}

/// Whether a file system can be mounted. Root alone does not tell: a container's root may lack the
/// right. So it is tried, in a namespace of its own that leaves nothing behind.
pub(crate) fn has_mount() -> bool {
    let mount = ["mount", "-t", "tmpfs", "tmpfs", "/mnt"];
    succeeds(&[&["unshare", "--mount"], &mount[..]].concat())
}

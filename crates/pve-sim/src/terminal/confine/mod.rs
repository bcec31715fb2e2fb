//! Confines a shell: user, mount, process, host name, IPC and network namespaces of its
//! own, a root file system of its own with the host's programs read-only, no capabilities, no way
//! to make further user namespaces, and the limits that [`super::limits`] sets. Where the simulator
//! runs as root the shell is first made an ordinary user, so that root inside has no rights
//! outside.

mod bubblewrap;
mod namespaces;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use portable_pty::CommandBuilder;
use tokio::process::Command;

use super::host_user::{login_shell, ordinary_user};
use super::limits::Bounds;

/// Files in `/proc` that show the host's state; they are empty inside.
const MASKED_FILES: &[&str] = &[
    "cmdline",
    "diskstats",
    "interrupts",
    "kallsyms",
    "kcore",
    "key-users",
    "keys",
    "kmsg",
    "latency_stats",
    "modules",
    "partitions",
    "sched_debug",
    "timer_list",
];

/// Folders in `/proc` that show the host's state; they are empty inside.
const MASKED_FOLDERS: &[&str] = &["acpi", "asound", "driver", "fs", "scsi"];

/// Puts the process into its control group, if it has one, makes it the first to be killed when
/// memory runs out, and gives it the lowest priority.
const JOIN_GROUP: &str = r#"
group=$1
shift
if [ -n "$group" ]; then echo 0 >"$group/cgroup.procs" || exit 1; fi
echo 1000 2>/dev/null >/proc/self/oom_score_adj || :
echo 19 2>/dev/null >/proc/self/autogroup || :
exec nice -n 19 "$@"
"#;

/// Where the container's own server is inside: in a folder that no tenant can change.
const GUEST: &str = "/dev/guest";

/// How long the check may take. On a busy host it takes seconds to set namespaces up, and after
/// a failure the toy shell answers.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);
/// Checks that a command is confined: the host name is the given one, few processes are visible,
/// the host's files are hidden or read-only, and no user namespace can be made.
const CHECK: &str = r#"
test "$(uname -n)" = probe && test -d /proc/self && test $(ls -d /proc/[0-9]* | wc -l) -lt 9 &&
! test -e /etc/shadow && echo x >/root/written && rm /root/written &&
echo x >/dev/null && ! touch /usr/written 2>/dev/null &&
! unshare --user true 2>/dev/null && echo confined
"#;

/// Folders of the host's system that a shell needs, where they are no links into `/usr`.
const SYSTEM: &[&str] = &["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// How shells are confined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Confinement {
    /// By `unshare` and a script that builds the file system.
    Namespaces,
    /// By `bwrap`, to which some hosts allow more than to other programs.
    Bubblewrap,
}

/// The first kind of confinement that works on this host, tried on a root folder.
pub(super) async fn find(root: &Path, prefer_bubblewrap: bool) -> Option<Confinement> {
    let mut ways = [Confinement::Namespaces, Confinement::Bubblewrap];
    if prefer_bubblewrap {
        ways.reverse();
    }
    for way in ways {
        if way.works(root).await {
            return Some(way);
        }
    }
    None
}

impl Confinement {
    /// Its name for the operator.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Namespaces => "namespaces",
            Self::Bubblewrap => "bubblewrap",
        }
    }

    /// An interactive shell in the root folder, held to its bounds.
    pub(super) fn shell(self, root: &Path, hostname: &str, bounds: &Bounds) -> CommandBuilder {
        let arguments = self.arguments(root, hostname, bounds, &[login_shell()]);
        let mut command = CommandBuilder::new(&arguments[0]);
        command.args(&arguments[1..]);
        command.env_clear();
        for (name, value) in ENVIRONMENT {
            command.env(name, value);
        }
        command.cwd("/");
        command
    }

    /// The container's own server, which is `program`, a file of the host. It leads a session of its
    /// own, so that nothing inside can reach the terminal that the simulator was started from.
    pub(super) fn guest(
        self,
        root: &Path,
        hostname: &str,
        bounds: &Bounds,
        program: &Path,
        words: &[OsString],
    ) -> std::process::Command {
        let inner = [GUEST, "guest"];
        let mut command = std::process::Command::new("setsid");
        command
            .args(self.arguments_with(root, hostname, bounds, Some(program), &inner))
            .args(words)
            .env_clear()
            .envs(ENVIRONMENT.iter().copied())
            // Reserved address space counts where the kernel limits each process.
            .env("MALLOC_ARENA_MAX", "1")
            .current_dir("/");
        command
    }

    /// Whether it confines a command.
    async fn works(self, root: &Path) -> bool {
        let bounds = Bounds::for_a_probe();
        let arguments = self.arguments(root, "probe", &bounds, &["/bin/sh", "-c", CHECK]);
        let mut command = Command::new(&arguments[0]);
        command
            .args(&arguments[1..])
            .env_clear()
            .envs(ENVIRONMENT.iter().copied())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = tokio::time::timeout(CHECK_TIMEOUT, command.output()).await;
        let Ok(Ok(output)) = output else {
            return false;
        };
        let works = output.stdout == b"confined\n";
        if !works {
            let cause = String::from_utf8_lossy(&output.stderr).into_owned();
            tracing::debug!(way = ?self, error = cause, "this host does not confine shells this way");
        }
        works
    }

    fn arguments(
        self,
        root: &Path,
        hostname: &str,
        bounds: &Bounds,
        inner: &[&str],
    ) -> Vec<String> {
        self.arguments_with(root, hostname, bounds, None, inner)
    }

    /// The same; `program` is there inside as [`GUEST`].
    fn arguments_with(
        self,
        root: &Path,
        hostname: &str,
        bounds: &Bounds,
        program: Option<&Path>,
        inner: &[&str],
    ) -> Vec<String> {
        let group = bounds.group.as_ref().map(|group| group.path());
        let group = group.map_or_else(String::new, |path| path.display().to_string());
        let mut arguments = ["sh", "-c", JOIN_GROUP, "sh", &group]
            .map(String::from)
            .to_vec();
        arguments.extend(ordinary_user());
        arguments.extend(match self {
            Self::Namespaces => namespaces::arguments(root, hostname, program),
            Self::Bubblewrap => bubblewrap::arguments(root, hostname, program),
        });
        arguments.push("prlimit".into());
        arguments.extend(match program {
            Some(_) => bounds.rlimits_of_server(),
            None => bounds.rlimits.clone(),
        });
        arguments.extend(inner.iter().copied().map(String::from));
        arguments
    }
}

const ENVIRONMENT: &[(&str, &str)] = &[
    ("HOME", "/root"),
    ("LANG", "C.UTF-8"),
    (
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ),
    ("TERM", "xterm-256color"),
    ("USER", "root"),
    ("container", "lxc"),
];

/// System folders of the host that are no links.
fn own_system() -> Vec<String> {
    SYSTEM
        .iter()
        .filter(|folder| {
            std::fs::symlink_metadata(folder).is_ok_and(|found| found.file_type().is_dir())
        })
        .map(|folder| (*folder).to_owned())
        .collect()
}

/// Names directly below the root folder on which something is mounted: a link there would lead the
/// mount elsewhere.
pub(super) fn mount_points() -> Vec<String> {
    let system = own_system().into_iter();
    let system = system.map(|folder| folder.trim_start_matches('/').to_owned());
    ["usr", "proc", "dev"]
        .map(String::from)
        .into_iter()
        .chain(system)
        .collect()
}

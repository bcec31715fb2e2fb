//! Keeps a shell in its place: user, mount, process, host name, IPC and network namespaces of its own, a root file system of its
//! own with the host's programs read-only, no capabilities, and limits on processes, memory, CPU time and file size. Where the
//! simulator runs as root the shell is first made an ordinary user, so that root inside is nobody outside.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use portable_pty::CommandBuilder;
use tokio::process::Command;

/// Account that root inside is outside, when the simulator runs as root.
pub(super) const NOBODY: u32 = 65534;

/// Limits for every process inside: processes of the container, address space, CPU seconds, file size, open files.
const LIMITS: &[&str] = &[
    "--nproc=256",
    "--as=2147483648",
    "--cpu=3600",
    "--fsize=268435456",
    "--nofile=1024",
    "--core=0",
];

/// Folders of the host's system that a shell needs, where they are no links into `/usr`.
const SYSTEM: &[&str] = &["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// How shells are kept in their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Confinement {
    /// By `bwrap`.
    Bubblewrap,
    /// By `unshare` and a script that builds the file system.
    Namespaces,
}

/// The first way that works on this host, tried on a root folder.
pub(super) async fn find(root: &Path) -> Option<Confinement> {
    for way in [Confinement::Bubblewrap, Confinement::Namespaces] {
        if way.works(root).await {
            return Some(way);
        }
    }
    None
}

impl Confinement {
    /// An interactive shell in the root folder.
    pub(super) fn shell(self, root: &Path, hostname: &str) -> CommandBuilder {
        let arguments = self.arguments(root, hostname, &[login_shell()]);
        let mut command = CommandBuilder::new(&arguments[0]);
        command.args(&arguments[1..]);
        command.env_clear();
        for (name, value) in ENVIRONMENT {
            command.env(name, value);
        }
        command.cwd("/");
        command
    }

    /// Whether it keeps a command in its place: the host name is the one asked for, and only few processes are to be seen.
    async fn works(self, root: &Path) -> bool {
        let check = "test \"$(uname -n)\" = probe && test -d /proc/self && test $(ls -d /proc/[0-9]* | wc -l) -lt 9 && \
                     ! test -e /etc/shadow && echo x >/root/written && rm /root/written && \
                     echo x >/dev/null && ! touch /usr/written 2>/dev/null && echo confined";
        let arguments = self.arguments(root, "probe", &["/bin/sh", "-c", check]);
        let mut command = Command::new(&arguments[0]);
        command
            .args(&arguments[1..])
            .env_clear()
            .envs(ENVIRONMENT.iter().copied())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = tokio::time::timeout(Duration::from_secs(5), command.output()).await;
        let Ok(Ok(output)) = output else {
            return false;
        };
        let works = output.stdout == b"confined\n";
        if !works {
            let cause = String::from_utf8_lossy(&output.stderr).into_owned();
            tracing::debug!(way = ?self, cause, "this host does not confine shells this way");
        }
        works
    }

    fn arguments(self, root: &Path, hostname: &str, inner: &[&str]) -> Vec<String> {
        let mut arguments = ordinary_user();
        match self {
            Self::Bubblewrap => arguments.extend(bubblewrap(root, hostname)),
            Self::Namespaces => arguments.extend(namespaces(root, hostname)),
        }
        arguments.push("prlimit".into());
        arguments.extend(LIMITS.iter().copied().map(String::from));
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

/// Bash if the host has it, as most templates do.
pub(super) fn login_shell() -> &'static str {
    if Path::new("/bin/bash").exists() {
        "/bin/bash"
    } else {
        "/bin/sh"
    }
}

/// Whether the simulator itself is root.
pub(super) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// The words before a command that make it an ordinary user's, where the simulator is root. No
/// shell of a container, whether confined or not, is ever root on the host.
pub(super) fn ordinary_user() -> Vec<String> {
    if !is_root() {
        return Vec::new();
    }
    let id = NOBODY.to_string();
    [
        "setpriv",
        "--reuid",
        &id,
        "--regid",
        &id,
        "--clear-groups",
        "--inh-caps=-all",
    ]
    .map(String::from)
    .into()
}

fn bubblewrap(root: &Path, hostname: &str) -> Vec<String> {
    let root = root.display().to_string();
    let mut arguments: Vec<String> = [
        "bwrap",
        "--unshare-all",
        "--unshare-user",
        "--uid",
        "0",
        "--gid",
        "0",
        "--hostname",
        hostname,
        "--cap-drop",
        "ALL",
        "--die-with-parent",
        "--as-pid-1",
        "--bind",
        &root,
        "/",
        "--ro-bind",
        "/usr",
        "/usr",
    ]
    .map(String::from)
    .into();
    for folder in own_system() {
        arguments.extend(["--ro-bind".to_owned(), folder.clone(), folder]);
    }
    arguments.extend(["--proc", "/proc", "--dev", "/dev", "--chdir", "/root"].map(String::from));
    arguments
}

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

/// Builds the file system and gives up everything that was needed for that. Below the root folder
/// nothing but mount points is named before the root has changed, since the tenant may have put
/// links there.
const BUILD: &str = r#"
set -e
root=$1 name=$2 folders=$3
shift 3
mount --make-rprivate /
mount --bind "$root" "$root"
cd "$root"
for folder in $folders; do
  mount --rbind "$folder" ".$folder"
  mount -o remount,bind,ro,nosuid,nodev ".$folder"
done
mount -t proc -o nosuid,nodev,noexec proc proc
for entry in sys sysrq-trigger irq bus; do
  if [ -e "proc/$entry" ]; then
    mount --bind "proc/$entry" "proc/$entry"
    mount -o remount,bind,ro,nosuid,nodev,noexec "proc/$entry"
  fi
done
# Not writable for all: the kernel lets nobody open somebody else's device for writing in a folder that is.
mount -t tmpfs -o nosuid,mode=755,size=1m tmpfs dev
for device in null zero full random urandom tty; do
  : >"dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
hostname "$name"
# The old root on top of the new one, so that no folder of the tenant's is needed for it.
pivot_root . .
umount -l .
cd /root
exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs "$@"
"#;

fn namespaces(root: &Path, hostname: &str) -> Vec<String> {
    let mut folders = own_system();
    folders.push("/usr".into());
    let root: PathBuf = root.to_owned();
    let mut arguments: Vec<String> = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--uts",
        "--ipc",
        "--net",
        "sh",
        "-c",
        BUILD,
        "sh",
    ]
    .map(String::from)
    .into();
    arguments.extend([
        root.display().to_string(),
        hostname.to_owned(),
        folders.join(" "),
    ]);
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::rootfs::RootFolders;

    /// What a command prints inside.
    async fn inside(way: Confinement, root: &Path, script: &str) -> String {
        let arguments = way.arguments(root, "web-1", &["/bin/sh", "-c", script]);
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
        for way in [Confinement::Bubblewrap, Confinement::Namespaces] {
            if !way.works(&probe).await {
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
}

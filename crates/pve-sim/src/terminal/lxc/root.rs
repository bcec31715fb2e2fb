//! The root folder of a real container, and its configuration.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::guest;
use super::run;
use crate::terminal::GuestOrder;

/// The host's account that root in a container is.
const ROOT_INSIDE: u32 = 100_000;
/// Accounts in a container.
const ACCOUNTS: u32 = 65_536;

/// Folders of the host with its programs, which are links into `/usr` on most hosts.
const SYSTEM: &[&str] = &["bin", "sbin", "lib", "lib64"];

/// Starts the SSH server if it is installed and configured, and reaps what is orphaned, as an init
/// has to.
const INIT: &str = "\
if [ -x /usr/sbin/sshd ] && [ -e /etc/ssh/sshd_config ]; then
    mkdir -p /run/sshd
    /usr/sbin/sshd -E /var/log/sshd.log
fi
while :; do sleep 1000 & wait; done
";

/// What Debian's package of OpenSSH brings: its configuration as it is installed, and how it asks
/// PAM. The accounts are those of the package and of the base system.
const SSHD_CONFIG: &str = "/usr/share/openssh/sshd_config";
const OF_THE_SERVER: &[&str] = &["pam.d", "security", "login.defs", "ssh/moduli"];
const SSHD_ACCOUNT: &str = "sshd:x:101:65534::/run/sshd:/usr/sbin/nologin\n";
/// No account has a password. That of root is not locked (`*` and not `!`), so that keys work.
const SHADOW: &str = "root:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\nsshd:!:19000::::::\n";

/// The container's root folder, made if there is none: a copy of the distribution, or else one with
/// the host's programs.
pub(super) fn prepare(
    folder: &Path,
    order: &GuestOrder,
    distribution: Option<&Path>,
) -> io::Result<PathBuf> {
    let container = folder.join(order.vmid.to_string());
    let root = container.join("root");
    if root.exists() {
        return Ok(root);
    }
    let fresh = container.join("root.new");
    fs::create_dir_all(&container)?;
    match distribution {
        Some(distribution) => {
            run(Command::new("cp")
                .args(["-a", "--reflink=auto"])
                .args([distribution, &fresh]))?;
            fs::write(fresh.join("etc/hostname"), format!("{}\n", order.hostname))?;
        }
        None => {
            guest::build(&fresh, &order.hostname)?;
            fs::set_permissions(fresh.join("tmp"), Permissions::from_mode(0o1777))?;
            if order.first_files.has_sshd {
                add_server(&fresh)?;
            }
        }
    }
    fs::write(fresh.join("etc/init"), INIT)?;
    order
        .first_files
        .lay(&fresh.join("etc/ssh"), &fresh.join("root"))?;
    shift(&fresh)?;
    fs::rename(&fresh, &root)?;
    Ok(root)
}

/// Lets the host's own OpenSSH serve the container, as Debian configures it.
fn add_server(root: &Path) -> io::Result<()> {
    let etc = root.join("etc");
    fs::create_dir_all(etc.join("ssh/sshd_config.d"))?;
    for name in OF_THE_SERVER {
        guest::copy(&Path::new("/etc").join(name), &etc.join(name))?;
    }
    if Path::new(SSHD_CONFIG).exists() {
        fs::copy(SSHD_CONFIG, etc.join("ssh/sshd_config"))?;
    }
    let accounts = fs::read_to_string(etc.join("passwd"))? + SSHD_ACCOUNT;
    fs::write(etc.join("passwd"), accounts)?;
    fs::write(etc.join("shadow"), SHADOW)?;
    fs::set_permissions(etc.join("shadow"), Permissions::from_mode(0o600))
}

/// Gives everything to the accounts that the container's are on the host.
fn shift(path: &Path) -> io::Result<()> {
    let about = path.symlink_metadata()?;
    let (owner, group) = (about.uid() + ROOT_INSIDE, about.gid() + ROOT_INSIDE);
    lchown(path, Some(owner), Some(group))?;
    if about.is_dir() {
        for entry in fs::read_dir(path)? {
            shift(&entry?.path())?;
        }
    }
    // A new owner takes the bits away by which a program changes the account.
    if !about.is_symlink() && about.mode() & 0o6000 != 0 {
        fs::set_permissions(path, Permissions::from_mode(about.mode() & 0o7777))?;
    }
    Ok(())
}

/// The container's configuration.
///
/// # Errors
/// The root folder cannot be read.
pub(super) fn configuration(root: &Path, order: &GuestOrder, network: &str) -> io::Result<String> {
    let mut mounts = String::new();
    // A distribution has its own programs.
    if fs::read_dir(root.join("usr"))?.next().is_none() {
        mounts += &bound("usr");
        for name in SYSTEM {
            if Path::new("/").join(name).is_dir() && fs::read_link(format!("/{name}")).is_err() {
                mounts += &bound(name);
            }
        }
    }
    Ok(format!(
        "lxc.uts.name = {}
lxc.rootfs.path = dir:{}
lxc.idmap = u 0 {ROOT_INSIDE} {ACCOUNTS}
lxc.idmap = g 0 {ROOT_INSIDE} {ACCOUNTS}
{network}lxc.mount.auto = proc:mixed
lxc.autodev = 1
lxc.pty.max = 1024
{mounts}lxc.init.cmd = /bin/sh /etc/init
",
        order.hostname,
        root.display(),
    ))
}

fn bound(name: &str) -> String {
    format!("lxc.mount.entry = /{name} {name} none bind,ro 0 0\n")
}

//! Real containers: unprivileged, by the LXC that Proxmox uses, attached to as Proxmox does it.
//! They have a root folder of their own, the host's programs read-only, no network, and no limits.
//! They need root, and are for tests.

use std::collections::HashSet;
use std::fs::{self, Permissions};
use std::io::{self, Error};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard};

use portable_pty::CommandBuilder;
use tempfile::TempDir;

use super::host_user::login_shell;

/// The host's account that root in a container is.
const ROOT_INSIDE: u32 = 100_000;

/// Folders that a container has, owned by its root.
const FOLDERS: &[&str] = &[
    "dev", "etc", "proc", "root", "run", "sys", "tmp", "usr", "var",
];

/// Folders of the host with its programs, which are links into `/usr` on most hosts.
const SYSTEM: &[&str] = &["bin", "sbin", "lib", "lib64"];

/// Reaps what is orphaned, as an init has to.
const INIT: &str = "while :; do sleep 1000 & wait; done\n";

/// Without the programs that map ids by the host's table of subordinate ids, LXC maps them itself,
/// as root may.
const PATH_FOR_LXC: &str = "/nonexistent";

/// The containers of one simulator.
#[derive(Default)]
pub(super) struct LxcContainers(Mutex<LxcState>);

#[derive(Default)]
struct LxcState {
    folder: Option<TempDir>,
    running: HashSet<u32>,
}

fn program_at(name: &str) -> Option<PathBuf> {
    ["/usr/bin", "/bin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.exists())
}

impl LxcContainers {
    /// What a terminal proxy runs for a container, which is started if it does not run. Blocks.
    ///
    /// # Errors
    /// The container cannot be started.
    pub(super) fn console(&self, vmid: u32, hostname: &str) -> io::Result<CommandBuilder> {
        let mut state = self.state();
        let folder = state.folder()?;
        if !state.running.contains(&vmid) {
            prepare(&folder, vmid, hostname)?;
            lxc("lxc-start", &folder, vmid, &[])?;
            state.running.insert(vmid);
        }
        let attach = arguments("lxc-attach", &folder, vmid, &["--clear-env"])?;
        let mut command = CommandBuilder::new("/usr/bin/dtach");
        command.arg("-A");
        command.arg(folder.join(format!("console{vmid}")));
        command.args(["-r", "winch", "-z"]);
        command.args(attach);
        command.env_clear();
        command.env("TERM", "xterm-256color");
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.cwd("/");
        Ok(command)
    }

    /// Stops a container, if it is one of these and runs. Blocks.
    pub(super) fn stop(&self, vmid: u32) {
        let mut state = self.state();
        if state.running.remove(&vmid) {
            state.kill(vmid);
        }
    }

    /// Stops all. Blocks.
    pub(super) fn stop_all(&self) {
        let mut state = self.state();
        let running = std::mem::take(&mut state.running);
        for vmid in running {
            state.kill(vmid);
        }
    }

    /// Removes a container's files. Blocks.
    pub(super) fn remove(&self, vmid: u32) {
        let state = self.state();
        if let Some(folder) = &state.folder {
            // Of one that was never started there are none.
            let _ = fs::remove_dir_all(folder.path().join(vmid.to_string()));
        }
    }

    fn state(&self) -> MutexGuard<'_, LxcState> {
        self.0
            .lock()
            .expect("no code panics while it holds the containers")
    }
}

impl LxcState {
    fn folder(&mut self) -> io::Result<PathBuf> {
        let folder = match &self.folder {
            Some(folder) => folder,
            None => {
                let folder = tempfile::Builder::new().prefix("pve-sim-lxc-").tempdir()?;
                // Roots inside have to reach theirs.
                fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
                self.folder.insert(folder)
            }
        };
        Ok(folder.path().to_owned())
    }

    fn kill(&self, vmid: u32) {
        let Some(folder) = &self.folder else { return };
        if let Err(error) = lxc("lxc-stop", folder.path(), vmid, &["-k"]) {
            tracing::warn!(%error, vmid, "a real container cannot be stopped");
        }
    }
}

impl Drop for LxcContainers {
    fn drop(&mut self) {
        self.stop_all();
    }
}

fn arguments(program: &str, folder: &Path, vmid: u32, more: &[&str]) -> io::Result<Vec<String>> {
    let missing = || Error::other(format!("{program} is not installed"));
    let program = program_at(program).ok_or_else(missing)?;
    let mut arguments = vec![program.display().to_string()];
    arguments.extend(["-P".to_owned(), folder.display().to_string()]);
    arguments.extend(["-n".to_owned(), vmid.to_string()]);
    arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
    Ok(arguments)
}

fn lxc(program: &str, folder: &Path, vmid: u32, more: &[&str]) -> io::Result<()> {
    let arguments = arguments(program, folder, vmid, more)?;
    let output = Command::new(&arguments[0])
        .args(&arguments[1..])
        .env_clear()
        .env("PATH", PATH_FOR_LXC)
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(Error::other(format!("{program}: {}", text.trim())))
}

/// Makes the root folder, if there is none, and the configuration.
fn prepare(folder: &Path, vmid: u32, hostname: &str) -> io::Result<()> {
    let container_folder = folder.join(vmid.to_string());
    let root = container_folder.join("root");
    let mut mounts = String::new();
    for name in SYSTEM {
        if Path::new("/").join(name).is_dir() && fs::read_link(format!("/{name}")).is_err() {
            mounts += &bound(name);
        }
    }
    if !root.exists() {
        for name in FOLDERS {
            make(&root.join(name))?;
        }
        fs::set_permissions(root.join("tmp"), Permissions::from_mode(0o1777))?;
        let account = format!("root:x:0:0:root:/root:{}\n", login_shell());
        fs::write(root.join("etc/passwd"), account)?;
        fs::write(root.join("etc/init"), INIT)?;
        for name in SYSTEM {
            match fs::read_link(format!("/{name}")) {
                Ok(target) => symlink(target, root.join(name))?,
                Err(_) => make(&root.join(name))?,
            }
        }
        chown(&root, Some(ROOT_INSIDE), Some(ROOT_INSIDE))?;
    }
    let configuration = format!(
        "lxc.uts.name = {hostname}
lxc.rootfs.path = dir:{}
lxc.idmap = u 0 {ROOT_INSIDE} 65536
lxc.idmap = g 0 {ROOT_INSIDE} 65536
lxc.net.0.type = empty
lxc.mount.auto = proc:mixed
lxc.autodev = 1
{}{mounts}lxc.init.cmd = /bin/sh /etc/init
",
        root.display(),
        bound("usr"),
    );
    fs::write(container_folder.join("config"), configuration)
}

fn bound(name: &str) -> String {
    format!("lxc.mount.entry = /{name} {name} none bind,ro 0 0\n")
}

fn make(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    chown(path, Some(ROOT_INSIDE), Some(ROOT_INSIDE))
}

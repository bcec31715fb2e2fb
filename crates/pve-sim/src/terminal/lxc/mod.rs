//! Real containers: unprivileged, by the LXC that Proxmox uses, attached to as Proxmox does it.
//! Each has a root folder of its own (`root`) with the host's programs read-only or a whole
//! distribution, a link to the host (`link`) and no other network, and no limits. Where it has
//! OpenSSH's server, that is started with the container. They need root, and are for tests.

mod link;
mod root;

use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::io::{self, Error};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard};

use portable_pty::CommandBuilder;
use tempfile::TempDir;

use super::GuestOrder;
use link::Link;

/// Without the programs that map ids by the host's table of subordinate ids, LXC maps them itself,
/// as root may.
const PATH_FOR_LXC: &str = "/nonexistent";

/// Tries to start a container whose link is of another container of this host.
const START_TRIES: u32 = 5;

/// The containers of one simulator.
pub(super) struct LxcContainers {
    /// The root folder of a distribution that each container gets a copy of.
    distribution: Option<PathBuf>,
    state: Mutex<LxcState>,
}

#[derive(Default)]
struct LxcState {
    folder: Option<TempDir>,
    running: HashMap<u32, RunningContainer>,
}

struct RunningContainer {
    link: Link,
    frozen: bool,
}

fn program_at(name: &str) -> io::Result<PathBuf> {
    ["/usr/bin", "/bin", "/usr/sbin", "/sbin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.exists())
        .ok_or_else(|| Error::other(format!("{name} is not installed")))
}

impl LxcContainers {
    pub(super) fn new(distribution: Option<PathBuf>) -> Self {
        Self {
            distribution,
            state: Mutex::default(),
        }
    }

    /// What a terminal proxy runs for a container, which is started if it does not run. Blocks.
    ///
    /// # Errors
    /// The container cannot be started.
    pub(super) fn console(&self, order: &GuestOrder) -> io::Result<CommandBuilder> {
        self.start(order)?;
        let folder = self.state().folder()?;
        let attach = arguments("lxc-attach", &folder, order.vmid, &["--clear-env"])?;
        let mut command = CommandBuilder::new("/usr/bin/dtach");
        command.arg("-A");
        command.arg(folder.join(format!("console{}", order.vmid)));
        command.args(["-r", "winch", "-z"]);
        command.args(attach);
        command.env_clear();
        command.env("TERM", "xterm-256color");
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.cwd("/");
        Ok(command)
    }

    /// The address under which this host reaches a container, which is started if it does not run.
    /// Blocks.
    ///
    /// # Errors
    /// The container cannot be started.
    pub(super) fn address(&self, order: &GuestOrder) -> io::Result<Ipv4Addr> {
        self.start(order)
    }

    /// Starts a container if it does not run.
    fn start(&self, order: &GuestOrder) -> io::Result<Ipv4Addr> {
        let mut state = self.state();
        let (folder, vmid) = (state.folder()?, order.vmid);
        if let Some(running) = state.running.get(&vmid) {
            return Ok(running.link.inside());
        }
        let root = root::prepare(&folder, order, self.distribution.as_deref())?;
        let mut tries = 0;
        let link = loop {
            tries += 1;
            let link = Link::any();
            let configuration = root::configuration(&root, order, &link.configuration());
            fs::write(folder.join(vmid.to_string()).join("config"), configuration?)?;
            match lxc("lxc-start", &folder, vmid, &[]) {
                Ok(()) => break link,
                // The name of its link may be taken.
                Err(error) if tries == START_TRIES => return Err(error),
                Err(_) => {}
            }
        };
        let inside = link.inside();
        let raised = link.raise();
        let frozen = false;
        state
            .running
            .insert(vmid, RunningContainer { link, frozen });
        raised?;
        Ok(inside)
    }

    /// Stops all processes of a container from running, or lets them go on. Blocks.
    pub(super) fn freeze(&self, vmid: u32, frozen: bool) {
        let mut state = self.state();
        let Ok(folder) = state.folder() else { return };
        let Some(running) = state.running.get_mut(&vmid) else {
            return;
        };
        if running.frozen != frozen {
            let program = if frozen { "lxc-freeze" } else { "lxc-unfreeze" };
            match lxc(program, &folder, vmid, &[]) {
                Ok(()) => running.frozen = frozen,
                Err(error) => {
                    tracing::warn!(%error, vmid, "a real container cannot be frozen or thawed");
                }
            }
        }
    }

    /// Stops a container, if it is one of these and runs. Blocks.
    pub(super) fn stop(&self, vmid: u32) {
        // A frozen process does not end.
        self.freeze(vmid, false);
        let mut state = self.state();
        if state.running.remove(&vmid).is_some() {
            state.kill(vmid);
        }
    }

    /// Stops all. Blocks.
    pub(super) fn stop_all(&self) {
        let running: Vec<u32> = self.state().running.keys().copied().collect();
        for vmid in running {
            self.stop(vmid);
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
        self.state
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
    let mut arguments = vec![program_at(program)?.display().to_string()];
    arguments.extend(["-P".to_owned(), folder.display().to_string()]);
    arguments.extend(["-n".to_owned(), vmid.to_string()]);
    arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
    Ok(arguments)
}

fn lxc(program: &str, folder: &Path, vmid: u32, more: &[&str]) -> io::Result<()> {
    let arguments = arguments(program, folder, vmid, more)?;
    run(Command::new(&arguments[0])
        .args(&arguments[1..])
        .env_clear()
        .env("PATH", PATH_FOR_LXC))
}

/// Runs a program of the host that says on its standard error why it fails.
fn run(command: &mut Command) -> io::Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let program = Path::new(command.get_program()).display();
    let text = String::from_utf8_lossy(&output.stderr);
    Err(Error::other(format!("{program}: {}", text.trim())))
}

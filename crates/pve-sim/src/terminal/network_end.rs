//! The guest process of a container: its network end inside of its confinement, which serves SSH
//! and its ports ([`crate::sshd`]). It is started by the first connection and ends with the
//! container. It shares the container's files with the terminals, but no processes: each terminal
//! has namespaces of its own.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{self, BufRead as _, BufReader};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};

use rustix::process::Signal;

use super::confine::{self, Confinement};
use super::host_user::{is_root, ordinary_user};
use super::limits::Limits;
use super::rootfs::RootFolders;
use super::session::{DtachSession, ShellEnd};
use super::{ConfinedShells, GuestOrder, Terminals, host_shell, pty};
use crate::config::ShellMode;
use crate::processes;
use crate::sshd::GuestArguments;
use crate::sshd::handing::{self, ConnectionOrder};

/// The program's name.
const PROGRAM: &str = "pve-sim";

/// A running guest process.
pub(crate) struct GuestProcess {
    /// Stands for the guest's processes: open as long as they run.
    session: Arc<DtachSession>,
    pid: u32,
    /// Closed when the container stops, which ends the guest by itself.
    socket: Mutex<Option<Arc<OwnedFd>>>,
}

impl GuestProcess {
    /// Gives a connection to the guest.
    ///
    /// # Errors
    /// The guest has ended, or takes none just now ([`io::ErrorKind::WouldBlock`]).
    pub(crate) fn hand_over(&self, client: &TcpStream, order: &ConnectionOrder) -> io::Result<()> {
        let socket = self.socket().clone();
        let socket = socket.ok_or_else(|| io::Error::other("the container has stopped"))?;
        handing::send(&socket, client, order)
    }

    /// Stops all processes of the guest from running, or lets them go on.
    pub(crate) fn freeze(&self, frozen: bool) {
        let signal = match frozen {
            true => Signal::STOP,
            false => Signal::CONT,
        };
        processes::signal_tree(self.pid, signal);
    }

    pub(super) fn runs(&self) -> bool {
        self.session.is_open()
    }

    /// Ends the guest with everything that runs in it.
    pub(super) fn end(&self) {
        self.socket().take();
        self.session.end();
    }

    fn socket(&self) -> MutexGuard<'_, Option<Arc<OwnedFd>>> {
        self.socket
            .lock()
            .expect("no code panics while it holds this")
    }
}

impl Drop for GuestProcess {
    fn drop(&mut self) {
        self.end();
    }
}

impl Terminals {
    /// The container's network end, begun if there is none; `None` where the toy answers, and for
    /// real containers.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) async fn guest(
        self: &Arc<Self>,
        order: &GuestOrder,
    ) -> io::Result<Option<Arc<GuestProcess>>> {
        match self.mode {
            ShellMode::HostForTests(_) => {}
            ShellMode::Confined if self.confinement().await.is_some() => {}
            ShellMode::Confined | ShellMode::Toy | ShellMode::Lxc => return Ok(None),
        }
        if let Some(guest) = self.running_guest(order.vmid) {
            return Ok(Some(guest));
        }
        let (terminals, order) = (self.clone(), order.clone());
        let begun = tokio::task::spawn_blocking(move || terminals.begin_guest(&order));
        begun.await.map_err(io::Error::other)?.map(Some)
    }

    /// The container's network end, if it runs.
    pub(crate) fn running_guest(&self, vmid: u32) -> Option<Arc<GuestProcess>> {
        let guests = self.guests();
        guests.get(&vmid).filter(|guest| guest.runs()).cloned()
    }

    fn begin_guest(&self, order: &GuestOrder) -> io::Result<Arc<GuestProcess>> {
        let program = find_program(self.guest_program.as_deref());
        let program = program
            .ok_or_else(|| io::Error::other("the program pve-sim was not built beside this one"))?;
        let mut guests = self.guests();
        if let Some(guest) = guests.get(&order.vmid).filter(|guest| guest.runs()) {
            return Ok(guest.clone());
        }
        let guest = match (&self.mode, self.confinement.get()) {
            (ShellMode::HostForTests(shell), _) => {
                let power_off = self.power_off_of(order.vmid);
                begin_plain(order, shell, &self.roots, &program, power_off)?
            }
            (_, Some(Some(ConfinedShells { way, limits }))) => {
                begin_confined(order, *way, limits, &self.roots, &program)?
            }
            _ => return Err(io::Error::other("this host cannot confine it")),
        };
        guests.insert(order.vmid, guest.clone());
        Ok(guest)
    }

    pub(super) fn guests(&self) -> MutexGuard<'_, HashMap<u32, Arc<GuestProcess>>> {
        self.guests
            .lock()
            .expect("no code panics while it holds the table of network ends")
    }
}

/// Where the program is that runs as a guest: the given one, this one itself, or the one that was
/// built beside a test.
fn find_program(given: Option<&Path>) -> Option<PathBuf> {
    if let Some(given) = given {
        return given.exists().then(|| given.to_owned());
    }
    let own = std::env::current_exe().ok()?;
    if own.file_name().is_some_and(|name| name == PROGRAM) {
        return Some(own);
    }
    let folders = own.ancestors().skip(1).take(2);
    folders
        .map(|folder| folder.join(PROGRAM))
        .find(|beside| beside.exists())
}

/// A path to the program that the ordinary user of the containers can reach.
fn reachable(program: &Path, roots: &RootFolders) -> io::Result<PathBuf> {
    let program = program.canonicalize()?;
    let is_open = |folder: &Path| {
        let about = folder.metadata();
        about.is_ok_and(|about| about.permissions().mode() & 0o001 != 0)
    };
    if !is_root() || program.ancestors().all(is_open) {
        return Ok(program);
    }
    let copy = roots.folder()?.join(".guest");
    if !copy.exists() {
        let draft = copy.with_extension(std::process::id().to_string());
        std::fs::copy(&program, &draft)?;
        std::fs::rename(draft, &copy)?;
    }
    Ok(copy)
}

/// Starts the guest of a container confined.
///
/// # Errors
/// The root folder is unusable, or a process cannot be started.
fn begin_confined(
    order: &GuestOrder,
    way: Confinement,
    limits: &Limits,
    roots: &RootFolders,
    program: &Path,
) -> io::Result<Arc<GuestProcess>> {
    let name = order.vmid.to_string();
    let points = confine::mount_points();
    let root = roots.prepare_with(&name, &order.hostname, &points, &order.first_files)?;
    let bounds = limits.bounds(&name, order.size)?;
    let arguments = GuestArguments {
        open_files: bounds.open_files(),
        ..GuestArguments::default()
    };
    let program = reachable(program, roots)?;
    let command = way.guest(
        &root,
        &order.hostname,
        &bounds,
        &program,
        &arguments.words(),
    );
    let guest = begin(command, processes::end_tree, || {})?;
    let session = Arc::downgrade(&guest.session);
    limits.guard(name, session, guest.pid, root, bounds);
    Ok(guest)
}

/// Starts the guest of a container unconfined, with the container's folder as its home. SFTP and
/// commands reach all that an ordinary user of the host does, and ports are those of the host.
///
/// # Errors
/// There is no folder, or a process cannot be started.
fn begin_plain(
    order: &GuestOrder,
    shell: &Path,
    roots: &RootFolders,
    program: &Path,
    powered_off: impl Fn() + Send + 'static,
) -> io::Result<Arc<GuestProcess>> {
    let home = roots.plain_with(&order.vmid.to_string(), &order.first_files)?;
    let (programs, mark) = host_shell::marks(&home);
    let arguments = GuestArguments {
        etc_ssh: home.join("etc/ssh"),
        shell: Some(shell.to_owned()),
        programs: Some(programs),
        home: home.clone(),
        ..GuestArguments::default()
    };
    let mut words = vec!["setsid".to_owned()];
    words.extend(ordinary_user());
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .arg(reachable(program, roots)?)
        .arg("guest")
        .args(arguments.words())
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .current_dir(home);
    begin(command, processes::end_family, move || {
        if std::fs::remove_file(mark).is_ok() {
            powered_off();
        }
    })
}

fn begin(
    mut command: Command,
    kill: fn(u32),
    ended: impl FnOnce() + Send + 'static,
) -> io::Result<Arc<GuestProcess>> {
    pty::new_session_keyring()?;
    let (outside, inside) = handing::pair()?;
    let child = command
        .stdin(Stdio::from(inside))
        .stdout(OpenOptions::new().write(true).open("/dev/null")?)
        .stderr(Stdio::piped())
        .spawn()?;
    // It holds the guest's end of the socket pair.
    drop(command);
    let pid = child.id();
    let (session, shell_end) = DtachSession::begin();
    let reaped = Arc::new(Mutex::new(false));
    let seen = reaped.clone();
    session.ends_by(Box::new(move || {
        // A number that was waited for may belong to another process.
        let reaped = seen.lock().expect("no code panics while it holds this");
        if !*reaped {
            kill(pid);
        }
    }));
    std::thread::Builder::new()
        .name("guest".into())
        .spawn(move || watch(child, shell_end, &reaped, ended))?;
    Ok(Arc::new(GuestProcess {
        session,
        pid,
        socket: Mutex::new(Some(Arc::new(outside))),
    }))
}

/// Logs what the guest reports, and waits for its end.
fn watch(mut child: Child, shell_end: ShellEnd, reaped: &Mutex<bool>, ended: impl FnOnce()) {
    let ShellEnd { input, output, .. } = shell_end;
    drop(input);
    let pid = child.id();
    for line in child
        .stderr
        .take()
        .into_iter()
        .flat_map(|text| BufReader::new(text).lines())
    {
        match line {
            Ok(line) => tracing::debug!(pid, line, "a guest process reports"),
            Err(_) => break,
        }
    }
    wait_without_reaping(&child);
    {
        let mut reaped = reaped.lock().expect("no code panics while it holds this");
        *reaped = true;
        // It has ended, so that this does not wait.
        let _ = child.wait();
    }
    // The session ends with its output.
    drop(output);
    ended();
}

/// Waits until the child has ended, but leaves its number taken.
fn wait_without_reaping(child: &Child) {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // Where this fails, the wait that follows does the same.
    let _ = pid.map(|pid| waitid(WaitId::Pid(pid), options));
}

//! Terminals: the ports on which terminal proxies wait, the one shared session of each container,
//! and the shells behind the sessions: a real one in a real terminal (`pty`) that is confined
//! (`confine`, `guest`, `rootfs`) and limited (`limits`), an imitation of one (`toy`), one in a
//! real container (`lxc`), or a login prompt (`login`). [`crate::console`] connects a request to a
//! session.

mod confine;
mod guest;
mod host_shell;
mod host_user;
mod limits;
mod login;
mod lxc;
mod network_end;
mod pty;
mod rootfs;
mod session;
mod toy;

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{OnceCell, mpsc, oneshot};

use crate::config::{ShellMode, SimConfig};
use crate::first_files::FirstFiles;
use crate::processes;
use crate::world::container::Container;
use confine::Confinement;
use limits::ContainerSize;
use limits::Limits;
pub(crate) use login::begin as login_prompt;
use network_end::GuestProcess;
use rootfs::RootFolders;
pub(crate) use session::{DtachSession, TerminalInput};
pub(crate) use toy::HostNetwork;

/// Everything about the terminals of one simulator.
pub(crate) struct Terminals {
    mode: ShellMode,
    toy_network: bool,
    /// How shells are confined and limited, found out when the first one starts; `None` if this
    /// host cannot confine shells.
    confinement: OnceCell<Option<ConfinedShells>>,
    roots: Arc<RootFolders>,
    real: lxc::LxcContainers,
    ports: Mutex<ConsolePorts>,
    sessions: Mutex<HashMap<u32, Arc<DtachSession>>>,
    /// The network ends of containers that were connected to since their start.
    guests: Mutex<HashMap<u32, Arc<GuestProcess>>>,
    guest_program: Option<PathBuf>,
    prefer_bubblewrap: bool,
    /// Receives the numbers of containers that were powered off from inside.
    power_off: mpsc::UnboundedSender<u32>,
    powered_off: Mutex<Option<mpsc::UnboundedReceiver<u32>>>,
}

/// What is known about a container whose programs are to be started.
#[derive(Clone)]
pub(crate) struct GuestOrder {
    pub(crate) vmid: u32,
    pub(crate) hostname: String,
    size: ContainerSize,
    pub(crate) first_files: FirstFiles,
}

impl GuestOrder {
    pub(crate) fn new(container: &Container) -> Self {
        Self {
            vmid: container.vmid,
            hostname: container.hostname(),
            size: ContainerSize {
                cores: container.number("cores"),
                memory_mib: container.memory_mib(),
                disk_bytes: container.disk_bytes(),
            },
            first_files: container.first_files.clone(),
        }
    }
}

/// How this host confines shells.
struct ConfinedShells {
    way: Confinement,
    limits: Limits,
}

#[derive(Default)]
struct ConsolePorts {
    taken: HashSet<u16>,
    waiting: HashMap<u16, WaitingProxy>,
}

/// A terminal proxy that waits for its WebSocket.
pub(crate) struct WaitingProxy {
    pub(crate) vmid: u32,
    /// Told when the connection comes.
    pub(crate) claimed: oneshot::Sender<()>,
    /// Told whether the ticket was good, at the end; closed when the proxy's task is aborted.
    pub(crate) ended: oneshot::Sender<bool>,
}

impl Terminals {
    pub(crate) fn new(config: &SimConfig) -> Self {
        let (power_off, powered_off) = mpsc::unbounded_channel();
        Self {
            power_off,
            powered_off: Mutex::new(Some(powered_off)),
            mode: config.shell.clone(),
            toy_network: config.toy_network,
            confinement: OnceCell::new(),
            roots: Arc::new(RootFolders::new(config.rootfs_dir.clone())),
            real: lxc::LxcContainers::new(config.lxc_distribution.clone()),
            ports: Mutex::default(),
            sessions: Mutex::default(),
            guests: Mutex::default(),
            guest_program: config.guest_program.clone(),
            prefer_bubblewrap: config.prefer_bubblewrap,
        }
    }

    /// How shells run here and their limits, in words for the operator.
    pub(crate) async fn describe(&self) -> String {
        match &self.mode {
            ShellMode::HostForTests(_) => "unconfined host shell, for tests only".into(),
            ShellMode::Toy => "toy shell".into(),
            ShellMode::Lxc => "real container, for tests only".into(),
            ShellMode::Confined => match self.confinement().await {
                Some(ConfinedShells { way, limits }) => format!(
                    "real shell, confined by {}; limits: {}",
                    way.name(),
                    limits.describe()
                ),
                None => "toy shell, because this host forbids namespaces".into(),
            },
        }
    }

    /// A sentence for customers about the shells; `None` before it is known, and for shells without
    /// restrictions.
    pub(crate) fn notice(&self) -> Option<&'static str> {
        match (&self.mode, self.confinement.get()) {
            (ShellMode::HostForTests(_), _) => Some("Commands run on the demo's host, unconfined."),
            (ShellMode::Toy, _) => {
                Some("Commands run in an imitation of a shell that knows only a few of them.")
            }
            (ShellMode::Confined, Some(None)) => Some(
                "Commands run in an imitation of a shell that knows only a few of them, because \
                 this host cannot confine a real one.",
            ),
            (ShellMode::Confined, Some(Some(found))) if !found.limits.by_the_kernel() => Some(
                "Demo containers share their host's processors, and one that takes more memory or \
                 disk than it has is ended.",
            ),
            (ShellMode::Lxc | ShellMode::Confined, _) => None,
        }
    }

    async fn confinement(&self) -> Option<&ConfinedShells> {
        let found = self.confinement.get_or_init(|| async {
            let way = self.find_confinement().await?;
            let limits = Limits::find(&self.roots);
            Some(ConfinedShells { way, limits })
        });
        found.await.as_ref()
    }

    async fn find_confinement(&self) -> Option<Confinement> {
        if let Some(found) = self.try_confinement().await {
            return Some(found);
        }
        // A usual cause is a parent folder that is closed to the ordinary user of the shells.
        if !self.roots.go_elsewhere() {
            return None;
        }
        let found = self.try_confinement().await;
        if found.is_some() {
            tracing::warn!(
                "shells cannot reach the folder for root folders; their files are temporary"
            );
        }
        found
    }

    async fn try_confinement(&self) -> Option<Confinement> {
        // A folder that a crash left behind would falsify the check.
        self.roots.remove("probe");
        let points = confine::mount_points();
        let probe = self.roots.prepare("probe", "probe", &points).ok()?;
        let found = confine::find(&probe, self.prefer_bubblewrap).await;
        self.roots.remove("probe");
        found
    }

    /// The numbers of containers that are powered off from inside; `None` after the first call.
    pub(crate) fn powered_off(&self) -> Option<mpsc::UnboundedReceiver<u32>> {
        self.powered_off
            .lock()
            .expect("no code panics while it holds this")
            .take()
    }

    /// Ends a container's session and its network end, as its stop does.
    pub(crate) fn end(&self, vmid: u32) {
        if let Some(guest) = self.guests().remove(&vmid) {
            guest.end();
        }
        if let Some(session) = self.sessions().remove(&vmid) {
            session.end();
        }
        self.real.stop(vmid);
    }

    /// Ends a container's session and forgets its files. May take a while where there are many.
    pub(crate) fn forget(&self, vmid: u32) {
        self.end(vmid);
        self.real.remove(vmid);
        self.roots.remove(&vmid.to_string());
    }

    /// Gives a container a copy of another's files. A failure is only logged, since files are not
    /// part of the simulation.
    pub(crate) fn copy_files(&self, from: u32, to: u32) {
        if let Err(error) = self.roots.copy(&from.to_string(), &to.to_string()) {
            tracing::debug!(%error, from, to, "the files of a container cannot be copied");
        }
    }

    /// Lets a container's files follow it to another number.
    pub(crate) fn rename(&self, from: u32, to: u32) {
        self.end(from);
        self.roots.rename(&from.to_string(), &to.to_string());
    }

    /// The same as [`Self::forget`] from a task.
    pub(crate) async fn forget_in_task(self: &Arc<Self>, vmid: u32) {
        let terminals = self.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || terminals.forget(vmid)).await {
            tracing::warn!(%error, vmid, "the removal of a container's files was interrupted");
        }
    }

    /// Ends all sessions.
    pub(crate) fn end_all(&self) {
        for (_, session) in self.sessions().drain() {
            session.end();
        }
        for (_, guest) in self.guests().drain() {
            guest.end();
        }
        self.real.stop_all();
        if let Some(Some(confined)) = self.confinement.get() {
            confined.limits.close();
        }
    }

    /// What tells that a container was powered off from inside.
    fn power_off_of(&self, vmid: u32) -> impl Fn() + Send + 'static {
        let listener = self.power_off.clone();
        move || {
            // Without a listener the simulator is stopping.
            let _ = listener.send(vmid);
        }
    }

    /// The container's session, begun if there is none.
    pub(crate) async fn session(
        self: &Arc<Self>,
        order: &GuestOrder,
        host_network: Arc<dyn HostNetwork>,
    ) -> std::io::Result<Arc<DtachSession>> {
        let (vmid, hostname) = (order.vmid, order.hostname.as_str());
        if self.mode == ShellMode::Lxc {
            let (terminals, order) = (self.clone(), order.clone());
            let command = tokio::task::spawn_blocking(move || terminals.real.console(&order));
            // Each client has its own dtach process; all of them share one session.
            let command = command.await.map_err(std::io::Error::other)??;
            return pty::begin(command, processes::kill)
                .map(|(session, _)| session.attached_by_dtach());
        }
        let confinement = match self.mode {
            ShellMode::Confined => self.confinement().await,
            _ => None,
        };
        let mut sessions = self.sessions();
        if let Some(session) = sessions.get(&vmid).filter(|session| session.is_open()) {
            return Ok(session.clone());
        }
        let name = vmid.to_string();
        let power_off = self.power_off_of(vmid);
        let session = match (&self.mode, confinement) {
            (ShellMode::HostForTests(shell), _) => {
                let home = self.roots.plain_with(&name, &order.first_files)?;
                let command = host_shell::command(shell, &home);
                let session = pty::begin(command, processes::end_tree)?.0;
                if let Some(screen) = session.attach() {
                    tokio::spawn(host_shell::watch(screen, home, power_off));
                }
                session
            }
            (ShellMode::Confined, Some(ConfinedShells { way, limits })) => {
                let points = confine::mount_points();
                let files = &order.first_files;
                let root = self.roots.prepare_with(&name, hostname, &points, files)?;
                let bounds = limits.bounds(&name, order.size)?;
                let command = way.shell(&root, hostname, &bounds);
                let (session, pid) = pty::begin(command, processes::end_tree)?;
                limits.guard(name, Arc::downgrade(&session), pid, root, bounds);
                session
            }
            _ => {
                let host_network = self.toy_network.then_some(host_network);
                toy::begin(hostname, host_network, power_off)
            }
        };
        sessions.insert(vmid, session.clone());
        Ok(session)
    }

    /// The address under which this host reaches a container; `None` unless containers are real.
    ///
    /// # Errors
    /// The container cannot be started.
    pub(crate) async fn real_address(
        self: &Arc<Self>,
        order: &GuestOrder,
    ) -> std::io::Result<Option<Ipv4Addr>> {
        if self.mode != ShellMode::Lxc {
            return Ok(None);
        }
        let (terminals, order) = (self.clone(), order.clone());
        let address = tokio::task::spawn_blocking(move || terminals.real.address(&order));
        address.await.map_err(std::io::Error::other)?.map(Some)
    }

    /// Stops all processes of a running container from running, or lets them go on.
    pub(crate) fn freeze(&self, vmid: u32, frozen: bool) {
        if let Some(guest) = self.running_guest(vmid) {
            guest.freeze(frozen);
        }
        self.real.freeze(vmid, frozen);
    }

    /// Takes a free console port.
    pub(crate) fn reserve(&self) -> Option<u16> {
        let mut ports = self.ports();
        let free = (5900..6000).find(|port| !ports.taken.contains(port))?;
        ports.taken.insert(free);
        Some(free)
    }

    /// Lets a proxy wait on its port.
    pub(crate) fn wait_on(&self, port: u16, waiting: WaitingProxy) {
        self.ports().waiting.insert(port, waiting);
    }

    /// Takes the proxy that waits on a port.
    pub(crate) fn claim(&self, port: u16) -> Option<WaitingProxy> {
        self.ports().waiting.remove(&port)
    }

    /// Gives a console port back.
    pub(crate) fn release(&self, port: u16) {
        let mut ports = self.ports();
        ports.waiting.remove(&port);
        ports.taken.remove(&port);
    }

    fn ports(&self) -> MutexGuard<'_, ConsolePorts> {
        self.ports
            .lock()
            .expect("no code panics while it holds the port table")
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<u32, Arc<DtachSession>>> {
        self.sessions
            .lock()
            .expect("no code panics while it holds the session table")
    }
}

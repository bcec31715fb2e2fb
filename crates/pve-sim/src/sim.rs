//! The handle to a running simulator: addresses and credentials for a client, and everything that a
//! test may read or change.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::access::User;
use crate::certificate::Identity;
use crate::cluster::Cluster;
use crate::config::SimConfig;
use crate::encoding;
use crate::faults::Faults;
use crate::manager;
use crate::network;
use crate::server;
use crate::snapshot::{ContainerSnapshot, RequestRecord, TaskSnapshot};
use crate::state::{self, SavedState};
use crate::world::container::{Address, Container};
use crate::world::{CONSOLE_USER, SERVICE_TOKEN, SERVICE_USER, Secrets};

/// A running simulated Proxmox VE. Dropping it stops it as well, but without writing the state
/// file.
pub struct Sim {
    pub(crate) cluster: Arc<Cluster>,
    identity: Identity,
    address: SocketAddr,
    pub(crate) guest_proxy: SocketAddr,
}

impl Sim {
    /// Starts it. Needs a Tokio runtime, in which it then lives.
    ///
    /// # Errors
    /// The address is taken, the state file cannot be read, or no node is named.
    pub async fn start(config: SimConfig) -> anyhow::Result<Self> {
        anyhow::ensure!(!config.nodes.is_empty(), "a cluster has at least one node");
        let kept = match &config.state_file {
            Some(path) => SavedState::read(path)?,
            None => None,
        };
        let mut secrets = kept
            .as_ref()
            .map_or_else(new_secrets, |state| state.secrets.clone());
        let given = [
            (&config.token_secret, &mut secrets.token),
            (&config.console_password, &mut secrets.console),
            (&config.root_password, &mut secrets.root),
        ];
        for (given, kept) in given {
            kept.clone_from(given.as_ref().unwrap_or(&kept.clone()));
        }
        let identity = match &kept {
            Some(state) => state.identity.clone(),
            None => Identity::generate(
                &config.nodes,
                config.listen.ip(),
                config.certificate_expired,
            )?,
        };
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("listen on {}", config.listen))?;
        let address = listener.local_addr()?;
        let guests = TcpListener::bind(config.guest_proxy)
            .await
            .with_context(|| format!("listen on {} for the proxy", config.guest_proxy))?;
        let guest_proxy = guests.local_addr()?;
        let tls = config.tls.then(|| identity.server_config()).transpose()?;
        let state_file = config.state_file.clone();
        let cluster = Arc::new(Cluster::new(config, secrets, identity.fingerprint()?));
        if let Some(state) = kept {
            state.restore(&mut cluster.world());
        }
        if let Some(path) = state_file {
            state::save(&cluster, &identity, &path)?;
            cluster.spawn(state::save_after_changes(
                cluster.clone(),
                identity.clone(),
                path,
            ));
        }
        if let Some(powered_off) = cluster.terminals.powered_off() {
            cluster.spawn(stop_powered_off(cluster.clone(), powered_off));
        }
        cluster.spawn(server::serve(cluster.clone(), listener, tls));
        cluster.spawn(network::serve(cluster.clone(), guests));
        Ok(Self {
            cluster,
            identity,
            address,
            guest_proxy,
        })
    }

    /// Base URL without a trailing slash, such as `https://127.0.0.1:40123`.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.cluster.config.tls {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", self.address)
    }

    /// The address that it listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// PEM of the CA that signed the server's certificate.
    #[must_use]
    pub fn ca_pem(&self) -> String {
        self.identity.ca_pem.clone()
    }

    /// SHA-256 of the server's certificate, as `AA:BB:…`.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.cluster.fingerprint.clone()
    }

    /// Id of the service's API token: `infra402@pve!svc`.
    #[must_use]
    pub fn token_id(&self) -> String {
        format!("{SERVICE_USER}!{SERVICE_TOKEN}")
    }

    /// Secret of the service's API token.
    #[must_use]
    pub fn token_secret(&self) -> String {
        self.cluster.secrets.token.clone()
    }

    /// Name of an account with a password that may open consoles in the pool, and nothing else.
    #[must_use]
    pub fn console_user(&self) -> String {
        CONSOLE_USER.into()
    }

    /// Password of the console account.
    #[must_use]
    pub fn console_password(&self) -> String {
        self.cluster.secrets.console.clone()
    }

    /// Password of `root@pam`.
    #[must_use]
    pub fn root_password(&self) -> String {
        self.cluster.secrets.root.clone()
    }

    /// The first node, the one that answers.
    #[must_use]
    pub fn node(&self) -> String {
        self.cluster.config.nodes[0].clone()
    }

    /// The faults in force.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.cluster.faults
    }

    /// All containers, by id.
    #[must_use]
    pub fn containers(&self) -> Vec<ContainerSnapshot> {
        let world = self.cluster.world();
        let snapshot = |one| {
            snapshot(
                one,
                world.pool_of(one.vmid),
                world.foreign.contains(&one.vmid),
            )
        };
        world.containers.values().map(snapshot).collect()
    }

    /// One container.
    #[must_use]
    pub fn container(&self, vmid: u32) -> Option<ContainerSnapshot> {
        self.containers().into_iter().find(|one| one.vmid == vmid)
    }

    /// All tasks, oldest first.
    #[must_use]
    pub fn tasks(&self) -> Vec<TaskSnapshot> {
        let world = self.cluster.world();
        world
            .tasks
            .all
            .iter()
            .map(|task| TaskSnapshot {
                upid: task.upid.clone(),
                node: task.node.clone(),
                kind: task.kind.clone(),
                id: task.id.clone(),
                user: task.user.clone(),
                exit_status: task.exit.clone(),
                took: task.took,
                log: task.log.clone(),
            })
            .collect()
    }

    /// The last requests (up to 10,000), oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.cluster.requests().iter().cloned().collect()
    }

    /// How many requests had that method and a path that contains the text.
    #[must_use]
    pub fn request_count(&self, method: &str, path_contains: &str) -> usize {
        let matches = |record: &&RequestRecord| {
            record.method == method && record.path.contains(path_contains)
        };
        self.cluster.requests().iter().filter(matches).count()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.cluster.requests().clear();
    }

    /// Changes the factor on realistic durations.
    pub fn set_time_scale(&self, scale: f64) {
        self.cluster.clock.set_scale(scale);
    }

    /// Moves the simulator's wall clock forward: tickets age, uptimes grow. Task durations do not
    /// change.
    pub fn advance_clock(&self, by: Duration) {
        self.cluster.clock.advance(by);
    }

    /// Puts an operator's own container on the first node, running, outside of any pool.
    pub fn put_foreign_container(&self, vmid: u32, hostname: &str) {
        let now = self.cluster.clock.now();
        self.cluster
            .world()
            .put_foreign(&self.node(), vmid, hostname, now);
        self.cluster.changed.notify_one();
    }

    /// Gives a container this IPv4 address (with prefix, such as `10.0.0.5/24`) at once.
    pub fn set_address(&self, vmid: u32, address: &str) {
        self.change(vmid, |one| one.address = Address::Fixed(address.to_owned()));
    }

    /// Makes a container never get an address.
    pub fn no_address(&self, vmid: u32) {
        self.change(vmid, |one| one.address = Address::Never);
    }

    /// Makes a container ignore requests to shut down.
    pub fn ignore_shutdown(&self, vmid: u32) {
        self.change(vmid, |one| one.ignores_shutdown = true);
    }

    /// Sets or removes a container's configuration lock.
    pub fn set_lock(&self, vmid: u32, lock: Option<&str>) {
        self.change(vmid, |one| one.set_lock(lock));
    }

    /// Stops a container without a request, as a crash or a `poweroff` from inside does.
    /// High availability starts one that it manages again, some (scaled) seconds later.
    pub fn kill_container(&self, vmid: u32) {
        let now = self.cluster.clock.now();
        self.change(vmid, |one| one.stop(now));
        self.cluster.terminals.end(vmid);
        manager::notice_end(&self.cluster, vmid);
    }

    /// Removes a container without a request.
    pub fn remove_container(&self, vmid: u32) {
        let now = self.cluster.clock.now();
        self.change(vmid, |one| one.stop(now));
        self.cluster.world().forget(vmid);
        self.cluster.terminals.forget(vmid);
        self.cluster.changed.notify_one();
    }

    /// Takes a node off line or brings it back.
    pub fn set_node_online(&self, node: &str, online: bool) {
        self.cluster.world().set_online(node, online);
    }

    /// Adds a user with a password.
    pub fn add_user(&self, userid: &str, password: &str) {
        let user = User {
            password: Some(password.to_owned()),
            ..User::default()
        };
        self.cluster
            .world()
            .access
            .users
            .insert(userid.to_owned(), user);
    }

    /// Gives a role on a path to a user (`a@pve`) or token (`a@pve!t`), propagating.
    pub fn grant(&self, path: &str, to: &str, role: &str) {
        self.cluster.world().access.grant(path, to, role);
    }

    /// Takes all roles on a path from a user or token.
    pub fn revoke(&self, path: &str, from: &str) {
        self.cluster.world().access.revoke(path, from);
    }

    /// Defines or changes a role.
    pub fn set_role(&self, role: &str, privileges: &[&str]) {
        self.cluster.world().access.set_role(role, privileges);
    }

    /// The shells in terminals and their limits, in words: a confined shell, or the toy and why.
    pub async fn describe_shell(&self) -> String {
        self.cluster.terminals.describe().await
    }

    /// Stops it: the listener and all connections are closed, tasks are dropped, and the state file
    /// is written.
    pub async fn stop(self) {
        self.cluster.end_background().await;
        if let Some(path) = &self.cluster.config.state_file
            && let Err(error) = state::save(&self.cluster, &self.identity, path)
        {
            tracing::warn!(%error, "the state file cannot be written");
        }
    }

    fn change(&self, vmid: u32, change: impl FnOnce(&mut Container)) {
        if let Some(container) = self.cluster.world().containers.get_mut(&vmid) {
            change(container);
        }
        self.cluster.changed.notify_one();
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.cluster.abort_background();
        self.cluster.terminals.end_all();
    }
}

/// Stops containers whose root powers them off. A configuration lock does not prevent that.
async fn stop_powered_off(cluster: Arc<Cluster>, mut vmids: mpsc::UnboundedReceiver<u32>) {
    while let Some(vmid) = vmids.recv().await {
        let now = cluster.clock.now();
        if let Some(container) = cluster.world().containers.get_mut(&vmid) {
            container.stop(now);
        }
        cluster.terminals.end(vmid);
        cluster.changed.notify_one();
        manager::notice_end(&cluster, vmid);
    }
}

fn new_secrets() -> Secrets {
    Secrets {
        token: encoding::uuid(),
        console: encoding::uuid(),
        root: encoding::uuid(),
        ticket_key: encoding::hex(&encoding::random::<32>()),
    }
}

fn snapshot(container: &Container, pool: Option<&str>, foreign: bool) -> ContainerSnapshot {
    ContainerSnapshot {
        vmid: container.vmid,
        node: container.node.clone(),
        status: container.status().to_owned(),
        hostname: container.hostname(),
        pool: pool.map(str::to_owned),
        description: container.text("description").map(str::to_owned),
        lock: container.lock().map(str::to_owned),
        cores: container
            .number("cores")
            .and_then(|cores| u32::try_from(cores).ok())
            .unwrap_or_default(),
        memory_mb: container.memory_mib(),
        disk_gb: container.disk_bytes() as f64 / f64::from(1 << 30),
        config: container.config.clone(),
        foreign,
    }
}

//! The handle to a running simulator.

use std::net::SocketAddr;
use std::time::Duration;

use crate::config::SimConfig;
use crate::faults::Faults;
use crate::snapshot::{ContainerSnapshot, RequestRecord, TaskSnapshot};

/// A running simulated Proxmox VE.
pub struct Sim {}

impl Sim {
    /// Starts it.
    ///
    /// # Errors
    /// The address is taken, or the state file cannot be read.
    pub async fn start(config: SimConfig) -> anyhow::Result<Self> {
        let _ = config;
        anyhow::bail!("the simulator does not serve yet")
    }
    /// Base URL without a trailing slash, such as `https://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        unreachable!()
    }
    /// The address that it listens on.
    pub fn addr(&self) -> SocketAddr {
        unreachable!()
    }
    /// PEM of the CA that signed the server's certificate.
    pub fn ca_pem(&self) -> String {
        unreachable!()
    }
    /// SHA-256 of the server's certificate, as `AA:BB:…`.
    pub fn fingerprint(&self) -> String {
        unreachable!()
    }
    /// Id of the service's API token: `infra402@pve!svc`.
    pub fn token_id(&self) -> String {
        unreachable!()
    }
    /// Secret of the service's API token.
    pub fn token_secret(&self) -> String {
        unreachable!()
    }
    /// Name of an account with a password that may open consoles in the pool.
    pub fn console_user(&self) -> String {
        unreachable!()
    }
    /// Password of the console account.
    pub fn console_password(&self) -> String {
        unreachable!()
    }
    /// Password of `root@pam`.
    pub fn root_password(&self) -> String {
        unreachable!()
    }
    /// The faults in force.
    pub fn faults(&self) -> &Faults {
        unreachable!()
    }
    /// All containers, by id.
    pub fn containers(&self) -> Vec<ContainerSnapshot> {
        unreachable!()
    }
    /// One container.
    pub fn container(&self, vmid: u32) -> Option<ContainerSnapshot> {
        let _ = vmid;
        unreachable!()
    }
    /// All tasks, oldest first.
    pub fn tasks(&self) -> Vec<TaskSnapshot> {
        unreachable!()
    }
    /// The last requests (up to 10,000), oldest first.
    pub fn requests(&self) -> Vec<RequestRecord> {
        unreachable!()
    }
    /// How many requests had that method and a path that contains the text.
    pub fn request_count(&self, method: &str, path_contains: &str) -> usize {
        let _ = (method, path_contains);
        unreachable!()
    }
    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        unreachable!()
    }
    /// Changes the factor on realistic durations.
    pub fn set_time_scale(&self, scale: f64) {
        let _ = scale;
        unreachable!()
    }
    /// Moves the simulator's wall clock forward: tickets age, uptimes grow. Task durations do not change.
    pub fn advance_clock(&self, by: Duration) {
        let _ = by;
        unreachable!()
    }
    /// Puts an operator's own container there, running, outside of any pool.
    pub fn put_foreign_container(&self, vmid: u32, hostname: &str) {
        let _ = (vmid, hostname);
        unreachable!()
    }
    /// Gives a container this IPv4 address (with prefix, such as `10.0.0.5/24`) at once.
    pub fn set_address(&self, vmid: u32, address: &str) {
        let _ = (vmid, address);
        unreachable!()
    }
    /// Makes a container never get an address.
    pub fn no_address(&self, vmid: u32) {
        let _ = vmid;
        unreachable!()
    }
    /// Sets or removes a container's configuration lock.
    pub fn set_lock(&self, vmid: u32, lock: Option<&str>) {
        let _ = (vmid, lock);
        unreachable!()
    }
    /// Stops a container behind everybody's back, as a crash or an operator would.
    pub fn kill_container(&self, vmid: u32) {
        let _ = vmid;
        unreachable!()
    }
    /// Removes a container behind everybody's back.
    pub fn remove_container(&self, vmid: u32) {
        let _ = vmid;
        unreachable!()
    }
    /// Takes a node off line or brings it back.
    pub fn set_node_online(&self, node: &str, online: bool) {
        let _ = (node, online);
        unreachable!()
    }
    /// Adds a user with a password.
    pub fn add_user(&self, userid: &str, password: &str) {
        let _ = (userid, password);
        unreachable!()
    }
    /// Gives a role on a path to a user (`a@pve`) or token (`a@pve!t`), propagating.
    pub fn grant(&self, path: &str, to: &str, role: &str) {
        let _ = (path, to, role);
        unreachable!()
    }
    /// Takes all roles on a path from a user or token.
    pub fn revoke(&self, path: &str, from: &str) {
        let _ = (path, from);
        unreachable!()
    }
    /// Defines or changes a role.
    pub fn set_role(&self, role: &str, privileges: &[&str]) {
        let _ = (role, privileges);
        unreachable!()
    }
    /// Stops it: the listener and all connections are closed, tasks are dropped, and the state file is written.
    pub async fn stop(self) {
        unreachable!()
    }
}

//! A container whose SSH server is a real OpenSSH: the simulated Proxmox makes the container, and a
//! SOCKS5 proxy of the test leads every connection into it to an `sshd` of this machine, in a mount
//! namespace with empty folders in place of `/root`, `/var/lib` and `/srv`.

use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use guest::HostKeys;
use proxmox_api::ids::LeaseId;
use pve_sim::{Sim, SimConfig};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::{
    buyer::{Buyer, SignedIn},
    guest::{Guest, plain_shell},
    support::TestApp,
};

/// The room in `/srv` and in `/var/lib`, in MiB.
pub const SRV_MIB: u32 = 16;

/// A customer with one running container that has an SSH server.
pub struct SshGuest {
    pub guest: Guest,
    pub session: SignedIn,
    pub lease_id: LeaseId,
    pub server: Sshd,
    /// Whether the proxy lets connections through.
    pub reachable: Arc<AtomicBool>,
    /// How many connections the proxy was asked for.
    pub dialled: Arc<AtomicUsize>,
}

/// What root in the container may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// Everything.
    Whole,
    /// No more than other users with the files of others, as on a file system of another machine.
    WithoutOthersFiles,
}

/// An OpenSSH server that ends when this is dropped.
pub struct Sshd {
    folder: tempfile::TempDir,
    process: Child,
    port: u16,
    root: Root,
}

impl SshGuest {
    /// A container whose host key and login are known to the service.
    pub async fn start() -> Self {
        Self::made(Root::Whole, &[]).await
    }

    /// The same, where the service has further settings.
    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::made(Root::Whole, settings).await
    }

    /// The same, with what its root may do.
    pub async fn with(root: Root) -> Self {
        Self::made(root, &[]).await
    }

    async fn made(root: Root, settings: &[(&str, &str)]) -> Self {
        let unused = StdListener::bind("127.0.0.1:0").unwrap();
        let port = unused.local_addr().unwrap().port();
        drop(unused);
        // Until the server runs and its keys are known, nothing is found out about it.
        let reachable = Arc::new(AtomicBool::new(false));
        let dialled = Arc::new(AtomicUsize::new(0));
        let proxy = socks_proxy(port, reachable.clone(), dialled.clone()).await;
        let proxy = format!("socks5h://{proxy}");
        let config = SimConfig {
            time_scale: 0.002,
            shell: plain_shell(),
            ..SimConfig::default()
        };
        let sim = Sim::start(config).await.unwrap();
        let mut more = vec![("GUEST_SSH", "true"), ("GUEST_PROXY", proxy.as_str())];
        more.extend(settings);
        let app = TestApp::on(sim, &more).await;
        let buyer = Buyer::funded(&app, 1).await;
        let body = json!({"runtimeMinutes": 30, "hostname": "box"});
        let leased = buyer.lease(&app, body).await;
        assert_eq!(leased.status, 200, "{:?}", leased.body);
        let lease_id = LeaseId::from(leased.body["leaseId"].as_str().unwrap());
        let ctid = leased.body["ctid"].as_u64().unwrap().try_into().unwrap();
        let key = app.app.installation.guest_key(&lease_id);
        let server = Sshd::start(port, &key.authorized_line(None).unwrap(), root);
        let session = buyer.sign_in(&app).await;
        let this = Self {
            guest: Guest { app, buyer, ctid },
            session,
            lease_id,
            server,
            reachable,
            dialled,
        };
        this.reachable.store(true, Ordering::Relaxed);
        this.knows(&this.server.host_keys()).await;
        this
    }

    /// The service knows these host keys of the container.
    pub async fn knows(&self, keys: &HostKeys) {
        let app = &self.guest.app.app;
        let keys = keys.to_string();
        let stored = app.store.set_ssh_access(&self.lease_id, &keys);
        stored.await.unwrap();
        app.forget_guest(&self.lease_id);
    }

    /// The path of a route of the lease.
    pub fn path(&self, rest: &str) -> String {
        format!("/lease/{}/{rest}", self.lease_id)
    }
}

impl Sshd {
    fn start(port: u16, authorized: &str, root: Root) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("ssh_host_ed25519_key");
        let made = Command::new("ssh-keygen")
            .args(["-q", "-N", "", "-t", "ed25519", "-f"])
            .arg(&key)
            .status();
        assert!(made.unwrap().success());
        std::fs::write(folder.path().join("authorized_keys"), authorized).unwrap();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nUsePAM no\nStrictModes no\nPidFile none\n\
             PermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n\
             HostKey {path}/ssh_host_ed25519_key\nAuthorizedKeysFile {path}/authorized_keys\n",
            path = folder.path().display()
        );
        std::fs::write(folder.path().join("sshd_config"), config).unwrap();
        let process = launch(&folder, root);
        let this = Self {
            folder,
            process,
            port,
            root,
        };
        this.wait();
        this
    }

    /// Its host keys.
    pub fn host_keys(&self) -> HostKeys {
        let public = self.folder.path().join("ssh_host_ed25519_key.pub");
        HostKeys::from_public_keys(&std::fs::read_to_string(public).unwrap())
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Ends the server; connections that are open stay.
    pub fn stop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again.
    pub fn start_again(&mut self) {
        self.process = launch(&self.folder, self.root);
        self.wait();
    }

    /// Lets nobody in by key any more.
    pub fn remove_key(&self) {
        std::fs::write(self.folder.path().join("authorized_keys"), "").unwrap();
    }

    fn wait(&self) {
        let by = Instant::now() + Duration::from_secs(20);
        while StdStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < by, "the SSH server does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // The namespace's first process takes all others with it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// In namespaces of its own: the processes end with the first one, and `/root`, `/var/lib` and
/// `/srv` are empty and vanish.
fn launch(folder: &tempfile::TempDir, root: Root) -> Child {
    let rights = match root {
        Root::Whole => "",
        Root::WithoutOthersFiles => "setpriv --bounding-set=-dac_override,-dac_read_search",
    };
    let script = format!(
        "mount -t tmpfs -o size={SRV_MIB}m tmpfs /var/lib && mount -t tmpfs tmpfs /root && mount -t tmpfs -o size={SRV_MIB}m tmpfs /srv && \
         mkdir -p /run/sshd && exec {rights} /usr/sbin/sshd -D -e -f \"$1\""
    );
    Command::new("unshare")
        .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .args(["sh", "-c", &script, "sh"])
        .arg(folder.path().join("sshd_config"))
        .stdin(Stdio::null())
        .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
        .spawn()
        .unwrap()
}

/// A SOCKS5 proxy that leads every connection to a port of this machine.
async fn socks_proxy(
    port: u16,
    reachable: Arc<AtomicBool>,
    dialled: Arc<AtomicUsize>,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let reachable = reachable.clone();
            dialled.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                // A client that hangs up is no fault of the proxy.
                let _ = lead(client, port, &reachable).await;
            });
        }
    });
    address
}

async fn lead(mut client: TcpStream, port: u16, reachable: &AtomicBool) -> std::io::Result<()> {
    // RFC 1928: the methods, then the request for an IPv4 address.
    let mut greeting = [0; 3];
    client.read_exact(&mut greeting).await?;
    client.write_all(&[5, 0]).await?;
    let mut request = [0; 10];
    client.read_exact(&mut request).await?;
    if !reachable.load(Ordering::Relaxed) {
        // As a firewall that drops: nothing is ever answered.
        std::future::pending::<()>().await;
    }
    match TcpStream::connect(("127.0.0.1", port)).await {
        Ok(mut server) => {
            client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
            copy_bidirectional(&mut client, &mut server).await?;
        }
        Err(_) => client.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]).await?,
    }
    Ok(())
}

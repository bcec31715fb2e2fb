//! A container with a client's key, and clients that come through the simulator's proxy.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pve_sim::{ShellMode, SimConfig};
use russh::keys::{
    Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate,
};
use russh::{Channel, ChannelMsg, client};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use crate::client::Node;

/// Longer than anything here takes on a busy machine.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// How shells and network ends run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Namespaces,
    Bubblewrap,
    Plain,
}

/// A running container 100 on a node, and the key that it was created with.
pub struct Place {
    pub node: Node,
    pub key: PrivateKey,
    pub folder: TempDir,
    /// The log of the container's create.
    pub log: Vec<String>,
}

impl Way {
    pub fn configure(self, config: &mut SimConfig) {
        config.guest_program = Some(env!("CARGO_BIN_EXE_pve-sim").into());
        config.shell = match self {
            Self::Plain => ShellMode::HostForTests("/bin/sh".into()),
            Self::Namespaces | Self::Bubblewrap => ShellMode::Confined,
        };
        config.prefer_bubblewrap = self == Self::Bubblewrap;
    }

    async fn check(self, node: &Node) {
        let how = node.sim.describe_shell().await;
        let expected = match self {
            Self::Namespaces => "confined by namespaces",
            Self::Bubblewrap => "confined by bubblewrap",
            Self::Plain => "unconfined",
        };
        assert!(how.contains(expected), "{how}");
    }
}

pub fn new_key() -> PrivateKey {
    PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap()
}

/// The line of a service that owns a key.
pub fn service_line(key: &PrivateKey) -> String {
    format!(
        "restrict,pty,port-forwarding,permitopen=\"localhost:*\",permitopen=\"127.0.0.1:*\",\
         from=\"10.9.9.9,127.0.0.1\" {} infra402",
        key.public_key().to_openssh().unwrap()
    )
}

impl Place {
    pub async fn new(way: Way) -> Self {
        Self::with(way, service_line).await
    }

    /// A place whose container was created with these lines of keys.
    pub async fn with(way: Way, lines: impl FnOnce(&PrivateKey) -> String) -> Self {
        let node = Node::with(|config| way.configure(config)).await;
        way.check(&node).await;
        let key = new_key();
        let lines = lines(&key);
        let create = node
            .create(
                100,
                &[("ssh-public-keys", &lines), ("hostname", "web.example")],
            )
            .await;
        assert_eq!(node.finish(&create).await, "OK");
        let created = node
            .sim
            .tasks()
            .into_iter()
            .find(|task| task.kind == "vzcreate");
        let place = Self {
            node,
            key,
            folder: tempfile::tempdir().unwrap(),
            log: created.unwrap().log,
        };
        place.power("start").await;
        let private = place
            .key
            .to_openssh(russh::keys::ssh_key::LineEnding::LF)
            .unwrap();
        let file = place.key_file();
        std::fs::write(&file, private.as_bytes()).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(file, mode).unwrap();
        place
    }

    pub fn key_file(&self) -> PathBuf {
        self.folder.path().join("key")
    }

    /// Starts, stops or reboots the container.
    pub async fn power(&self, verb: &str) {
        let path = format!("/nodes/pve/lxc/100/status/{verb}");
        let reply = self.node.call("POST", &path, &[]).await;
        assert_eq!(self.node.finish(&reply).await, "OK");
    }

    /// The address that a container reports, once it has one.
    pub async fn address_of(&self, vmid: u32) -> String {
        let path = format!("/nodes/pve/lxc/{vmid}/interfaces");
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let list = self.node.call("GET", &path, &[]).await;
            if let Some(address) = list.data()[1]["inet"].as_str() {
                return address.split('/').next().unwrap().to_owned();
            }
            assert!(Instant::now() < deadline, "no address");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// A connection through the proxy, and the proxy's answer.
    pub async fn dial(&self, host: &str, port: u16) -> (TcpStream, u8) {
        dial(self.node.sim.guest_proxy(), host, port).await
    }

    /// A port of this machine that leads to a port of the container, as `nc -X5` does.
    pub async fn relay(&self, port: u16) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let (proxy, address) = (self.node.sim.guest_proxy(), self.address_of(100).await);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let address = address.clone();
                tokio::spawn(async move {
                    let (mut server, answer) = dial(proxy, &address, port).await;
                    if answer == 0 {
                        // Either side may break off.
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        own
    }

    /// A program of OpenSSH's client with the options that lead it to the container.
    pub async fn openssh(&self, program: &str) -> Command {
        let port = self.relay(22).await;
        let known = self.folder.path().join("known_hosts");
        let mut command = Command::new(program);
        command
            .args(["-F", "/dev/null", "-i"])
            .arg(self.key_file())
            .arg(if program == "ssh" { "-p" } else { "-P" })
            .arg(port.to_string())
            .arg("-o")
            .arg(format!("UserKnownHostsFile={}", known.display()))
            .kill_on_drop(true);
        for option in [
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            "StrictHostKeyChecking=accept-new",
            "HostKeyAlias=box",
        ] {
            command.args(["-o", option]);
        }
        command
    }

    /// Runs a command by `ssh`, with this input.
    pub async fn ssh(&self, command: &str, input: &[u8]) -> Output {
        let mut ssh = self.openssh("ssh").await;
        ssh.args(["-o", "LogLevel=ERROR", "root@127.0.0.1", command]);
        run(ssh, input).await
    }

    /// The fingerprint of the host key that a container shows.
    pub async fn host_key_of(&self, vmid: u32) -> String {
        self.host_key_at(&self.address_of(vmid).await).await
    }

    /// The fingerprint of the host key that is shown at an address.
    pub async fn host_key_at(&self, address: &str) -> String {
        let (stream, answer) = self.dial(address, 22).await;
        assert_eq!(answer, 0, "{address}");
        let seen = SeenKey::default();
        let config = Arc::new(client::Config::default());
        let connected = client::connect_stream(config, stream, seen.clone()).await;
        drop(connected.unwrap());
        seen.fingerprint()
    }

    /// A connection of a plain client.
    pub async fn client(&self) -> SshClient {
        let client = self.log_in(&self.key).await;
        client.unwrap_or_else(|error| panic!("no login: {error}"))
    }

    /// The same with any key.
    pub async fn log_in(&self, key: &PrivateKey) -> Result<SshClient, String> {
        let address = self.address_of(100).await;
        let (stream, answer) = self.dial(&address, 22).await;
        if answer != 0 {
            return Err(format!("the proxy answers {answer}"));
        }
        let seen = SeenKey::default();
        let config = Arc::new(client::Config::default());
        let connected = client::connect_stream(config, stream, seen.clone()).await;
        let mut handle = connected.map_err(|error| error.to_string())?;
        let key = PrivateKeyWithHashAlg::new(Arc::new(key.clone()), None);
        let result = handle.authenticate_publickey("root", key).await;
        match result.map_err(|error| error.to_string())? {
            client::AuthResult::Success => Ok(SshClient { handle, seen }),
            client::AuthResult::Failure { .. } => Err("permission denied".into()),
        }
    }
}

/// Runs a program with this input.
pub async fn run(mut command: Command, input: &[u8]) -> Output {
    let child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feed = async move {
        // A program that wants no input has ended.
        let _ = stdin.write_all(input).await;
        drop(stdin);
    };
    let both = async { tokio::join!(feed, child.wait_with_output()).1 };
    tokio::time::timeout(TIMEOUT, both).await.unwrap().unwrap()
}

/// A `CONNECT` through a SOCKS 5 proxy, by name as `curl --socks5-hostname` sends it.
pub async fn dial(proxy: SocketAddr, host: &str, port: u16) -> (TcpStream, u8) {
    let mut stream = TcpStream::connect(proxy).await.unwrap();
    let mut request = vec![5, 1, 0, 5, 1, 0, 3, u8::try_from(host.len()).unwrap()];
    request.extend(host.as_bytes());
    request.extend(port.to_be_bytes());
    stream.write_all(&request).await.unwrap();
    let mut answer = [0; 12];
    let read = tokio::time::timeout(TIMEOUT, stream.read_exact(&mut answer)).await;
    read.unwrap().unwrap();
    assert_eq!(answer[..3], [5, 0, 5]);
    (stream, answer[3])
}

/// A plain client of SSH.
pub struct SshClient {
    pub handle: client::Handle<SeenKey>,
    pub seen: SeenKey,
}

/// The host key that the server has shown.
#[derive(Clone, Default)]
pub struct SeenKey(Arc<std::sync::Mutex<Option<PublicKey>>>);

impl SeenKey {
    pub fn fingerprint(&self) -> String {
        let key = self.0.lock().unwrap();
        key.as_ref()
            .unwrap()
            .fingerprint(HashAlg::Sha256)
            .to_string()
    }
}

impl client::Handler for SeenKey {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        key: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        if let PublicKeyOrCertificate::PublicKey { key, .. } = key {
            *self.0.lock().unwrap() = Some(key.clone());
        }
        Ok(true)
    }
}

impl SshClient {
    /// Starts a command; the server has said that it runs.
    pub async fn begin(&self, command: &str) -> Channel<client::Msg> {
        let mut channel = self.handle.channel_open_session().await.unwrap();
        channel.exec(true, command).await.unwrap();
        match next(&mut channel).await {
            ChannelMsg::Success => channel,
            other => panic!("{command}: {other:?}"),
        }
    }

    /// Runs a command and returns its output.
    pub async fn output(&self, command: &str) -> String {
        let mut channel = self.begin(command).await;
        let mut output = Vec::new();
        loop {
            match next(&mut channel).await {
                ChannelMsg::Data { data } => output.extend_from_slice(&data),
                ChannelMsg::Close => return String::from_utf8(output).unwrap().trim().to_owned(),
                _ => {}
            }
        }
    }
}

/// The next message of a channel, but not those about its window.
pub async fn next(channel: &mut Channel<client::Msg>) -> ChannelMsg {
    loop {
        let message = tokio::time::timeout(TIMEOUT, channel.wait()).await;
        match message.expect("nothing comes") {
            Some(ChannelMsg::WindowAdjusted { .. }) => {}
            Some(message) => return message,
            None => return ChannelMsg::Close,
        }
    }
}

/// Processes of this machine with a word in their command line.
pub fn processes_with(word: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let has = |folder: &Path| {
        let words = std::fs::read(folder.join("cmdline")).unwrap_or_default();
        words
            .split(|byte| *byte == 0)
            .any(|one| one == word.as_bytes())
    };
    entries.filter(|entry| has(&entry.path())).count()
}

/// Waits until a condition holds.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

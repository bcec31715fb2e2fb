//! An OpenSSH server for one test or measurement, on a port of its own, with its own keys and
//! configuration.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use guest::{
    CommandOutcome, CommandRequest, Dialer, Guest, GuestConnections, GuestError, GuestKey,
    GuestTarget, HostKeys, Limits,
};

/// The installation's key of the tests.
pub const INSTALLATION: &[u8] = b"installation";

static LEASES: AtomicU32 = AtomicU32::new(0);

pub struct Sshd {
    folder: tempfile::TempDir,
    process: Child,
    pub port: u16,
    pub lease: String,
    pub host_keys: HostKeys,
}

/// The user that the tests run as, and log in as.
pub fn login() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Sshd {
    pub fn start() -> Self {
        Self::with("")
    }

    /// With more lines of configuration, which win over those here.
    pub fn with(configuration: &str) -> Self {
        Self::of(configuration, |_| {})
    }

    /// With another login shell of the user, for this server alone. `shell` may put it into the
    /// server's folder. It needs the right to mount.
    pub fn with_shell(shell: impl FnOnce(&Path) -> PathBuf) -> Self {
        Self::of("", |folder| {
            let shell = shell(folder);
            let entry = Command::new("getent").args(["passwd", &login()]).output();
            let entry = String::from_utf8(entry.unwrap().stdout).unwrap();
            let (rest, _) = entry.rsplit_once(':').unwrap();
            let others = fs::read_to_string("/etc/passwd").unwrap();
            let others = others.lines().filter(|line| !line.starts_with(rest));
            let mut text = format!("{rest}:{}\n", shell.display());
            others.for_each(|line| text += &format!("{line}\n"));
            fs::write(folder.join("passwd"), text).unwrap();
        })
    }

    fn of(configuration: &str, prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        for kind in ["ed25519", "ecdsa"] {
            let path = folder.path().join(format!("ssh_host_{kind}_key"));
            let status = Command::new("ssh-keygen")
                .args(["-q", "-N", "", "-t", kind, "-f"])
                .arg(&path)
                .status()
                .unwrap();
            assert!(status.success());
        }
        let lease = format!("lease-{}", LEASES.fetch_add(1, Ordering::Relaxed));
        let line = GuestKey::derive(INSTALLATION, &lease)
            .authorized_line(None)
            .unwrap();
        fs::write(folder.path().join("authorized_keys"), line + "\n").unwrap();
        // The login shell would run the user's own start-up files: slow ones, on some machines.
        fs::create_dir_all(folder.path().join("home")).unwrap();
        // Debian's sshd wants its folder, and makes none.
        let _ = fs::create_dir_all("/run/sshd");
        let port = free_port();
        let text = format!(
            "{configuration}\nPort {port}\nListenAddress 127.0.0.1\nUsePAM no\nStrictModes no\n\
             HostKey {path}/ssh_host_ed25519_key\nHostKey {path}/ssh_host_ecdsa_key\n\
             AuthorizedKeysFile {path}/authorized_keys\nPidFile none\n\
             Subsystem sftp internal-sftp\nPermitRootLogin prohibit-password\n\
             SetEnv HOME={path}/home\n",
            path = folder.path().display()
        );
        fs::write(folder.path().join("sshd_config"), text).unwrap();
        let process = start(folder.path(), port);
        let mut sshd = Self {
            folder,
            process,
            port,
            lease,
            host_keys: HostKeys::default(),
        };
        let public = |kind| {
            let file = sshd.path().join(format!("ssh_host_{kind}_key.pub"));
            fs::read_to_string(file).unwrap()
        };
        sshd.host_keys = HostKeys::from_public_keys(&(public("ed25519") + &public("ecdsa")));
        sshd
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn target(&self) -> GuestTarget {
        GuestTarget {
            lease_id: self.lease.clone(),
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: self.port,
            key: GuestKey::derive(INSTALLATION, &self.lease),
            host_keys: self.host_keys,
        }
    }

    pub fn guest(&self) -> Guest {
        connections().guest(self.target())
    }

    /// Sends a signal to the server and all its connections.
    pub fn signal_all(&self, signal: &str) {
        for pid in descendants(self.process.id()) {
            let mut kill = Command::new("kill");
            // One that ended meanwhile is no fault.
            kill.arg(signal).arg(pid.to_string()).stderr(Stdio::null());
            let _ = kill.status();
        }
    }

    /// Stops the server, not its connections.
    pub fn stop(&mut self) {
        let _ = self.process.kill();
        self.process.wait().unwrap();
    }

    /// Starts the stopped server again.
    pub fn start_again(&mut self) {
        self.process = start(self.folder.path(), self.port);
    }

    /// The processes below the server: its connections and what runs in them.
    pub fn processes(&self) -> Vec<u32> {
        let mut all = descendants(self.process.id());
        all.retain(|pid| *pid != self.process.id());
        all
    }

    /// How many bytes a program below the server has written, if it runs.
    pub fn written_by(&self, program: &str) -> Option<u64> {
        let runs = |pid: &u32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).next() == Some(program.as_bytes())
        };
        let pid = self.processes().into_iter().find(runs)?;
        let io = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
        let written = io.lines().find_map(|line| line.strip_prefix("wchar: "))?;
        written.parse().ok()
    }

    /// Waits until a program that always writes has made no progress for a second: its reader
    /// has stopped, and every buffer on the way is full. Returns how many bytes it has written.
    pub async fn until_blocked(&self, program: &str) -> u64 {
        let mut last = None;
        let mut since = Instant::now();
        eventually("its output is blocked", || {
            let now = self.written_by(program);
            if now != last {
                last = now;
                since = Instant::now();
            }
            last.is_some() && since.elapsed() > Duration::from_secs(1)
        })
        .await;
        last.unwrap()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.signal_all("-CONT");
        self.signal_all("-KILL");
        let _ = self.process.wait();
    }
}

fn start(folder: &Path, port: u16) -> Child {
    let log = fs::File::create(folder.join("log")).unwrap();
    let mut command = Command::new("/usr/sbin/sshd");
    if folder.join("passwd").exists() {
        // The accounts of this server alone.
        let script = "mount --bind \"$0\" /etc/passwd && exec /usr/sbin/sshd \"$@\"";
        command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script]);
        command.arg(folder.join("passwd"));
    }
    let process = command
        .args(["-D", "-e", "-f"])
        .arg(folder.join("sshd_config"))
        .stdin(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let by = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let log = || fs::read_to_string(folder.join("log")).unwrap();
        assert!(Instant::now() < by, "sshd did not start: {}", log());
        std::thread::sleep(Duration::from_millis(20));
    }
    process
}

/// A process and all below it.
pub fn descendants(root: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let after = stat.rsplit(')').next().unwrap_or_default();
        if let Some(parent) = after
            .split_whitespace()
            .nth(1)
            .and_then(|p| p.parse::<u32>().ok())
        {
            parents.push((pid, parent));
        }
    }
    let mut found = vec![root];
    let mut index = 0;
    while index < found.len() {
        let parent = found[index];
        found.extend(
            parents
                .iter()
                .filter(|(_, p)| *p == parent)
                .map(|(pid, _)| *pid),
        );
        index += 1;
    }
    found
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

pub fn connections() -> GuestConnections {
    GuestConnections::with_login(Dialer::Direct, Limits::default(), login())
}

/// Runs a script and expects an outcome.
pub async fn run(guest: &Guest, script: &str) -> CommandOutcome {
    run_request(guest, CommandRequest::new(script))
        .await
        .unwrap()
}

pub async fn run_request(
    guest: &Guest,
    request: CommandRequest,
) -> Result<CommandOutcome, GuestError> {
    guest.open_command(false).await?.run(request, None).await
}

/// Waits until a condition holds.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let by = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < by, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

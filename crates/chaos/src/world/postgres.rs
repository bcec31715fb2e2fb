//! A PostgreSQL of the campaign's own in a temporary folder: it can crash, replicate a primary, and
//! be promoted. It stops and its folder is removed when this process ends, however that
//! happens. A root process starts it as the unprivileged account `nobody`.

use std::{
    net::TcpListener,
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Output, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};

/// The uid and gid of the unprivileged account `nobody`, which owns no files.
const NOBODY: u32 = 65_534;
/// Without `fsync`: a process that dies loses nothing that is in the page cache. Deadlocks are
/// detected after 100 ms, so that many are found; a standby reconnects at once.
const SETTINGS: &str = "fsync = off
full_page_writes = off
max_connections = 200
listen_addresses = '127.0.0.1'
deadlock_timeout = 100ms
max_wal_size = 128MB
min_wal_size = 32MB
wal_keep_size = 64MB
wal_receiver_status_interval = 1s
wal_retrieve_retry_interval = 100ms
";
const ACCOUNTS: &str = "host all all 127.0.0.1/32 trust
local all all trust
local replication all trust
";

/// One server.
pub struct PostgresServer {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    /// The keeper's standard input: it stops the server and removes the folder when this closes.
    life: Option<ChildStdin>,
    keeper: Child,
}

/// Where the programs are, if they are installed.
fn programs() -> Option<PathBuf> {
    let releases = std::fs::read_dir("/usr/lib/postgresql");
    let mut releases: Vec<_> = releases
        .into_iter()
        .flatten()
        .flatten()
        .map(|release| release.path().join("bin"))
        .chain(["/usr/bin".into()])
        .filter(|folder| folder.join("initdb").exists())
        .collect();
    releases.sort();
    releases.pop()
}

impl PostgresServer {
    /// A folder and a port for a server that is not started yet; `None` where PostgreSQL is not
    /// installed.
    ///
    /// # Errors
    /// There is no room, or no free port.
    pub fn prepare() -> Result<Option<Self>> {
        let Some(programs) = programs() else {
            return Ok(None);
        };
        let folder = tempfile::tempdir()?.keep();
        if is_root() {
            std::os::unix::fs::chown(&folder, Some(NOBODY), Some(NOBODY))?;
        }
        // The pipe closes when this process ends in any way, and the keeper then cleans up.
        let script = "cat; \"$1\" -D \"$2/data\" -m immediate stop; rm -rf \"$2\"";
        let mut keeper = unprivileged(&mut Command::new("sh"))
            .args(["-c", script, "keeper"])
            .args([&programs.join("pg_ctl"), &folder])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        Ok(Some(Self {
            programs,
            folder,
            port,
            life: keeper.stdin.take(),
            keeper,
        }))
    }

    /// The TCP port on 127.0.0.1 that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Makes an empty server and starts it.
    ///
    /// # Errors
    /// It does not start.
    pub fn begin(&self) -> Result<()> {
        let words = "-A trust -U postgres --no-sync -E UTF8 --locale=C";
        self.run("initdb", words.split(' '))?;
        std::fs::write(self.data().join("pg_hba.conf"), ACCOUNTS)?;
        self.start(false)
    }

    /// Makes it a standby of `primary`: its data is replaced by a base backup.
    ///
    /// # Errors
    /// The primary cannot be copied, or the standby does not start.
    pub fn follow(&self, primary: &Self) -> Result<()> {
        if self.data().exists() {
            std::fs::remove_dir_all(self.data())?;
        }
        let (socket, port) = (primary.folder.display(), primary.port);
        let words = format!("-h {socket} -p {port} -U postgres -R -X stream -c fast --no-sync");
        self.run("pg_basebackup", words.split(' '))?;
        self.start(false)
    }

    /// Starts it; with `waits`, commits are synchronous with a standby.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(&self, waits: bool) -> Result<()> {
        self.configure(waits)?;
        self.control("start", "fast")
    }

    /// Turns synchronous replication on or off.
    ///
    /// # Errors
    /// It does not answer.
    pub fn wait_for_standby(&self, waits: bool) -> Result<()> {
        self.configure(waits)?;
        self.sql("postgres", "SELECT pg_reload_conf()").map(drop)
    }

    fn configure(&self, waits: bool) -> Result<()> {
        let standbys = if waits { "FIRST 1 (*)" } else { "" };
        let text = format!(
            "{SETTINGS}port = {}\nunix_socket_directories = '{}'\nsynchronous_standby_names = '{standbys}'\n",
            self.port,
            self.folder.display()
        );
        Ok(std::fs::write(self.data().join("postgresql.conf"), text)?)
    }

    /// Stops it as a crash does.
    ///
    /// # Errors
    /// It does not stop.
    pub fn crash(&self) -> Result<()> {
        self.control("stop", "immediate")
    }

    /// Sends a signal by name, such as `STOP` or `CONT`, to all of its processes.
    ///
    /// # Errors
    /// It does not run.
    pub fn signal(&self, name: &str) -> Result<()> {
        let file = std::fs::read_to_string(self.data().join("postmaster.pid"))?;
        let id = file.lines().next().context("no process")?.trim();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        // A process that has ended since its number was read is no error.
        Command::new("kill")
            .arg(format!("-{name}"))
            .arg(id)
            .args(children.split_whitespace())
            .stderr(Stdio::null())
            .status()?;
        Ok(())
    }

    /// Promotes this standby to primary.
    ///
    /// # Errors
    /// The promotion fails.
    pub fn promote(&self) -> Result<()> {
        self.control("promote", "fast")
    }

    fn control(&self, what: &str, mode: &str) -> Result<()> {
        let (data, log) = (self.data(), self.folder.join("log"));
        let done = unprivileged(&mut Command::new(self.programs.join("pg_ctl")))
            .arg("-D")
            .arg(&data)
            .arg("-l")
            .arg(&log)
            .args(["-w", "-s", "-m", mode, what])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        if !done.success() {
            bail!(
                "{what}: {}",
                std::fs::read_to_string(&log).unwrap_or_default()
            );
        }
        Ok(())
    }

    fn run<'a>(&self, program: &str, words: impl Iterator<Item = &'a str>) -> Result<()> {
        let output = unprivileged(&mut Command::new(self.programs.join(program)))
            .arg("-D")
            .arg(self.data())
            .args(words)
            .output()?;
        ensure!(output.status.success(), "{program}: {}", said(&output));
        Ok(())
    }

    /// Runs SQL in a database, as the server's superuser, and gives what it prints.
    ///
    /// # Errors
    /// The server does not answer, or refuses it.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String> {
        let output = unprivileged(&mut Command::new(self.programs.join("psql")))
            .args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-h"])
            .arg(&self.folder)
            .args(["-p", &self.port.to_string(), "-d", database, "-c", sql])
            .output()
            .context("psql")?;
        ensure!(output.status.success(), "{sql}: {}", said(&output));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        drop(self.life.take());
        let _ = self.keeper.wait();
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Runs a command with an environment of its own, and as `nobody` where this process is root:
/// PostgreSQL refuses to run as root.
fn unprivileged(command: &mut Command) -> &mut Command {
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C")
        .current_dir(Path::new("/"))
}

//! A PostgreSQL for tests: made in a temporary folder, stopped and removed with the process that
//! started it, however that ends. It never runs as root: a root process starts it as the
//! unprivileged account `nobody`.

use std::{
    io::Write as _,
    net::TcpListener,
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// The uid and gid of the unprivileged account `nobody`, which owns no files.
const NOBODY: u32 = 65_534;
/// Tests do not need durability.
const FORGETFUL: &str = "fsync = off
synchronous_commit = off
full_page_writes = off
";
const SETTINGS: &str = "max_connections = 300
listen_addresses = '127.0.0.1'
ssl = on
";
/// The account `locked` needs a password, the others do not.
const ACCOUNTS: &str = "host all locked 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
local all all trust
local replication all trust
";

/// A running server.
pub struct Postgres {
    programs: PathBuf,
    folder: PathBuf,
    /// Settings in addition to [`SETTINGS`].
    more: &'static str,
    port: u16,
    /// The certificate of its authority, in PEM.
    pub authority: PathBuf,
    /// The server runs while this is open.
    life: Option<ChildStdin>,
    keeper: Child,
}

/// The folder of PostgreSQL's programs, if they are installed.
fn programs() -> Option<PathBuf> {
    let mut releases: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|release| release.path().join("bin"))
        .filter(|folder| folder.join("initdb").exists())
        .collect();
    releases.sort();
    let elsewhere = || {
        Path::new("/usr/bin/initdb")
            .exists()
            .then(|| "/usr/bin".into())
    };
    releases.pop().or_else(elsewhere)
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

impl Postgres {
    /// A database as a backup has it: the text that `pg_dump` writes.
    #[allow(dead_code, reason = "only the store's own tests look into a dump")]
    pub fn dump(&self, database: &str) -> String {
        let dumped = Command::new(self.programs.join("pg_dump"))
            .args(["-h", "127.0.0.1", "-U", "postgres", "-p"])
            .arg(self.port.to_string())
            .arg(database)
            .output()
            .unwrap();
        assert!(
            dumped.status.success(),
            "{}",
            String::from_utf8_lossy(&dumped.stderr)
        );
        String::from_utf8(dumped.stdout).unwrap()
    }

    /// The server that the tests of one process share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// A server for one test. The test has to be ignored where PostgreSQL is not installed.
    pub fn start() -> Self {
        let server = Self::start_in(&std::env::temp_dir(), FORGETFUL);
        server.expect("PostgreSQL is installed, or the test is ignored")
    }

    /// A server with durable commits, in a folder on a disk; none where PostgreSQL is not
    /// installed.
    #[allow(dead_code, reason = "only the benchmarks need one")]
    pub fn durable(parent: &Path) -> Option<Self> {
        Self::start_in(parent, "")
    }

    fn start_in(parent: &Path, more: &'static str) -> Option<Self> {
        let programs = programs()?;
        let server = Self::prepare(programs, parent, more);
        let words = "-A trust -U postgres --no-sync -E UTF8 --locale=C";
        server.run("initdb", words.split(' '));
        server.certify(&server.folder.join("data"));
        Some(server.launch())
    }

    /// A standby that replicates this server.
    #[allow(dead_code, reason = "only the tests of the service let one take over")]
    pub fn standby(&self) -> Self {
        let standby = Self::prepare(self.programs.clone(), &std::env::temp_dir(), FORGETFUL);
        let folder = self.folder.display();
        let words = format!(
            "-h {folder} -p {} -U postgres -R -X stream -c fast --no-sync",
            self.port
        );
        standby.run("pg_basebackup", words.split(' '));
        standby.launch()
    }

    /// Promotes this standby to primary.
    #[allow(dead_code, reason = "only the tests of the service let one take over")]
    pub fn promote(&self) {
        assert!(self.control("promote", "fast"), "{}", self.log());
    }

    /// Makes a folder, and the keeper that stops the server and removes the folder.
    fn prepare(programs: PathBuf, parent: &Path, more: &'static str) -> Self {
        let folder = tempfile::tempdir_in(parent).unwrap().keep();
        let authority = folder.join("authority.pem");
        own(&folder);
        let script = "cat; \"$1\" -D \"$2/data\" -m immediate stop; rm -rf \"$2\"";
        let (keeper, life) = keeper(script, [&programs.join("pg_ctl"), &folder]);
        Self {
            programs,
            folder,
            more,
            port: 0,
            authority,
            life,
            keeper,
        }
    }

    fn launch(mut self) -> Self {
        // Another process may take a free port before the server does.
        for _ in 0..5 {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            self.port = free.local_addr().unwrap().port();
            drop(free);
            let settings = format!(
                "{}{SETTINGS}port = {}\nunix_socket_directories = '{}'\n",
                self.more,
                self.port,
                self.folder.display()
            );
            std::fs::write(self.folder.join("data/postgresql.conf"), settings).unwrap();
            if self.control("start", "fast") {
                return self;
            }
        }
        panic!("PostgreSQL does not start: {}", self.log());
    }

    fn certify(&self, data: &Path) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = authority.self_signed(&key).unwrap();
        std::fs::write(&self.authority, certificate.pem()).unwrap();
        let issuer = rcgen::Issuer::new(authority, key);
        let key = rcgen::KeyPair::generate().unwrap();
        let server = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = server.signed_by(&key, &issuer).unwrap();
        for (name, text) in [
            ("server.crt", certificate.pem()),
            ("server.key", key.serialize_pem()),
            ("pg_hba.conf", ACCOUNTS.to_owned()),
        ] {
            use std::os::unix::fs::OpenOptionsExt as _;
            let mut options = std::fs::File::options();
            let options = options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(data.join(name)).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            own(&data.join(name));
        }
    }

    fn run<'a>(&self, program: &str, words: impl Iterator<Item = &'a str>) {
        let output = unprivileged(&mut Command::new(self.programs.join(program)))
            .arg("-D")
            .arg(self.folder.join("data"))
            .args(words)
            .current_dir("/")
            .output()
            .unwrap();
        assert!(output.status.success(), "{program}: {output:?}");
    }

    fn control(&self, what: &str, mode: &str) -> bool {
        unprivileged(&mut Command::new(self.programs.join("pg_ctl")))
            .arg("-D")
            .arg(self.folder.join("data"))
            .arg("-l")
            .arg(self.folder.join("log"))
            .args(["-w", "-s", "-m", mode, what])
            .current_dir("/")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    }

    /// The server's process, whose children serve its connections.
    #[allow(dead_code, reason = "only the benchmarks read its processor time")]
    pub fn pid(&self) -> u32 {
        let file = self.folder.join("data/postmaster.pid");
        let text = std::fs::read_to_string(file).unwrap();
        text.lines().next().unwrap().trim().parse().unwrap()
    }

    /// The TCP port on 127.0.0.1 on which it listens.
    #[allow(dead_code, reason = "only the benchmarks go through a proxy")]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Stops it as a crash would.
    #[allow(dead_code)]
    pub fn crash(&self) {
        assert!(self.control("stop", "immediate"), "{}", self.log());
    }

    /// Starts it again after a crash.
    #[allow(dead_code)]
    pub fn start_again(&self) {
        assert!(self.control("start", "fast"), "{}", self.log());
    }

    /// Runs SQL in a database as the server's superuser, and returns the output.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let output = unprivileged(&mut Command::new(self.programs.join("psql")))
            .args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-h"])
            .arg(&self.folder)
            .args(["-p", &self.port.to_string(), "-d", database, "-c", sql])
            .current_dir("/")
            .output()
            .unwrap();
        assert!(output.status.success(), "{sql}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// An empty database, by its name.
    pub fn empty(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        name
    }

    /// The URL of a database of this server, or of the standby that takes over from it; the standby
    /// is named first.
    #[allow(dead_code, reason = "only the tests of the service let one take over")]
    pub fn url_with(&self, standby: &Self, database: &str) -> String {
        let (one, two) = (standby.port, self.port);
        format!("postgres://postgres@localhost:{one},localhost:{two}/{database}?sslmode=disable")
    }

    /// Starts PgBouncer in front of this server.
    #[allow(dead_code, reason = "only the store's own tests look through one")]
    pub fn pooler(&self, mode: &str) -> Pooler {
        let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"];
        let program = program.iter().find(|path| Path::new(path).exists());
        let program = program.expect("PgBouncer is installed, or the test is ignored");
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={} user=postgres\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nauth_type = any\npool_mode = {mode}\nunix_socket_dir =\n",
            self.port
        );
        let file = self.folder.join(format!("pooler-{port}.ini"));
        std::fs::write(&file, settings).unwrap();
        let script = "\"$1\" -q \"$2\" & cat; kill $!; wait $!";
        let (keeper, life) = keeper(script, [Path::new(program), &file]);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                std::time::Instant::now() < deadline,
                "PgBouncer does not start"
            );
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Pooler { port, life, keeper }
    }

    /// The URL of a database, with further parameters or none.
    pub fn url(&self, account: &str, database: &str, parameters: &str) -> String {
        let port = self.port;
        format!("postgres://{account}@localhost:{port}/{database}?{parameters}")
    }
}

/// A running PgBouncer; it stops when this is dropped.
#[allow(dead_code, reason = "only the store's own tests look through one")]
pub struct Pooler {
    pub port: u16,
    life: Option<ChildStdin>,
    keeper: Child,
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.life.take());
        let _ = self.keeper.wait();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.life.take());
        let _ = self.keeper.wait();
        // Where only root may write the parent folder, the keeper can empty the folder but not
        // remove it.
        let _ = std::fs::remove_dir(&self.folder);
    }
}

/// A shell that runs a script with these arguments. The script waits by `cat` until the returned
/// pipe closes, which happens when this process ends in any way.
fn keeper(script: &str, arguments: [&Path; 2]) -> (Child, Option<ChildStdin>) {
    let mut keeper = unprivileged(&mut Command::new("sh"))
        .args(["-c", script, "keeper"])
        .args(arguments)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let life = keeper.stdin.take();
    (keeper, life)
}

/// Gives a file to the account that runs the server.
fn own(path: &Path) {
    if is_root() {
        std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

/// Runs a command as `nobody` where this process is root: PostgreSQL refuses to run as root.
fn unprivileged(command: &mut Command) -> &mut Command {
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C")
}

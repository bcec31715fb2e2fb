//! A child process in its own process group. Its lines are shown with its name in colour; the last
//! lines are kept for the message if it ends.

use std::collections::{BTreeMap, VecDeque};
use std::io::IsTerminal;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// How long a process may take to stop before it is killed; the services take up to 20 seconds.
const STOP_TIMEOUT: Duration = Duration::from_secs(25);
const KEPT_LINE_COUNT: usize = 15;
const COLOURS: [(&str, &str); 4] = [
    ("pve-sim", "\x1b[35m"),
    ("proxmox-api", "\x1b[36m"),
    ("agent-api", "\x1b[33m"),
    ("web-ui", "\x1b[32m"),
];

/// A process to start.
pub struct ProcessSpec {
    /// Its name, which is shown before each of its lines.
    pub name: &'static str,
    /// The built binary.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables that are added to our own environment.
    pub environment: BTreeMap<String, String>,
}

/// A process that was started. It is killed when this is dropped.
pub struct SupervisedProcess {
    name: &'static str,
    child: Child,
    lines: Arc<Mutex<VecDeque<String>>>,
}

impl SupervisedProcess {
    /// Starts it.
    ///
    /// # Errors
    /// The program cannot be run.
    pub fn start(spec: ProcessSpec) -> Result<Self> {
        let mut command = Command::new(&spec.program);
        if without_colour() {
            command.env("NO_COLOR", "1");
        }
        let mut child = command
            .args(&spec.arguments)
            .envs(&spec.environment)
            .current_dir(crate::workspace::root())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0) // Ctrl-C reaches only us, so that processes stop in order
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {} ({})", spec.name, spec.program.display()))?;
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        let line_prefix = line_prefix(spec.name);
        if let Some(stream) = child.stdout.take() {
            tokio::spawn(print_lines(stream, line_prefix.clone(), Arc::clone(&lines)));
        }
        if let Some(stream) = child.stderr.take() {
            tokio::spawn(print_lines(stream, line_prefix, Arc::clone(&lines)));
        }
        Ok(Self {
            name: spec.name,
            child,
            lines,
        })
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// The operating system does not say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .with_context(|| format!("cannot look after {}", self.name))
    }

    /// The last lines of its output, indented.
    pub fn last_lines(&self) -> String {
        let lines = self
            .lines
            .lock()
            .expect("no thread panics while it holds the lines");
        if lines.is_empty() {
            return "  (it printed nothing)".to_owned();
        }
        lines
            .iter()
            .map(|line| format!("  {line}"))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Waits until `ready` holds.
    ///
    /// # Errors
    /// It ended first, or the deadline passed.
    pub async fn wait_until_healthy(
        &mut self,
        deadline: Duration,
        ready: impl AsyncFn() -> bool,
    ) -> Result<()> {
        let until = Instant::now() + deadline;
        while !ready().await {
            if let Some(end) = self.ended()? {
                sleep(Duration::from_millis(100)).await; // its last lines are still being read
                bail!(
                    "{} ended before it was healthy ({end}); its last lines:\n{}",
                    self.name,
                    self.last_lines()
                );
            }
            if Instant::now() > until {
                bail!(
                    "{} is not healthy after {deadline:?}; its last lines:\n{}",
                    self.name,
                    self.last_lines()
                );
            }
            sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// Asks it to stop, and kills it if it does not.
    pub async fn stop(mut self) {
        let pid = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(id.try_into().ok()?));
        if let Some(pid) = pid {
            // The child has not been waited for, so its id cannot belong to another process.
            let _ = kill_process(pid, Signal::TERM);
        }
        if timeout(STOP_TIMEOUT, self.child.wait()).await.is_err() {
            say!("{} does not stop: killing it", self.name);
            let _ = self.child.kill().await;
        }
    }
}

/// Whether `GET /health` on that port of this machine answers 200.
pub async fn is_healthy(port: u16) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()?;
        let request =
            format!("GET /health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.ok()?;
        Some(answer == *b"HTTP/1.1 200")
    };
    timeout(Duration::from_secs(2), ask)
        .await
        .ok()
        .flatten()
        .unwrap_or(false)
}

fn without_colour() -> bool {
    std::env::var_os("NO_COLOR").is_some() || !std::io::stdout().is_terminal()
}

fn line_prefix(name: &str) -> String {
    match COLOURS.iter().find(|(of, _)| *of == name) {
        Some((_, colour)) if !without_colour() => format!("{colour}{name:<11}\x1b[0m | "),
        _ => format!("{name:<11} | "),
    }
}

async fn print_lines(
    stream: impl AsyncRead + Unpin,
    line_prefix: String,
    kept_lines: Arc<Mutex<VecDeque<String>>>,
) {
    let mut lines = BufReader::new(stream).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line).into_owned();
        say!("{line_prefix}{line}");
        let mut kept_lines = kept_lines
            .lock()
            .expect("no thread panics while it holds the lines");
        if kept_lines.len() == KEPT_LINE_COUNT {
            kept_lines.pop_front();
        }
        kept_lines.push_back(line);
    }
}

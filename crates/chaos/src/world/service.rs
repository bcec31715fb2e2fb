//! The processes of the service: they are started, killed, and started again on the same port.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::journal::Journal;

/// How long a process may take until it responds.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// One process of the service, which keeps its port and log over restarts.
pub struct ServiceProcess {
    /// Its number, from 0.
    pub number: usize,
    /// The base of its URLs.
    pub url: String,
    /// The file with the output of all runs.
    pub log: PathBuf,
    program: PathBuf,
    variables: Vec<(String, String)>,
    child: Mutex<Option<Child>>,
    journal: Arc<Journal>,
    largest: AtomicU64,
}

impl ServiceProcess {
    /// A process that is not started yet.
    ///
    /// # Errors
    /// No port is free.
    pub fn new(
        number: usize,
        folder: &Path,
        program: &Path,
        variables: &[(String, String)],
        journal: Arc<Journal>,
    ) -> Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?
            .local_addr()?
            .port();
        let mut variables = variables.to_vec();
        variables.push(("PORT".into(), port.to_string()));
        // The campaign has no visitors of published ports and no SSH clients.
        variables.push(("INGRESS_PORT".into(), "0".into()));
        variables.push(("SSH_PORT".into(), "0".into()));
        Ok(Self {
            number,
            url: format!("http://127.0.0.1:{port}"),
            log: folder.join(format!("api-{number}.log")),
            program: program.to_owned(),
            variables,
            child: Mutex::new(None),
            journal,
            largest: AtomicU64::new(0),
        })
    }

    /// Starts the process, without waiting until it responds.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(&self) -> Result<()> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let child = Command::new(&self.program)
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.log.parent().context("a log without a folder")?)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        *self.child.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
        self.journal.count("process", "started");
        self.journal.record(&self.name(), "started");
        Ok(())
    }

    /// Waits until it responds.
    ///
    /// # Errors
    /// It does not respond in time.
    pub async fn answers(&self, http: &reqwest::Client) -> Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let asked = http.get(format!("{}/health", self.url)).send().await;
            if asked.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!(
                    "{} does not answer, see {}",
                    self.name(),
                    self.log.display()
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends the process by SIGKILL.
    pub fn kill(&self) {
        self.measure_memory();
        let child = self
            .child
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(mut child) = child {
            let _ = child.kill();
            let _ = child.wait();
            self.journal.record(&self.name(), "killed");
        }
    }

    /// Suspends the process by SIGSTOP; it keeps its connections. Gives its id, if it runs.
    pub fn freeze(&self) -> Option<u32> {
        let id = self.id()?;
        signal("STOP", id).then_some(id)
    }

    /// Resumes the process with this id; false if it was killed meanwhile.
    pub fn wake(&self, frozen: u32) -> bool {
        self.id() == Some(frozen) && signal("CONT", frozen)
    }

    fn id(&self) -> Option<u32> {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        child.as_ref().map(Child::id)
    }

    /// Whether it has ended by itself.
    ///
    /// # Errors
    /// The operating system does not say.
    pub fn has_ended(&self) -> Result<bool> {
        let ended = {
            let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
            match child.as_mut() {
                Some(running) => running.try_wait()?.is_some(),
                None => false,
            }
        };
        Ok(ended)
    }

    /// Measures the memory of the process, and gives the largest so far, in KiB.
    pub fn measure_memory(&self) -> u64 {
        let status = self
            .id()
            .and_then(|id| std::fs::read_to_string(format!("/proc/{id}/status")).ok());
        let resident = status.as_deref().and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
            line.split_whitespace().nth(1)?.parse().ok()
        });
        self.largest
            .fetch_max(resident.unwrap_or(0), Ordering::Relaxed)
            .max(resident.unwrap_or(0))
    }

    /// Its name in the journal.
    pub fn name(&self) -> String {
        format!("api-{}", self.number)
    }
}

/// Sends a signal to a process; false if there is none with this id.
fn signal(name: &str, id: u32) -> bool {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &id.to_string()])
        .stderr(Stdio::null())
        .status();
    sent.is_ok_and(|status| status.success())
}

impl Drop for ServiceProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

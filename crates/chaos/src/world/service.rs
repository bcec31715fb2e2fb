//! The processes of the service: started, killed without a word, started again on the same port.

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

/// How long a process may take until it answers.
const START_AT_MOST: Duration = Duration::from_secs(60);

/// One process, and the place of its next one.
pub struct ServiceProcess {
    /// Its number, from 0.
    pub number: usize,
    /// Where it answers.
    pub url: String,
    /// Everything that it and those before it wrote.
    pub log: PathBuf,
    program: PathBuf,
    variables: Vec<(String, String)>,
    child: Mutex<Option<Child>>,
    journal: Arc<Journal>,
    largest: AtomicU64,
}

impl ServiceProcess {
    /// Not started yet.
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

    /// Starts the process. It is not waited for.
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

    /// Waits until it answers.
    ///
    /// # Errors
    /// It does not in time.
    pub async fn answers(&self, http: &reqwest::Client) -> Result<()> {
        let deadline = Instant::now() + START_AT_MOST;
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

    /// Stops the process where it is; it keeps its connections. Its number, if there is one.
    pub fn freeze(&self) -> Option<u32> {
        let id = self.id()?;
        signal("STOP", id).then_some(id)
    }

    /// Lets the process with this number go on; false where it was killed meanwhile.
    pub fn wake(&self, frozen: u32) -> bool {
        self.id() == Some(frozen) && signal("CONT", frozen)
    }

    fn id(&self) -> Option<u32> {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        child.as_ref().map(Child::id)
    }

    /// Whether it has ended by itself; then it says so and starts it again.
    ///
    /// # Errors
    /// It cannot be started again.
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

    /// Notes how much memory the process has, and gives the most so far, in KiB.
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

    /// What it is called in the journal.
    pub fn name(&self) -> String {
        format!("api-{}", self.number)
    }
}

/// Sends a signal to a process of ours; whether it was there.
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

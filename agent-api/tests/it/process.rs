//! The service as a separate process.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A process that ends with the test, also if the test fails.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Killing fails only if the process has ended, as it should.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_stop_is_heard_also_when_nobody_reads_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_agent-api"))
        .current_dir(folder.path())
        .env("PORT", "0")
        .env("DATA_DIR", folder.path())
        .env("LLM_PROVIDER", "offline")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut process = Process(child);
    let log = BufReader::new(process.0.stderr.take().unwrap());
    // The reader of the log is dropped after this statement.
    let listens = log.lines().any(|line| line.unwrap().contains("listening"));
    assert!(listens, "it ended before it listened");
    let id = process.0.id().to_string();
    let asked = Command::new("kill").args(["-TERM", &id]).status().unwrap();
    assert!(asked.success());
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(status) = process.0.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return;
        }
        assert!(Instant::now() < deadline, "it goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
}

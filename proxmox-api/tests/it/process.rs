//! The program as a process, for properties that only a separate process shows.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use proxmox_api::store::FileLock;
use pve_sim::{Sim, SimConfig};

use crate::support::{PAYEE, until};

/// A process that is killed when the test ends, even by a panic.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program in this folder, with an empty environment.
pub fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_proxmox-api"));
    command.current_dir(folder).env_clear();
    command
}

/// The service on this file and this Proxmox, with the demo's money and a free port; its standard
/// output is dropped.
pub fn service(folder: &Path, database: &Path, sim: &Sim) -> Command {
    let mut command = program(folder);
    command
        .env("PORT", "0")
        .env("INGRESS_PORT", "0")
        .env("SSH_PORT", "0")
        .env("ADDRESS", PAYEE)
        .env("FACILITATOR", "demo")
        .env("DATABASE", database)
        .env("PVE_HOST", sim.url())
        .env("PVE_TOKEN_ID", sim.token_id())
        .env("PVE_TOKEN_SECRET", sim.token_secret())
        .env("PVE_FINGERPRINT", sim.fingerprint())
        .stdout(Stdio::null());
    command
}

#[tokio::test]
async fn a_second_process_on_one_file_says_so_and_ends() {
    let sim = Sim::start(SimConfig::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("data/infra402.sqlite");
    let command = || {
        let mut command = service(folder.path(), &database, &sim);
        command.stderr(Stdio::piped());
        command
    };
    let first = Running(command().spawn().unwrap());
    // The process that holds the lock makes the file.
    until("the first one to have the file", async || {
        database.exists().then_some(())
    })
    .await;
    let second = command().output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success());
    assert!(
        said.contains("another process has this database open"),
        "{said}"
    );
    drop(first);
    FileLock::take(&database).unwrap();
}

#[test]
fn wrong_arguments_end_with_the_status_that_all_programs_have_for_them() {
    let folder = tempfile::tempdir().unwrap();
    for (line, status) in [("serve", 2), ("payments pay", 2), ("--version", 0)] {
        let ended = program(folder.path())
            .args(line.split(' '))
            .output()
            .unwrap();
        assert_eq!(ended.status.code(), Some(status), "{line}");
    }
}

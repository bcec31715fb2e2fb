//! The program itself, where only a process of its own shows it.

use std::process::{Child, Command, Stdio};

use proxmox_api::store::Hold;
use pve_sim::{Sim, SimConfig};

use crate::support::{PAYEE, until};

/// Ends with the test, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_second_process_on_one_file_says_so_and_ends() {
    let sim = Sim::start(SimConfig::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("data/infra402.sqlite");
    let command = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_proxmox-api"));
        command
            .current_dir(folder.path())
            .env_clear()
            .env("PORT", "0")
            .env("ADDRESS", PAYEE)
            .env("FACILITATOR", "demo")
            .env("DATABASE", &database)
            .env("PVE_HOST", sim.url())
            .env("PVE_TOKEN_ID", sim.token_id())
            .env("PVE_TOKEN_SECRET", sim.token_secret())
            .env("PVE_FINGERPRINT", sim.fingerprint())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    };
    let first = Running(command().spawn().unwrap());
    // It is made by whoever has the right to it.
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
    Hold::take(&database).unwrap();
}

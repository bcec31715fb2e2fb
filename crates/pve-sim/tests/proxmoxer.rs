//! PyPI's `proxmoxer`, a third-party client, runs a container's whole life against the simulator,
//! by token and by ticket, and an administrator's work as `root@pam`. It needs a Python with
//! `e2e/proxmoxer/requirements.txt` installed, which `cargo xtask test` sets up.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use pve_sim::{Sim, SimConfig};
use tokio::process::Command;

const VARIABLE: &str = "INFRA402_PYTHON_PROXMOXER";

/// The Python that has proxmoxer.
fn python(workspace: &Path) -> PathBuf {
    let python = std::env::var_os(VARIABLE).map_or_else(
        || workspace.join("e2e/.venv-proxmoxer/bin/python"),
        PathBuf::from,
    );
    assert!(
        python.exists(),
        "{} does not exist: `cargo xtask test` sets it up from e2e/proxmoxer/requirements.txt, \
         or {VARIABLE} names another",
        python.display()
    );
    python
}

/// Runs a script against a simulator, and checks that all of its parts ran.
async fn run(sim: &Sim, script: &str, variables: &[(&str, String)], parts: &[&str]) {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the workspace is there");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, sim.ca_pem()).expect("the CA is written");
    let output = Command::new(python(&workspace))
        .arg(workspace.join("e2e/proxmoxer").join(script))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PVE_HOST", sim.addr().to_string())
        .env("PVE_CA_FILE", &ca)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("Python starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    for part in parts {
        assert!(said.contains(part), "{part} is missing in: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn proxmoxer_runs_a_containers_whole_life_by_token_and_by_ticket() {
    let sim = Sim::start(SimConfig {
        time_scale: 0.005,
        ..SimConfig::default()
    })
    .await
    .expect("the simulator starts");

    // An ordinary account with a password and the rights that the token has.
    let (user, password) = ("proxmoxer@pve", "only-for-this-test");
    sim.add_user(user, password);
    for (path, role) in [
        ("/pool/infra402", "Infra402Guest"),
        ("/storage/local-lvm", "PVEDatastoreUser"),
        ("/storage/local", "PVEAuditor"),
        ("/sdn/zones/localnetwork/vmbr0", "PVESDNUser"),
    ] {
        sim.grant(path, user, role);
    }
    let variables = [
        ("PVE_TOKEN_ID", sim.token_id()),
        ("PVE_TOKEN_SECRET", sim.token_secret()),
        ("PVE_USER", user.to_owned()),
        ("PVE_PASSWORD", password.to_owned()),
    ];
    let parts = [
        "token life",
        "token refusals",
        "ticket life",
        "ticket refusals",
        "wrong password refused",
    ];
    run(&sim, "life.py", &variables, &parts).await;
    assert!(sim.containers().is_empty());
    sim.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn proxmoxer_does_an_administrators_work() {
    let sim = Sim::start(SimConfig {
        time_scale: 0.01,
        nodes: vec!["pve".into(), "pve2".into()],
        ..SimConfig::default()
    })
    .await
    .expect("the simulator starts");
    let parts = [
        "migration",
        "clone, backup, restore, snapshot",
        "pools",
        "configuration",
        "high availability",
        "reboot",
        "missing",
    ];
    let password = [("PVE_PASSWORD", sim.root_password())];
    run(&sim, "administrator.py", &password, &parts).await;
    sim.stop().await;
}

//! The doctor finds faults of an installation, and the commands that it suggests mend them.

mod access;
mod capacity;
mod configuration;
mod connection;
mod console;
mod fence;
mod fence_commands;
mod guest;
mod local;
mod payments;
mod probe;
mod shell;
mod storages;

use std::sync::Arc;

use proxmox_api::{
    config::{Config, ProxmoxConfig, SCHEMA},
    doctor::{Finding, Severity, command::examine_all, report},
};
use pve_sim::{Sim, SimConfig};
use serde_json::json;
use service::{clock::SystemClock, env::Env};
use tempfile::TempDir;

use crate::guest::plain_shell;
use crate::support::PAYEE;
use shell::Host;

type Variables = Vec<(String, String)>;

/// An installation without faults.
struct Installation {
    sim: Sim,
    variables: Variables,
    folder: TempDir,
}

/// Settings of the simulator for these tests.
fn quick() -> SimConfig {
    SimConfig {
        auth_failure_delay: std::time::Duration::ZERO,
        time_scale: 0.001,
        shell: plain_shell(),
        ..SimConfig::default()
    }
}

impl Installation {
    async fn start() -> Self {
        Self::with(quick()).await
    }

    async fn with(config: SimConfig) -> Self {
        service::crypto::install_ring_provider();
        let sim = Sim::start(config).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("infra402.sqlite").display().to_string();
        let variables = [
            ("PORT", "0".to_owned()),
            ("ADDRESS", PAYEE.to_owned()),
            ("FACILITATOR", "demo".to_owned()),
            ("DATABASE", database),
            ("PVE_SIMULATED", "true".to_owned()),
            ("PVE_HOST", sim.url()),
            ("PVE_TOKEN_ID", sim.token_id()),
            ("PVE_TOKEN_SECRET", sim.token_secret()),
            ("PVE_FINGERPRINT", sim.fingerprint()),
            ("PVE_NODE", sim.node()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        Self {
            sim,
            variables,
            folder,
        }
    }

    /// The variables with some changed; an empty value counts as unset.
    fn env(&self, changed: &[(&str, &str)]) -> Env {
        let mut variables = self.variables.clone();
        for (name, value) in changed {
            variables.retain(|(known, _)| known != name);
            variables.push(((*name).to_owned(), (*value).to_owned()));
        }
        Env::from_map(variables).for_schema(&SCHEMA)
    }

    async fn examined(&self, changed: &[(&str, &str)]) -> Vec<Finding> {
        examine_all(&self.env(changed), Arc::new(SystemClock)).await
    }

    /// The only finding that is not fine.
    async fn only(&self, changed: &[(&str, &str)]) -> Finding {
        let mut bad = self.examined(changed).await;
        bad.retain(|finding| finding.severity != Severity::Ok);
        assert_eq!(bad.len(), 1, "{bad:#?}");
        bad.remove(0)
    }

    /// The worst finding of one check.
    async fn of(&self, check: &str, changed: &[(&str, &str)]) -> Finding {
        let findings = self.examined(changed).await;
        let of_check = findings.iter().filter(|finding| finding.check == check);
        let worst = of_check.max_by_key(|finding| finding.severity);
        worst
            .unwrap_or_else(|| panic!("nothing on {check}: {findings:#?}"))
            .clone()
    }

    async fn is_fine(&self, changed: &[(&str, &str)]) {
        let findings = self.examined(changed).await;
        assert_eq!(report::worst(&findings), Severity::Ok, "{findings:#?}");
    }

    /// Applies a command for the host to the simulator.
    fn perform(&self, command: &str) {
        Host::default().perform(&self.sim, command);
    }

    fn user(&self) -> String {
        self.sim.token_id().split('!').next().unwrap().to_owned()
    }

    fn proxmox(&self) -> ProxmoxConfig {
        Config::from_env(self.env(&[])).unwrap().proxmox
    }
}

fn is(finding: &Finding, check: &str, severity: Severity, found: &str) {
    assert_eq!(
        (finding.check, finding.severity),
        (check, severity),
        "{finding:#?}"
    );
    assert!(finding.found.contains(found), "{finding:#?}");
    assert!(!finding.mend.is_empty(), "{finding:#?}");
}

fn error(finding: &Finding, check: &str, found: &str) {
    is(finding, check, Severity::Error, found);
}

fn warning(finding: &Finding, check: &str, found: &str) {
    is(finding, check, Severity::Warning, found);
}

#[tokio::test]
async fn an_installation_that_is_in_order_has_no_findings() {
    let installation = Installation::start().await;
    let findings = installation.examined(&[]).await;
    assert_eq!(report::worst(&findings), Severity::Ok, "{findings:#?}");
    for check in [
        "configuration",
        "browsers.origins",
        "browsers.address",
        "listen",
        "store",
        "time",
        "proxmox.connection",
        "proxmox.tls",
        "proxmox.access",
        "proxmox.pool",
        "proxmox.vmids",
        "proxmox.nodes",
        "proxmox.storage",
        "proxmox.bridge",
        "proxmox.templates",
        "proxmox.console",
        "guest.ssh",
        "payments.payee",
        "payments.facilitator",
    ] {
        assert!(
            findings.iter().any(|finding| finding.check == check),
            "{check} was looked at"
        );
    }
    let text = report::text(&findings, false);
    assert!(text.ends_with("errors: 0, warnings: 0\n"), "{text}");
    assert_eq!(text.lines().count(), findings.len() + 2, "{text}");
    let secret = installation.sim.token_secret();
    let json = report::json(&findings);
    assert!(!text.contains(&secret) && !json.to_string().contains(&secret));
    assert_eq!(json["severity"], "ok");
    assert_eq!(json["findings"].as_array().unwrap().len(), findings.len());
    assert!(!installation.folder.path().join("infra402.sqlite").exists());
}

#[tokio::test]
async fn an_examination_changes_nothing_on_the_host() {
    let installation = Installation::start().await;
    installation.examined(&[]).await;
    for method in ["POST", "PUT", "DELETE"] {
        assert_eq!(installation.sim.request_count(method, ""), 0, "{method}");
    }
}

#[test]
fn what_is_wrong_is_written_on_a_line_with_what_mends_it_below() {
    let finding: Finding = Finding {
        check: "proxmox.nodes",
        severity: Severity::Error,
        expected: "the node pve is online".into(),
        found: "there is no such node".into(),
        mend: vec!["PVE_NODE=alpha".into(), "pvesh get /nodes".into()],
    };
    let bad = std::slice::from_ref(&finding);
    assert_eq!(
        report::text(bad, false),
        "error   proxmox.nodes        expected: the node pve is online; found: there is no such node\n        \
         mend: PVE_NODE=alpha\n          or: pvesh get /nodes\n\n1 looked at, errors: 1, warnings: 0\n"
    );
    assert!(report::text(bad, true).starts_with("\x1b[31merror"));
    assert_eq!(
        report::json(bad),
        json!({"severity": "error", "findings": [{
            "check": "proxmox.nodes", "severity": "error", "expected": "the node pve is online",
            "found": "there is no such node", "mend": ["PVE_NODE=alpha", "pvesh get /nodes"],
        }]})
    );
}

//! Examines a configuration from end to end and says of each finding what was expected, what was found, and what mends it. One
//! file per concern; [`report`] writes the findings down, [`setup`] prints the commands that make the account on Proxmox, and
//! [`command`] is `proxmox-api doctor`. The same examination runs at every start and warns.

mod access;
mod browsers;
pub mod command;
mod configuration;
mod connection;
mod console;
mod nodes;
mod payments;
pub mod report;
pub mod setup;
mod storage;
mod templates;

use serde::Serialize;
use x402::facilitator::Facilitator;

use crate::{config::Config, proxmox::Proxmox};

pub use configuration::problems;

/// How bad a finding is, from harmless to fatal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As it should be.
    Ok,
    /// It works, and could be better or safer.
    Warning,
    /// Leases will fail.
    Error,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, such as `proxmox.tls`.
    pub check: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What should be.
    pub expected: String,
    /// What is.
    pub found: String,
    /// Commands or settings that mend it, the best first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mend: Vec<String>,
}

impl Finding {
    fn new(
        check: &'static str,
        severity: Severity,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self {
            check,
            severity,
            expected: expected.into(),
            found: found.into(),
            mend: Vec::new(),
        }
    }

    /// All is well.
    pub(crate) fn ok(check: &'static str, expected: &str, found: impl Into<String>) -> Self {
        Self::new(check, Severity::Ok, expected, found)
    }

    /// It works, and should be looked at.
    pub(crate) fn warning(check: &'static str, expected: &str, found: impl Into<String>) -> Self {
        Self::new(check, Severity::Warning, expected, found)
    }

    /// Leases will fail.
    pub(crate) fn error(check: &'static str, expected: &str, found: impl Into<String>) -> Self {
        Self::new(check, Severity::Error, expected, found)
    }

    /// What mends it.
    #[must_use]
    pub(crate) fn mend(mut self, command: impl Into<String>) -> Self {
        self.mend.push(command.into());
        self
    }
}

/// Looks at everything that the configuration leads to. Nothing is changed anywhere, and no money moves.
pub async fn examine(
    config: &Config,
    proxmox: &Proxmox,
    facilitator: &dyn Facilitator,
) -> Vec<Finding> {
    let mut findings = configuration::cautions(config);
    findings.extend(browsers::examine(config));
    let (payments, hypervisor) = tokio::join!(
        payments::examine(config, facilitator),
        examine_proxmox(proxmox)
    );
    findings.extend(hypervisor);
    findings.extend(payments);
    findings
}

/// From the outside inwards: what cannot be reached is not asked further.
async fn examine_proxmox(proxmox: &Proxmox) -> Vec<Finding> {
    let (mut findings, reached) = connection::examine(proxmox).await;
    if !reached {
        return findings;
    }
    findings.extend(access::examine(proxmox).await);
    let (nodes, usable) = nodes::examine(proxmox).await;
    findings.extend(nodes);
    for node in &usable {
        findings.extend(storage::examine(proxmox, node).await);
    }
    if let Some(node) = usable.first() {
        findings.extend(templates::examine(proxmox, node).await);
    }
    findings.extend(console::examine(proxmox).await);
    findings
}

/// Proxmox did not answer a question.
fn unanswered(check: &'static str, expected: &str, error: &pve::Error) -> Finding {
    Finding::error(check, expected, error.safe_text())
}

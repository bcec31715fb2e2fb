//! Examines an installation from end to end and says of each finding what was expected, what was found, and what mends it.
//!
//! One file per concern; a [`Finding`] is what they all speak. [`command`] is `proxmox-api doctor`, which also examines a
//! configuration that cannot be read as a whole; [`examine`] is the quick part that runs beside every start of the service and
//! warns in the log; [`report`] writes findings down, [`setup`] prints the commands that make the account on
//! Proxmox, and [`fence`] those that keep tenants apart from everything else.

mod access;
mod bridge;
mod browsers;
mod chain;
pub mod command;
mod configuration;
mod connection;
mod console;
pub mod fence;
mod hypervisor;
mod nodes;
mod payments;
mod pool;
mod port;
pub mod probe;
pub mod report;
pub mod setup;
mod storage;
mod store;
mod templates;
mod tenants;
mod time;

use serde::Serialize;
use service::clock::Clock;
use x402::facilitator::Facilitator;

use crate::{config::Config, proxmox::Proxmox, store::Database};

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

/// How far an examination goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// What takes a moment and disturbs nobody.
    Quick,
    /// Also what the service that runs has tried already, or would trip over itself: its port, its store, a console.
    Full,
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
    fn ok(check: &'static str, expected: &str, found: impl Into<String>) -> Self {
        Self::new(check, Severity::Ok, expected, found)
    }

    /// It works, and should be looked at.
    fn warning(check: &'static str, expected: &str, found: impl Into<String>) -> Self {
        Self::new(check, Severity::Warning, expected, found)
    }

    /// Leases will fail.
    fn error(check: &'static str, expected: &str, found: impl Into<String>) -> Self {
        Self::new(check, Severity::Error, expected, found)
    }

    /// Proxmox did not answer a question.
    fn unanswered(check: &'static str, expected: &str, error: &pve::Error) -> Self {
        Self::error(check, expected, error.safe_text())
    }

    /// What mends it, besides what was said before.
    #[must_use]
    fn mend(mut self, command: impl Into<String>) -> Self {
        self.mend.push(command.into());
        self
    }
}

/// The quick part, for a service that starts. Nothing is changed anywhere, and no money moves.
pub async fn examine(
    config: &Config,
    proxmox: &Proxmox,
    facilitator: &dyn Facilitator,
    clock: &dyn Clock,
) -> Vec<Finding> {
    let mut findings = configuration::cautions(config);
    findings.extend(browsers::examine(config));
    if let Database::Server(server) = &config.database {
        findings.extend(store::caution(server));
    }
    findings.extend(tenants::addresses(config).await);
    let proven = tenants::proven(config).await;
    let (hypervisor, payments, chain) = tokio::join!(
        hypervisor::examine(proxmox, clock, Depth::Quick, proven),
        payments::examine(config, facilitator),
        chain::examine(&config.payments),
    );
    findings.extend(hypervisor);
    findings.extend(payments);
    findings.extend(chain);
    findings
}

/// Names in a sentence.
fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

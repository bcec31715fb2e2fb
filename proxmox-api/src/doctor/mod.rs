//! Examines an installation. Each [`Finding`] has what was expected, what was found, and what mends
//! it.
//!
//! There is one file per concern. [`command`] is `proxmox-api doctor`, which also examines a
//! configuration of which only a part can be read. [`examine`] is the quick part, which runs at
//! every start of the service and warns in the log. [`report`] writes findings; [`setup`] prints
//! the commands that make the account on Proxmox, and [`fence`] those that make the fence around
//! tenants.

mod access;
mod bridge;
mod browsers;
mod chain;
pub mod command;
mod configuration;
mod connection;
mod console;
mod credit;
pub mod fence;
mod guest;
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
    /// All is well.
    Ok,
    /// It works, and could be better or safer.
    Warning,
    /// Leases will fail.
    Error,
}

/// How far an examination goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// Checks that are quick and change nothing.
    Quick,
    /// Also checks that a running service has passed already, or that its own work would fail: the
    /// port, the store, a console.
    Full,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check's name, such as `proxmox.tls`.
    pub check: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The expected state.
    pub expected: String,
    /// The state that was found.
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

    /// Adds a command or setting that mends it.
    #[must_use]
    fn mend(mut self, command: impl Into<String>) -> Self {
        self.mend.push(command.into());
        self
    }
}

/// The quick checks, for a service that starts. They change nothing and move no money.
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
    let (proxy, hypervisor, payments, chain) = tokio::join!(
        guest::proxy(config),
        hypervisor::examine(proxmox, clock, Depth::Quick, proven),
        payments::examine(config, facilitator),
        chain::examine(&config.payments),
    );
    findings.extend(proxy);
    findings.extend(hypervisor);
    findings.extend(payments);
    findings.extend(chain);
    findings
}

/// Joins names for a sentence.
fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

//! What can be said of a configuration without asking anybody.

use service::env::Problems;

use super::Finding;
use crate::config::{Config, TlsTrust};

const CHECK: &str = "configuration";

/// A configuration that cannot be read at all, one finding for each problem.
pub fn problems(problems: &Problems) -> Vec<Finding> {
    problems
        .as_slice()
        .iter()
        .map(|problem| {
            let found = format!("{} {}", problem.variable, problem.what);
            Finding::error(CHECK, "every variable can be read", found)
                .mend(format!("{}={}", problem.variable, problem.example))
        })
        .collect()
}

/// What is taken as it is, though it should not stay so.
pub(super) fn cautions(config: &Config) -> Vec<Finding> {
    let mut findings = vec![Finding::ok(CHECK, "every variable can be read", "it is so")];
    if matches!(config.proxmox.tls, TlsTrust::Insecure) {
        let found = "PVE_VERIFY_SSL=false: whoever answers at that address is sent the token";
        findings.push(
            Finding::warning("proxmox.tls", "the host's certificate is checked", found).mend(
                "PVE_VERIFY_SSL=true, and PVE_FINGERPRINT as `proxmox-api doctor` then shows it",
            ),
        );
    }
    if config
        .proxmox
        .console
        .as_ref()
        .is_some_and(|account| account.is_root)
    {
        findings.push(
            Finding::warning(
                "proxmox.console",
                "consoles use an account that can do nothing else",
                "root@pam, by PVE_ROOT_PASSWORD or PVE_CONSOLE_USER",
            )
            .mend("proxmox-api doctor --setup prints the commands for an account of its own"),
        );
    }
    if config.proxmox.token_id.starts_with("root@pam!") {
        findings.push(
            Finding::warning(
                "proxmox.token",
                "the token belongs to an account that can do nothing else",
                "a token of root@pam",
            )
            .mend("proxmox-api doctor --setup prints the commands for an account of its own"),
        );
    }
    findings
}

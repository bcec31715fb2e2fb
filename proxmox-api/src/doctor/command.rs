//! `proxmox-api doctor`: looks at the configuration of this machine, writes the findings down, and ends with a status that says how
//! bad they are.

use std::{io::IsTerminal as _, process::ExitCode, sync::Arc};

use service::{clock::SystemClock, env::Env};

use super::{Finding, Severity, examine, problems, report, setup};
use crate::{
    config::{Config, ProxmoxConfig},
    proxmox::Proxmox,
    state,
};

/// What is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Print the commands that make the account on Proxmox, and look at nothing.
    pub setup: bool,
    /// Write for programs.
    pub json: bool,
}

/// Runs the command. The status is 0 where all is well, 1 with warnings, 2 with errors.
pub async fn run(env: Env, options: Options) -> ExitCode {
    if options.setup {
        print!("{}", setup::script(&ProxmoxConfig::outline(env)));
        return ExitCode::SUCCESS;
    }
    let findings = look(env).await;
    if options.json {
        println!("{:#}", report::json(&findings));
    } else {
        let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        print!("{}", report::text(&findings, colours));
    }
    match report::worst(&findings) {
        Severity::Ok => ExitCode::SUCCESS,
        Severity::Warning => ExitCode::from(1),
        Severity::Error => ExitCode::from(2),
    }
}

/// Everything that can be found out from these variables. Nothing is stored.
pub async fn look(env: Env) -> Vec<Finding> {
    let env = env.of(&crate::config::SCHEMA);
    let mut findings: Vec<Finding> = env
        .notices()
        .into_iter()
        .map(|notice| Finding::warning("configuration", "every variable has an effect", notice))
        .collect();
    let config = match Config::from_env(env) {
        Ok(config) => config,
        Err(wrong) => {
            findings.extend(problems(&wrong));
            return findings;
        }
    };
    let proxmox = match Proxmox::new(config.proxmox.clone()) {
        Ok(proxmox) => proxmox,
        Err(error) => {
            let expected = "the settings for Proxmox fit together";
            findings.push(Finding::error(
                "proxmox.settings",
                expected,
                error.to_string(),
            ));
            return findings;
        }
    };
    match state::facilitator_to_ask(&config.payments, Arc::new(SystemClock)) {
        Ok(facilitator) => {
            findings.extend(examine(&config, &proxmox, facilitator.as_ref()).await);
        }
        Err(error) => {
            let expected = "the settings for the facilitator fit together";
            findings.push(Finding::error(
                "payments.facilitator",
                expected,
                format!("{error:#}"),
            ));
        }
    }
    findings
}

/// Says in the log what is not as it should be; for the start of the service.
pub fn warn(findings: &[Finding]) {
    for finding in findings {
        let Finding {
            check,
            expected,
            found,
            mend,
            ..
        } = finding;
        let mend = mend.join(" | ");
        match finding.severity {
            Severity::Ok => tracing::debug!(check, found, "examined"),
            Severity::Warning => {
                tracing::warn!(check, expected, found, mend, "should be looked at")
            }
            Severity::Error => tracing::error!(check, expected, found, mend, "leases will fail"),
        }
    }
}

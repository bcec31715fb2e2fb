//! Checks of the configuration that need no other machine, and a partial reading of one with
//! mistakes: each variable that is missing or wrong gets a stand-in, so that the rest can be
//! examined.

use std::collections::BTreeSet;

use service::env::{Env, Problem, Problems};
use service::telemetry::Telemetry;

use super::Finding;
use crate::config::{Config, TlsTrust};

const CHECK: &str = "configuration";
/// How often the configuration is read until every wrong variable has a stand-in. One mistake may
/// hide another, so once is not enough.
const MAX_READS: usize = 8;

/// A configuration as far as it can be read.
pub(super) struct PartialConfig {
    /// The configuration with stand-ins; none if they do not make it readable.
    pub(super) config: Option<Config>,
    problems: Vec<(Problem, String)>,
    stand_ins: BTreeSet<String>,
    /// Notices about variables that have no effect.
    notices: Vec<String>,
}

impl PartialConfig {
    /// Reads the variables.
    pub(super) fn read(env: &Env) -> Self {
        let mut env = env.clone();
        let notices = env.notices();
        let mut problems: Option<Vec<(Problem, String)>> = None;
        let mut stand_ins = BTreeSet::new();
        for _ in 0..MAX_READS {
            let mut attempt = env.clone();
            Telemetry::from_env(&mut attempt);
            let wrong = match Config::from_env(attempt) {
                Ok(config) => {
                    return Self {
                        config: Some(config),
                        problems: problems.unwrap_or_default(),
                        stand_ins,
                        notices,
                    };
                }
                Err(wrong) => wrong,
            };
            problems.get_or_insert_with(|| with_mends(&env, &wrong));
            let names: BTreeSet<String> = wrong
                .as_slice()
                .iter()
                .map(|problem| problem.variable.clone())
                .collect();
            let changes: Vec<_> = names.iter().flat_map(|name| stand_in(&env, name)).collect();
            // An address that only lacks its scheme can still be examined.
            let mended = completed_host(&env).is_some();
            env = env.amended(changes);
            stand_ins.extend(
                names
                    .into_iter()
                    .filter(|name| name != "PVE_HOST" || !mended),
            );
        }
        Self {
            config: None,
            problems: problems.unwrap_or_default(),
            stand_ins,
            notices,
        }
    }

    /// Whether none of these variables has a stand-in.
    pub(super) fn knows(&self, names: &[&str]) -> bool {
        !names.iter().any(|name| self.stand_ins.contains(*name))
    }

    /// One finding for each variable that cannot be read, or one that says that all can.
    pub(super) fn findings(&self) -> Vec<Finding> {
        const EXPECTED: &str = "every variable can be read";
        let in_vain = self.notices.iter().map(|notice| {
            let name = notice.split(' ').next().unwrap_or_default();
            Finding::warning(CHECK, "every variable has an effect", notice)
                .mend(format!("unset {name}  # or remove it from .env"))
        });
        let mut findings: Vec<Finding> = in_vain.collect();
        if self.problems.is_empty() {
            findings.push(Finding::ok(CHECK, EXPECTED, "they can"));
        }
        let finding = |(problem, mend): &(Problem, String)| {
            let found = format!("{} {}", problem.variable, problem.what);
            Finding::error(CHECK, EXPECTED, found).mend(mend)
        };
        findings.extend(self.problems.iter().map(finding));
        findings
    }
}

fn with_mends(env: &Env, problems: &Problems) -> Vec<(Problem, String)> {
    let with_mend = |problem: &Problem| {
        let value = match problem.variable.as_str() {
            "PVE_HOST" => completed_host(env),
            _ => None,
        };
        let value = value.unwrap_or_else(|| problem.example.clone());
        (problem.clone(), format!("{}={value}", problem.variable))
    };
    problems.as_slice().iter().map(with_mend).collect()
}

/// Completes an address that lacks only its scheme and perhaps the port. One with an `@` may hold a
/// password and is not completed.
fn completed_host(env: &Env) -> Option<String> {
    let host = env.optional_text("PVE_HOST")?;
    let bare = host
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']'));
    if !bare {
        return None;
    }
    let port = host.rsplit_once(':').is_some_and(|(before, port)| {
        port.parse::<u16>().is_ok() && (!before.contains(':') || before.ends_with(']'))
    });
    Some(if port {
        format!("https://{host}")
    } else {
        format!("https://{host}:8006")
    })
}

/// The stand-in of a variable that cannot be read: unset, where it has a default.
fn stand_in<'a>(env: &Env, name: &'a str) -> Vec<(&'a str, Option<String>)> {
    let is = |value: &str| vec![(name, Some(value.to_owned()))];
    match name {
        "PVE_HOST" => vec![(
            name,
            completed_host(env).or_else(|| Some("https://unset.invalid:8006".to_owned())),
        )],
        "PVE_TOKEN_ID" => is("infra402@pve!svc"),
        "PVE_TOKEN_SECRET" | "PVE_CONSOLE_PASSWORD" => is("unset"),
        "PVE_CONSOLE_USER" => is("unset@pve"),
        "ADDRESS" => is("0x000000000000000000000000000000000000dEaD"),
        // The facilitator that needs no other variable, on any network.
        "FACILITATOR" | "GAS_KEY" | "RPC_URL" | "CDP_API_KEY_ID" | "CDP_API_KEY_SECRET" => vec![
            (name, None),
            ("FACILITATOR", Some("https://unset.invalid".to_owned())),
        ],
        _ => vec![(name, None)],
    }
}

/// Warnings about settings that work and should be changed.
pub(super) fn cautions(config: &Config) -> Vec<Finding> {
    const SETUP: &str =
        "proxmox-api doctor --setup  # prints the commands for an account of its own";
    let proxmox = &config.proxmox;
    let mut findings = Vec::new();
    if proxmox.host.to_ascii_lowercase().starts_with("http://") && !config.simulated_proxmox {
        let found = "PVE_HOST begins with http://: the token travels in the clear";
        let host = proxmox.host.get("http://".len()..).unwrap_or_default();
        findings.push(
            Finding::warning("proxmox.tls", "Proxmox is reached by https", found)
                .mend(format!("PVE_HOST=https://{host}")),
        );
    }
    if matches!(proxmox.tls, TlsTrust::Insecure) {
        let found =
            "PVE_VERIFY_SSL=false: any machine that answers at that address is sent the token";
        findings.push(
            Finding::warning("proxmox.tls", "the host's certificate is checked", found).mend(
                "PVE_VERIFY_SSL=true  # the next examination then shows the fingerprint for PVE_FINGERPRINT",
            ),
        );
    }
    if proxmox
        .console
        .as_ref()
        .is_some_and(|account| account.is_root)
    {
        let expected = "consoles use an account that can do nothing else";
        let found = "root@pam, by PVE_ROOT_PASSWORD or PVE_CONSOLE_USER";
        findings.push(Finding::warning("proxmox.console", expected, found).mend(SETUP));
    }
    if proxmox.token_id.starts_with("root@pam!") {
        let expected = "the token belongs to an account that can do nothing else";
        let found = "a token of root@pam";
        findings.push(Finding::warning("proxmox.token", expected, found).mend(SETUP));
    }
    if proxmox.network.subnet.is_none() && proxmox.bridge.is_some() && !config.simulated_proxmox {
        let expected = "tenants are kept apart from the host's network and from each other";
        let found = "PVE_NETWORK is not set: who pays gets root on PVE_BRIDGE, with an address of its DHCP server";
        findings.push(Finding::warning("tenants.network", expected, found).mend(
            "PVE_NETWORK=10.64.0.0/20  # one that is used nowhere here; then doctor --setup prints the fence",
        ));
    }
    findings
}

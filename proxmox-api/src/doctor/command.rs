//! `proxmox-api doctor`: examines the installation, also where some variables cannot be read,
//! prints the findings, and ends with a status that says how bad they are.

use std::{
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use clap::Args;
use service::{clock::Clock, env::Env};

use super::{
    Depth, Finding, Severity, browsers, chain, configuration,
    configuration::PartialConfig,
    credit, fence, guest, hypervisor, payments, port,
    probe::{self, ProbeScope},
    report, setup, store, tenants,
};
use crate::{
    config::{Config, ProxmoxConfig},
    proxmox::Proxmox,
    shares::Shares,
    state,
};

/// The options of `proxmox-api doctor`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub struct DoctorOptions {
    /// Print the commands that make the account on Proxmox and the fence around tenants; examine
    /// nothing.
    #[arg(long)]
    pub setup: bool,
    /// Try the fence around tenants from inside, with containers that are removed afterwards.
    #[arg(long)]
    pub probe: bool,
    /// Write JSON.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command. The status is 0 where all is well, 1 with warnings, 2 with errors.
pub async fn run(env: &Env, clock: Arc<dyn Clock>, options: DoctorOptions) -> ExitCode {
    if options.setup {
        let outline = ProxmoxConfig::outline(env.clone());
        write(&(setup::script(&outline) + &fence::script(&outline)));
        return ExitCode::SUCCESS;
    }
    let findings = match options.probe {
        true => try_fence(env, clock.as_ref()).await,
        false => examine_all(env, clock).await,
    };
    if options.json {
        write(&format!("{:#}\n", report::json(&findings)));
    } else {
        let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        write(&report::text(&findings, colours));
    }
    match report::worst(&findings) {
        Severity::Ok => ExitCode::SUCCESS,
        Severity::Warning => ExitCode::from(1),
        Severity::Error => ExitCode::from(2),
    }
}

/// The reader of the output may have ended, as `head` does.
fn write(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Probes the fence. Ctrl-C ends the probe before its next step; its containers are removed.
async fn try_fence(env: &Env, clock: &dyn Clock) -> Vec<Finding> {
    let reading = PartialConfig::read(env);
    let findings = reading.findings();
    let is_bad = |finding: &Finding| finding.severity == Severity::Error;
    let Some(config) = reading
        .config
        .as_ref()
        .filter(|_| !findings.iter().any(is_bad))
    else {
        return findings;
    };
    let proxmox = match Proxmox::new(config.proxmox.clone(), None, &Shares::default()) {
        Ok(proxmox) => proxmox,
        Err(error) => {
            let expected = "the settings for Proxmox can be used";
            return vec![
                Finding::error("proxmox.settings", expected, error.to_string())
                    .mend("proxmox-api doctor"),
            ];
        }
    };
    let stopped = Arc::new(AtomicBool::new(false));
    let listener = tokio::spawn({
        let stopped = Arc::clone(&stopped);
        async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                stopped.store(true, Ordering::Relaxed);
                eprintln!("it stops after this step, and removes its containers");
            }
        }
    });
    let findings = probe::run(config, &proxmox, clock, ProbeScope::AllPaths, &stopped).await;
    listener.abort();
    findings
}

/// All findings that these variables allow. Checks that need an unreadable variable are left out,
/// because the finding about the variable says enough.
pub async fn examine_all(env: &Env, clock: Arc<dyn Clock>) -> Vec<Finding> {
    let reading = PartialConfig::read(env);
    let mut findings = reading.findings();
    let Some(config) = &reading.config else {
        return findings;
    };
    findings.extend(configuration::cautions(config));
    if reading.knows(&["PUBLIC_BASE_URL", "ALLOWED_ORIGINS", "BIND", "PORT"]) {
        findings.extend(browsers::examine(config));
        findings.push(port::examine(config.listen).await);
    }
    if reading.knows(&["DATABASE", "DATABASE_FILE"]) {
        findings.push(store::examine(&config.database).await);
        findings.extend(credit::examine(config).await);
    }
    let network = [
        "PVE_NETWORK",
        "PVE_GATEWAY",
        "PVE_NAMESERVERS",
        "GUEST_SSH_SOURCE",
    ];
    if reading.knows(&["DATABASE", "DATABASE_FILE"]) && reading.knows(&network) {
        findings.extend(tenants::addresses(config).await);
    }
    let proxy = async {
        match reading.knows(&["GUEST_SSH", "GUEST_PROXY"]) {
            true => guest::proxy(config).await,
            false => None,
        }
    };
    let (proxy, hypervisor, money) = tokio::join!(
        proxy,
        look_at_proxmox(&reading, config, clock.as_ref()),
        look_at_payments(&reading, config, Arc::clone(&clock)),
    );
    findings.extend(proxy);
    findings.extend(hypervisor);
    findings.extend(money);
    findings
}

async fn look_at_proxmox(
    reading: &PartialConfig,
    config: &Config,
    clock: &dyn Clock,
) -> Vec<Finding> {
    const HOST: &[&str] = &["PVE_HOST", "PVE_FINGERPRINT"];
    const TOKEN: &[&str] = &["PVE_TOKEN_ID", "PVE_TOKEN_SECRET", "PVE_TOKEN_SECRET_FILE"];
    const CONSOLE: &[&str] = &[
        "PVE_CONSOLE_USER",
        "PVE_CONSOLE_PASSWORD",
        "PVE_CONSOLE_PASSWORD_FILE",
    ];
    const STORE: &[&str] = &["DATABASE", "DATABASE_FILE"];
    const GUEST: &[&str] = &["GUEST_SSH", "GUEST_PROXY", "INSTALLATION_KEY"];
    if !reading.knows(HOST) {
        return Vec::new();
    }
    let proven = reading.knows(STORE) && tenants::proven(config).await;
    let mut host = config.proxmox.clone();
    if !reading.knows(CONSOLE) {
        host.console = None;
    }
    match Proxmox::new(host, None, &Shares::default()) {
        Ok(proxmox) if reading.knows(TOKEN) => {
            let mut findings = hypervisor::examine(&proxmox, clock, Depth::Full, proven).await;
            if reading.knows(STORE) && reading.knows(GUEST) {
                findings.push(guest::examine(config, &proxmox, clock).await);
            }
            findings
        }
        Ok(proxmox) => hypervisor::reach(&proxmox, clock).await.0,
        Err(error) => {
            let expected = "the settings for Proxmox can be used";
            vec![Finding::error(
                "proxmox.settings",
                expected,
                error.to_string(),
            )]
        }
    }
}

async fn look_at_payments(
    reading: &PartialConfig,
    config: &Config,
    clock: Arc<dyn Clock>,
) -> Vec<Finding> {
    const PAYMENTS: &[&str] = &[
        "ADDRESS",
        "NETWORK",
        "FACILITATOR",
        "RPC_URL",
        "CONFIRMATIONS",
        "GAS_COIN_USD",
        "GAS_KEY",
        "GAS_KEY_FILE",
        "CDP_API_KEY_ID",
        "CDP_API_KEY_SECRET",
        "CDP_API_KEY_SECRET_FILE",
    ];
    if !reading.knows(PAYMENTS) {
        return Vec::new();
    }
    let now = clock.unix_time();
    let mut findings = match state::facilitator_to_ask(&config.payments, clock) {
        Ok(facilitator) => payments::examine(config, facilitator.as_ref()).await,
        Err(error) => {
            let expected = "the settings for the facilitator can be used";
            let found = format!("{error:#}");
            vec![Finding::error("payments.facilitator", expected, found)]
        }
    };
    findings.extend(chain::examine(&config.payments).await);
    if reading.knows(&["DATABASE", "DATABASE_FILE"]) {
        findings.extend(chain::unknown_transfers(config, now).await);
    }
    findings
}

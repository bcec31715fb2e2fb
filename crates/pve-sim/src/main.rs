//! `pve-sim`: the simulator as a process of its own. Flags come first, then variables, then defaults; a connection file tells a
//! client how to reach it. Ends on SIGINT and SIGTERM, keeping its state if it was given a file for it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use pve_sim::{ShellMode, Sim, SimConfig};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

const USAGE: &str = "\
pve-sim: a simulated Proxmox VE

  --listen ADDRESS          where to listen (PVE_SIM_LISTEN, default 127.0.0.1:8006)
  --time-scale FACTOR       factor on realistic durations (PVE_SIM_TIME_SCALE, default 1.0)
  --token-secret SECRET     secret of the API token infra402@pve!svc (PVE_SIM_TOKEN_SECRET, default random)
  --state-file PATH         keep containers and credentials here (PVE_SIM_STATE_FILE, default: forget)
  --connection-file PATH    write address and credentials here as JSON (PVE_SIM_CONNECTION_FILE)
  --nodes NAMES             comma separated node names (PVE_SIM_NODES, default pve)
  --shell KIND              what answers in terminals: confined or toy (PVE_SIM_SHELL, default confined)
  --plain-http              serve HTTP instead of HTTPS
  --help                    this text";

/// What the command line says.
struct Options {
    config: SimConfig,
    connection_file: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do if even this cannot be said.
            let _ = writeln!(std::io::stderr(), "pve-sim: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help") {
        writeln!(std::io::stdout(), "{USAGE}")?;
        return Ok(());
    }
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).init();

    let options = parse(&arguments)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let sim = Sim::start(options.config).await?;
    if let Some(path) = &options.connection_file {
        write_connection(&sim, path)?;
    }
    let shell = sim.describe_shell().await;
    tracing::info!(
        url = sim.url(),
        shell,
        token = sim.token_id(),
        "simulated Proxmox VE is up"
    );
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt?,
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping");
    sim.stop().await;
    Ok(())
}

fn parse(arguments: &[String]) -> anyhow::Result<Options> {
    let mut config = SimConfig {
        listen: ([127, 0, 0, 1], 8006).into(),
        ..SimConfig::default()
    };
    let mut given: Vec<(String, String)> = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--plain-http" {
            config.tls = false;
            continue;
        }
        let Some(name) = argument.strip_prefix("--") else {
            bail!("'{argument}' is no option\n\n{USAGE}");
        };
        let (name, value) = match name.split_once('=') {
            Some((name, value)) => (name, value.to_owned()),
            None => {
                let value = rest
                    .next()
                    .with_context(|| format!("--{name} needs a value"))?;
                (name, value.clone())
            }
        };
        if !USAGE.contains(&format!("--{name} ")) {
            bail!("--{name} is no option\n\n{USAGE}");
        }
        given.push((name.to_owned(), value));
    }
    let setting = |name: &str| {
        let flag = given.iter().rev().find(|(flag, _)| flag == name);
        let variable = format!("PVE_SIM_{}", name.replace('-', "_").to_uppercase());
        flag.map(|(_, value)| value.clone())
            .or_else(|| std::env::var(variable).ok())
            .filter(|value| !value.is_empty())
    };
    if let Some(listen) = setting("listen") {
        config.listen = listen
            .parse()
            .with_context(|| format!("--listen {listen} is no address such as 127.0.0.1:8006"))?;
    }
    if let Some(scale) = setting("time-scale") {
        config.time_scale = scale
            .parse()
            .ok()
            .filter(|scale: &f64| scale.is_finite() && *scale >= 0.0)
            .with_context(|| format!("--time-scale {scale} is no factor such as 0.1"))?;
    }
    if let Some(nodes) = setting("nodes") {
        config.nodes = nodes
            .split(',')
            .map(|node| node.trim().to_owned())
            .collect();
    }
    config.token_secret = setting("token-secret");
    config.state_file = setting("state-file").map(PathBuf::from);
    config.rootfs_dir = config
        .state_file
        .as_ref()
        .map(|file| file.with_extension("rootfs"));
    if let Some(shell) = setting("shell") {
        config.shell = match shell.as_str() {
            "confined" => ShellMode::Confined,
            "toy" => ShellMode::Toy,
            _ => bail!("--shell {shell} is neither confined nor toy"),
        };
    }
    Ok(Options {
        config,
        connection_file: setting("connection-file").map(PathBuf::from),
    })
}

/// Writes the file at once or not at all, readable by its owner only.
fn write_connection(sim: &Sim, path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let text = json!({
        "url": sim.url(),
        "tokenId": sim.token_id(),
        "tokenSecret": sim.token_secret(),
        "fingerprint": sim.fingerprint(),
        "caPem": sim.ca_pem(),
        "consoleUser": sim.console_user(),
        "consolePassword": sim.console_password(),
        "rootPassword": sim.root_password(),
        "node": sim.node(),
    });
    let draft = path.with_extension("new");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .with_context(|| format!("write {}", draft.display()))?;
    file.write_all(serde_json::to_string_pretty(&text)?.as_bytes())?;
    std::fs::rename(&draft, path).with_context(|| format!("write {}", path.display()))
}

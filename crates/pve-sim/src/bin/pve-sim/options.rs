//! The command line: flags come first, then variables, then defaults.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use pve_sim::{ShellMode, SimConfig};

/// The text of `--help`. A flag that takes a value is known because it stands here.
pub(super) const USAGE: &str = "\
pve-sim: a simulated Proxmox VE

  --listen ADDRESS          where to listen (PVE_SIM_LISTEN, default 127.0.0.1:8006)
  --time-scale FACTOR       factor on realistic durations (PVE_SIM_TIME_SCALE, default 1.0)
  --token-secret SECRET     secret of the API token infra402@pve!svc (PVE_SIM_TOKEN_SECRET, default random)
  --state-file PATH         keep containers and credentials here (PVE_SIM_STATE_FILE, default: forget)
  --connection-file PATH    write address and credentials here as JSON (PVE_SIM_CONNECTION_FILE)
  --credentials-dir FOLDER  write the token's secret and the CA into files of this folder, token-secret and
                            ca.pem, for whoever reads secrets from files (PVE_SIM_CREDENTIALS_DIR)
  --nodes NAMES             comma separated node names (PVE_SIM_NODES, default pve)
  --shell KIND              what answers in terminals: confined or toy (PVE_SIM_SHELL, default confined)
  --plain-http              serve HTTP instead of HTTPS
  --health                  status 0 if the running simulator takes the credentials in --credentials-dir
  --help                    this text";

/// What the command line says.
pub(super) struct Options {
    /// What is simulated.
    pub(super) config: SimConfig,
    /// Where a program finds everything about the simulator.
    pub(super) connection_file: Option<PathBuf>,
    /// Where a service finds its credentials, one to a file.
    pub(super) credentials_dir: Option<PathBuf>,
    /// Ask a running simulator instead of being one.
    pub(super) health: bool,
}

/// Reads the arguments after the program's name.
///
/// # Errors
/// An argument or a value that is not known.
pub(super) fn parse(arguments: &[String]) -> anyhow::Result<Options> {
    let mut config = SimConfig {
        listen: ([127, 0, 0, 1], 8006).into(),
        ..SimConfig::default()
    };
    let mut health = false;
    let mut given: Vec<(String, String)> = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--plain-http" => config.tls = false,
            "--health" => health = true,
            _ => given.push(flag(argument, &mut rest)?),
        }
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
        credentials_dir: setting("credentials-dir").map(PathBuf::from),
        health,
    })
}

/// Reads `--name value` or `--name=value`.
fn flag<'a>(
    argument: &str,
    rest: &mut impl Iterator<Item = &'a String>,
) -> anyhow::Result<(String, String)> {
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
    Ok((name.to_owned(), value))
}

//! The command line: a flag counts first, then its variable, then the default.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;
use pve_sim::{ShellMode, SimConfig};

/// A simulated Proxmox VE
#[derive(Parser)]
#[command(name = "pve-sim", args_override_self = true)]
struct Arguments {
    /// Where to listen [default: 127.0.0.1:8006]
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "PVE_SIM_LISTEN",
        hide_env_values = true
    )]
    listen: Option<String>,
    /// Factor on realistic durations [default: 1.0]
    #[arg(
        long,
        value_name = "FACTOR",
        env = "PVE_SIM_TIME_SCALE",
        hide_env_values = true
    )]
    time_scale: Option<String>,
    /// Secret of the API token infra402@pve!svc [default: random]
    #[arg(
        long,
        value_name = "SECRET",
        env = "PVE_SIM_TOKEN_SECRET",
        allow_hyphen_values = true,
        hide_env_values = true
    )]
    token_secret: Option<String>,
    /// Keep containers and credentials here [default: forget them]
    #[arg(
        long,
        value_name = "PATH",
        env = "PVE_SIM_STATE_FILE",
        hide_env_values = true
    )]
    state_file: Option<String>,
    /// Write address and credentials here as JSON
    #[arg(
        long,
        value_name = "PATH",
        env = "PVE_SIM_CONNECTION_FILE",
        hide_env_values = true
    )]
    connection_file: Option<String>,
    /// Write the token's secret and the CA to token-secret and ca.pem in this folder, for programs
    /// that read secrets from files
    #[arg(
        long,
        value_name = "FOLDER",
        env = "PVE_SIM_CREDENTIALS_DIR",
        hide_env_values = true
    )]
    credentials_dir: Option<String>,
    /// Comma separated node names [default: pve]
    #[arg(
        long,
        value_name = "NAMES",
        env = "PVE_SIM_NODES",
        hide_env_values = true
    )]
    nodes: Option<String>,
    /// What answers in terminals: confined or toy [default: confined]
    #[arg(
        long,
        value_name = "KIND",
        env = "PVE_SIM_SHELL",
        hide_env_values = true
    )]
    shell: Option<String>,
    /// Where the SOCKS 5 proxy to the containers listens [default: a free port of 127.0.0.1]
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "PVE_SIM_GUEST_PROXY",
        hide_env_values = true
    )]
    guest_proxy: Option<String>,
    /// Serve HTTP instead of HTTPS
    #[arg(long)]
    plain_http: bool,
    /// End with status 0 if the running simulator accepts the credentials in --credentials-dir
    #[arg(long)]
    health: bool,
}

/// The settings that the command line and the environment give.
pub(super) struct Options {
    /// The simulated cluster.
    pub(super) config: SimConfig,
    /// The file that gets the simulator's address and credentials.
    pub(super) connection_file: Option<PathBuf>,
    /// The folder that gets a service's credentials, one file each.
    pub(super) credentials_dir: Option<PathBuf>,
    /// Check a running simulator instead of starting one.
    pub(super) health: bool,
}

/// Reads the process's command line and environment. `--help` and arguments that are not known end
/// the process.
///
/// # Errors
/// A value cannot be used.
pub(super) fn parse() -> anyhow::Result<Options> {
    read(Arguments::parse())
}

fn read(arguments: Arguments) -> anyhow::Result<Options> {
    let mut config = SimConfig {
        listen: ([127, 0, 0, 1], 8006).into(),
        tls: !arguments.plain_http,
        ..SimConfig::default()
    };
    if let Some(listen) = given(arguments.listen) {
        config.listen = listen
            .parse()
            .with_context(|| format!("--listen {listen} is no address such as 127.0.0.1:8006"))?;
    }
    if let Some(proxy) = given(arguments.guest_proxy) {
        config.guest_proxy = proxy.parse().with_context(|| {
            format!("--guest-proxy {proxy} is no address such as 127.0.0.1:1080")
        })?;
    }
    if let Some(scale) = given(arguments.time_scale) {
        config.time_scale = scale
            .parse()
            .ok()
            .filter(|scale: &f64| scale.is_finite() && *scale >= 0.0)
            .with_context(|| format!("--time-scale {scale} is no factor such as 0.1"))?;
    }
    if let Some(nodes) = given(arguments.nodes) {
        config.nodes = nodes
            .split(',')
            .map(|node| node.trim().to_owned())
            .collect();
    }
    config.token_secret = given(arguments.token_secret);
    config.state_file = given(arguments.state_file).map(PathBuf::from);
    config.rootfs_dir = config
        .state_file
        .as_ref()
        .map(|file| file.with_extension("rootfs"));
    if let Some(shell) = given(arguments.shell) {
        config.shell = match shell.as_str() {
            "confined" => ShellMode::Confined,
            "toy" => ShellMode::Toy,
            _ => anyhow::bail!("--shell {shell} is neither confined nor toy"),
        };
    }
    Ok(Options {
        config,
        connection_file: given(arguments.connection_file).map(PathBuf::from),
        credentials_dir: given(arguments.credentials_dir).map(PathBuf::from),
        health: arguments.health,
    })
}

/// A value that is not empty; container platforms set variables that are not used to nothing.
fn given(value: Option<String>) -> Option<String> {
    value.filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str]) -> anyhow::Result<Options> {
        let arguments = ["pve-sim"].iter().chain(arguments);
        read(Arguments::try_parse_from(arguments)?)
    }

    #[test]
    fn options_are_read_with_and_without_an_equals_sign() {
        let read = options(&[
            "--listen=127.0.0.1:1",
            "--nodes",
            "a, b",
            "--state-file",
            "/x/state.json",
            "--shell",
            "toy",
            "--plain-http",
            "--guest-proxy=127.0.0.1:2",
            "--connection-file=",
            "--nodes=c,d",
        ]);
        let read = read.unwrap();
        assert_eq!(read.config.listen.port(), 1);
        assert_eq!(read.config.guest_proxy.port(), 2);
        assert_eq!(read.config.nodes, ["c", "d"], "the last one counts");
        assert_eq!(read.config.rootfs_dir, Some("/x/state.rootfs".into()));
        assert_eq!(read.config.shell, ShellMode::Toy);
        assert_eq!(read.connection_file, None, "an empty value is none");
        assert!(!read.config.tls && !read.health);
    }

    #[test]
    fn arguments_that_are_not_known_are_refused() {
        for bad in [
            &["--lisen", "127.0.0.1:1"][..],
            &["--listen"],
            &["--guest-proxy", "1080"],
            &["--listen", "nowhere"],
            &["--time-scale", "-1"],
            &["--shell", "bash"],
            &["extra"],
        ] {
            assert!(options(bad).is_err(), "{bad:?}");
        }
    }
}

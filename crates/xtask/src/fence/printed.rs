//! Reads the nft table from the output of `proxmox-api doctor --setup`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::lab::network::{BRIDGE, GATEWAY, PROXY, SUBNET};
use crate::workspace::{self, Profile};

/// The line before the table, and the one behind it.
const START: &str = "cat > /etc/infra402/fence-";
const END: &str = "NFT";

/// Builds the lease API and reads the table from its output.
pub fn table() -> Result<String> {
    workspace::build(Profile::Dev, &["proxmox-api"])?;
    let mut command = Command::new(workspace::binary(Profile::Dev, "proxmox-api"));
    // The environment is cleared, so that neither the shell nor a file .env changes the table.
    command.env_clear().current_dir(Path::new("/"));
    command.args(["doctor", "--setup"]).envs([
        ("PVE_BRIDGE", BRIDGE),
        ("PVE_NETWORK", SUBNET),
        ("PVE_GATEWAY", GATEWAY),
        ("GUEST_SSH_SOURCE", PROXY),
    ]);
    let output = command.output().context("cannot run proxmox-api")?;
    if !output.status.success() {
        bail!("`proxmox-api doctor --setup` failed ({})", output.status);
    }
    cut(&String::from_utf8_lossy(&output.stdout))
}

fn cut(script: &str) -> Result<String> {
    let lines = script
        .lines()
        .skip_while(|line| !line.starts_with(START))
        .skip(1);
    let table: String = lines
        .take_while(|line| *line != END)
        .map(|line| format!("{line}\n"))
        .collect();
    if !table.starts_with("table inet ") {
        bail!("`proxmox-api doctor --setup` prints no table");
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_what_stands_between_the_marks() {
        let script = "a\ncat > /etc/infra402/fence-x.nft <<'NFT'\ntable inet t\n  b\nNFT\nc\n";
        assert_eq!(cut(script).unwrap(), "table inet t\n  b\n");
        assert!(cut("a\nNFT\n").is_err());
    }
}

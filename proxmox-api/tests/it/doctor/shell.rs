//! Runs the printed commands for the host in a real shell, with stand-ins for Proxmox's own
//! programs on its path. Their arguments are then applied to the simulator.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use pve_sim::Sim;

/// `pveam available` as it prints the index: before manager 9.2, and with the architecture since
/// then.
pub const INDEX: &str = "\
system          alpine-3.22-default_20250617_amd64.tar.xz
system          debian-12-standard_12.7-1_amd64.tar.zst
system          debian-12-standard_12.12-1_amd64.tar.zst
system          debian-9-standard_9.7-1_amd64.tar.gz
system          debian-13-standard_13.1-2_amd64.tar.zst
system          debian-13-standard_13.3-1_arm64.tar.zst
system          ubuntu-24.04-standard_24.04-2_amd64.tar.zst
";

/// A host's shell.
pub struct Host {
    /// What `pveam available --section system` prints.
    pub index: String,
    /// VNets with their zones.
    pub vnets: Vec<(String, String)>,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            index: INDEX.to_owned(),
            vnets: Vec::new(),
        }
    }
}

impl Host {
    /// Runs a script; returns each command of Proxmox as its words.
    pub fn run(&self, script: &str) -> Vec<Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("index"), &self.index).unwrap();
        for (vnet, zone) in &self.vnets {
            let json =
                format!(r#"{{"digest":"9b","type":"vnet","vnet":"{vnet}","zone":"{zone}"}}"#);
            fs::write(path(&format!("vnet-{vnet}")), json).unwrap();
        }
        // The stand-in writes a unit separator after each word and a record separator after the
        // last.
        let log = r#"for word in "${0##*/}" "$@"; do printf '%s\037' "$word"; done >>"$HOST/log"; printf '\036' >>"$HOST/log""#;
        program(&path("pveum"), log);
        program(&path("pvesm"), log);
        program(
            &path("pveam"),
            &format!(
                "case \"$*\" in 'available --section system') cat \"$HOST/index\";; *) {log};; esac"
            ),
        );
        let get = r#"[ "$1 $3 $4" = "get --output-format json" ] || exit 9
case "$2" in /cluster/sdn/vnets/*) cat "$HOST/vnet-${2##*/}" 2>/dev/null && exit;; esac
echo 'sdn vnet does not exist' >&2; exit 2"#;
        program(&path("pvesh"), get);
        program(
            &path("dpkg"),
            "[ \"$*\" = --print-architecture ] && echo amd64",
        );
        let run = Command::new("sh")
            .arg("-c")
            .arg(script)
            .env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()))
            .env("HOST", folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success() && said.is_empty(), "{script}: {said}");
        let log = fs::read_to_string(path("log")).unwrap_or_default();
        let records = log.split_terminator('\u{1e}');
        records
            .map(|record| {
                let words = record.split_terminator('\u{1f}');
                words.map(str::to_owned).collect()
            })
            .collect()
    }

    /// Runs a script and applies its commands to the simulator.
    pub fn perform(&self, sim: &Sim, script: &str) {
        for command in self.run(script) {
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            match words[..] {
                [
                    "pveum",
                    "acl",
                    "modify",
                    path,
                    "-user" | "-token",
                    who,
                    "-role",
                    role,
                ]
                | [
                    "pveum",
                    "acl",
                    "modify",
                    path,
                    "-user",
                    who,
                    "-role",
                    role,
                    "-propagate",
                    "0",
                ] => {
                    sim.grant(path, who, role);
                }
                [
                    "pveum",
                    "acl",
                    "delete",
                    path,
                    "-user" | "-token",
                    who,
                    "-role",
                    role,
                ] => {
                    sim.revoke_role(path, who, role);
                }
                [
                    "pveum",
                    "role",
                    "add" | "modify",
                    role,
                    "-privs",
                    privileges,
                ] => {
                    let privileges: Vec<&str> = privileges.split(' ').collect();
                    sim.set_role(role, &privileges);
                }
                ["pveum", "pool", "add", pool] => {
                    let made = sim.add_pool(pool);
                    let there = |text: &String| text.contains("already exists");
                    assert!(made.is_ok() || made.as_ref().is_err_and(there), "{made:?}");
                }
                ["pveam", "download", storage, file] => {
                    sim.add_template(&format!("{storage}:vztmpl/{file}"), &[]);
                }
                ["pveum", "user", ..] | ["pveam", "update"] => {}
                ref other => panic!("no such command: {other:?}"),
            }
        }
    }
}

fn program(path: &Path, script: &str) {
    fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

//! The commands for the fence, run in a real shell with stand-ins for the host's programs. They
//! make everything once, print nothing where nothing changes, and stop before they would lock the
//! operator out of the host.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use proxmox_api::{config::ProxmoxConfig, doctor::fence};
use tempfile::TempDir;

/// A host whose programs record their arguments in a folder.
struct Host {
    folder: TempDir,
}

/// `pvesh`: an object exists once it was made; the list of groups names each of them.
const PVESH: &str = r#"
name() { printf '%s' "$1" | tr / _; }
case "$1 $2" in
    "get /cluster/firewall/groups") cat "$HOST/groups" 2> /dev/null; exit 0 ;;
    "get "*) [ -e "$HOST/made/$(name "$2")" ] && cat "$HOST/made/$(name "$2")"; exit ;;
esac
echo "$*" >> "$HOST/log"
case "$*" in
    "create /cluster/sdn/zones "*) echo > "$HOST/made/_cluster_sdn_zones_$6" ;;
    "create /cluster/sdn/vnets "*)
        echo "{\"vnet\":\"$4\",\"zone\":\"$6\"}" > "$HOST/made/_cluster_sdn_vnets_$4" ;;
    "create "*"/subnets "*) echo > "$HOST/made/$(name "$2")_i402-10.64.0.0-20" ;;
    "create /cluster/firewall/groups "*) echo "[{\"group\":\"$4\"}]" > "$HOST/groups" ;;
esac
"#;

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = Self { folder };
        for part in [
            "bin",
            "made",
            "etc/systemd/system",
            "etc/default",
            "etc/network",
            "usr/share",
        ] {
            fs::create_dir_all(host.path(part)).unwrap();
        }
        fs::write(
            host.path("etc/network/interfaces"),
            "auto lo\niface lo inet loopback\n",
        )
        .unwrap();
        host.program("pvesh", PVESH);
        for name in ["pveum", "systemctl", "ifreload", "nft"] {
            host.program(name, r#"echo "${0##*/} $*" >> "$HOST/log""#);
        }
        host.addresses("");
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The output of `ip` for the bridge, and a default route through another interface.
    fn addresses(&self, shown: &str) {
        let ip = format!(
            "case \"$*\" in *route*) echo 'default via 192.168.7.1 dev vmbr0 proto static' ;; *) printf '{shown}' ;; esac"
        );
        self.program("ip", &ip);
    }

    /// Runs a script below the folder; returns what was done and what was printed.
    fn run(&self, script: &str) -> (Vec<String>, String) {
        let folder = self.folder.path();
        let below = |text: String, place: &str| {
            text.replace(
                &format!(" {place}"),
                &format!(" {}{place}", folder.display()),
            )
        };
        let script = below(below(script.to_owned(), "/etc/"), "/usr/share/");
        fs::write(self.path("log"), "").unwrap();
        let run = Command::new("sh")
            .args(["-c", &script])
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", self.path("bin").display()),
            )
            .env("HOST", folder)
            .output()
            .unwrap();
        assert!(run.status.success(), "{run:?}");
        let log = fs::read_to_string(self.path("log")).unwrap();
        let said = String::from_utf8(run.stderr).unwrap();
        (log.lines().map(str::to_owned).collect(), said)
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

fn script(bridge: &str) -> String {
    let env = service::env::Env::from_map([
        ("PVE_BRIDGE", bridge),
        ("PVE_NETWORK", "10.64.0.0/20"),
        ("GUEST_SSH_SOURCE", "192.168.7.20"),
    ]);
    fence::script(&ProxmoxConfig::outline(env))
}

fn made(log: &[String]) -> Vec<&String> {
    let makes = |line: &&String| line.starts_with("create ");
    log.iter().filter(makes).collect()
}

fn is_loaded(log: &[String]) -> bool {
    log.iter()
        .any(|line| line.starts_with("systemctl restart infra402-fence@"))
}

#[test]
fn everything_is_made_once_and_a_second_run_changes_nothing() {
    let (host, script) = (Host::new(), script("i402net"));
    let (first, said) = host.run(&script);
    assert_eq!(said, "");
    let of_network = made(&first)
        .into_iter()
        .take(3)
        .cloned()
        .collect::<Vec<_>>();
    assert_eq!(
        of_network,
        [
            "create /cluster/sdn/zones --type simple --zone i402 --ipam pve",
            "create /cluster/sdn/vnets --vnet i402net --zone i402 --isolate-ports 1",
            "create /cluster/sdn/vnets/i402net/subnets --type subnet --subnet 10.64.0.0/20 \
             --gateway 10.64.0.1 --snat 1",
        ]
    );
    // The right is granted on the zone that was just made.
    let right = "pveum acl modify /sdn/zones/i402/i402net -user infra402@pve -role PVESDNUser";
    assert!(first.iter().any(|line| line == right), "{first:#?}");
    assert!(is_loaded(&first), "{first:#?}");
    let files = [
        "etc/infra402/fence-i402net.nft",
        "etc/systemd/system/infra402-fence@.service",
        "etc/default/pvedaemon",
        "etc/default/pveproxy",
        "usr/share/lxc/config/common.conf.d/90-infra402.conf",
        "etc/network/interfaces",
    ];
    let before = files.map(|file| host.read(file));

    let (second, said) = host.run(&script);
    assert_eq!(made(&second), Vec::<&String>::new());
    assert!(
        said.starts_with("The group infra402 is there already"),
        "{said}"
    );
    assert_eq!(files.map(|file| host.read(file)), before);
    assert!(is_loaded(&second), "the table is loaded again as a whole");
}

#[test]
fn a_plain_bridge_is_written_once() {
    let (host, script) = (Host::new(), script("vmbr7"));
    host.run(&script);
    let (log, _) = host.run(&script);
    let interfaces = host.read("etc/network/interfaces");
    assert_eq!(
        interfaces.matches("iface vmbr7 inet static").count(),
        1,
        "{interfaces}"
    );
    assert_eq!(
        interfaces.matches("MASQUERADE").count(),
        2,
        "up and down: {interfaces}"
    );
    assert!(log.iter().any(|line| line == "ifreload -a"), "{log:#?}");
    let sdn = |line: &&String| line.starts_with("create /cluster/sdn");
    assert!(!log.iter().any(|line| sdn(&line)), "{log:#?}");
}

#[test]
fn the_table_is_not_loaded_on_a_bridge_that_is_the_hosts_own() {
    let (host, script) = (Host::new(), script("vmbr7"));
    host.addresses("3: vmbr7 inet 10.64.0.1/20 scope global vmbr7\\n");
    assert!(
        is_loaded(&host.run(&script).0),
        "the gateway's address is no other one"
    );
    host.addresses("3: vmbr7 inet 192.168.7.2/24 scope global vmbr7\\n");
    let (log, said) = host.run(&script);
    assert!(!is_loaded(&log), "{log:#?}");
    assert!(
        said.contains("vmbr7 carries other addresses of this host"),
        "{said}"
    );
    host.program(
        "ip",
        "case \"$*\" in *route*) echo 'default via 10.0.0.1 dev vmbr7 proto static' ;; esac",
    );
    assert!(!is_loaded(&host.run(&script).0));
}

#[test]
fn rules_are_looked_at_in_the_order_that_lets_nothing_slip_through() {
    let (host, script) = (Host::new(), script("i402net"));
    let (log, _) = host.run(&script);
    let group = "create /cluster/firewall/groups/infra402 --enable 1 ";
    // Each rule is inserted at the top.
    let rules: Vec<&str> = log
        .iter()
        .rev()
        .filter_map(|line| line.strip_prefix(group))
        .collect();
    let starts = [
        "--type out --action DROP --proto udp --sport 67",
        "--type out --action DROP --dest 0.0.0.0/8,10.0.0.0/8,",
        "--type out --action DROP --proto tcp --dport 25,465,587",
        "--type out --action DROP --dest 2000::/3,fc00::/7",
        "--type in --action ACCEPT --proto tcp --dport 22 --source 192.168.7.20/32",
    ];
    assert_eq!(rules.len(), starts.len(), "{rules:#?}");
    for (rule, start) in rules.iter().zip(starts) {
        assert!(rule.starts_with(start), "{rule}");
    }
}

#[test]
fn the_unit_loads_the_table_before_any_guest_starts() {
    let host = Host::new();
    host.run(&script("i402net"));
    let unit = host.read("etc/systemd/system/infra402-fence@.service");
    let sections: Vec<&str> = unit.lines().filter(|line| line.starts_with('[')).collect();
    assert_eq!(sections, ["[Unit]", "[Service]", "[Install]"]);
    assert!(
        unit.contains("Before=network-pre.target pve-guests.service"),
        "{unit}"
    );
}

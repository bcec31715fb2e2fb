use service::env::Env;

use super::*;
use crate::config::Config;

const ADDRESS: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

fn config(changed: &[(&str, &str)]) -> ProxmoxConfig {
    let fixed = [
        ("ADDRESS", ADDRESS),
        ("PVE_HOST", "https://192.168.7.2:8006"),
        ("PVE_TOKEN_ID", "infra402@pve!svc"),
        ("PVE_TOKEN_SECRET", "00000000-0000-0000-0000-000000000000"),
    ];
    Config::from_env(Env::from_map(fixed.iter().chain(changed).copied()))
        .unwrap()
        .proxmox
}

fn printed(changed: &[(&str, &str)]) -> String {
    let network = [("PVE_NETWORK", "10.64.0.0/20")];
    script(&config(&[&network, changed].concat()))
}

/// The lines that a shell runs.
fn commands(script: &str) -> Vec<&str> {
    let lines = script.lines().map(str::trim_start);
    lines
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .collect()
}

fn has(script: &str, line: &str) -> bool {
    commands(script).iter().any(|found| found.starts_with(line))
}

#[test]
fn without_a_network_nothing_is_run_and_the_way_to_begin_is_shown() {
    let script = script(&config(&[]));
    assert_eq!(commands(&script), Vec::<&str>::new(), "{script}");
    assert!(script.contains("#PVE_NETWORK=10.64.0.0/20\n"), "{script}");
}

#[test]
fn the_hosts_own_bridge_is_never_fenced() {
    for bridge in [
        &[][..],
        &[("PVE_BRIDGE", "vmbr0")],
        &[("PVE_BRIDGE", "none")],
    ] {
        let script = printed(bridge);
        assert!(!script.contains("vmbr0"), "{script}");
        assert!(script.contains("# PVE_BRIDGE=i402net\n"), "{script}");
        assert!(
            script.contains("iifname \"i402net\" goto from_tenants"),
            "{script}"
        );
    }
}

#[test]
fn a_vnet_is_run_and_a_plain_bridge_is_shown_or_the_other_way_round() {
    let vnet = printed(&[("PVE_BRIDGE", "rent")]);
    assert!(has(
        &vnet,
        "pvesh create /cluster/sdn/vnets --vnet rent --zone i402 --isolate-ports 1"
    ));
    assert!(has(&vnet, "pveum acl modify \"/sdn/zones/$("), "{vnet}");
    assert!(
        !commands(&vnet)
            .iter()
            .any(|line| line.contains("MASQUERADE")),
        "{vnet}"
    );
    assert!(vnet.contains("#iface vmbr402 inet static\n"), "{vnet}");

    let plain = printed(&[("PVE_BRIDGE", "vmbr7")]);
    assert!(has(&plain, "iface vmbr7 inet static"), "{plain}");
    assert!(
        has(
            &plain,
            "post-up iptables -t nat -A POSTROUTING -s 10.64.0.0/20 ! -o vmbr7 -j MASQUERADE"
        ),
        "{plain}"
    );
    assert!(
        has(
            &plain,
            "post-up iptables -t raw -I PREROUTING -i fwbr+ -j CT --zone 1"
        ),
        "{plain}"
    );
    assert!(
        !commands(&plain)
            .iter()
            .any(|line| line.starts_with("pvesh create /cluster/sdn")),
        "{plain}"
    );
    assert!(plain.contains("lacks port isolation"), "{plain}");
    assert!(plain.contains("--vnet i402net"), "{plain}");

    let tagged = printed(&[("PVE_BRIDGE", "rent"), ("PVE_VLAN", "40")]);
    assert!(has(&tagged, "iface rent.40 inet static"), "{tagged}");
    assert!(
        tagged.contains("iifname \"rent.40\" goto to_host"),
        "{tagged}"
    );
}

#[test]
fn what_is_private_stays_closed_except_a_name_server_that_is_meant() {
    let script = printed(&[]);
    assert!(!script.contains("th dport 53"), "{script}");
    let script = printed(&[("PVE_NAMESERVERS", "192.168.7.53,9.9.9.9")]);
    let hole = "ip daddr 192.168.7.53 meta l4proto { tcp, udp } th dport 53 goto counted";
    // On its way through the host and, if the host is that server, to it.
    assert_eq!(script.matches(hole).count(), 2, "{script}");
    assert!(!script.contains("ip daddr 9.9.9.9"), "{script}");
    // Rules go to the top of the group: what is to be looked at first comes last.
    let rule = |start: &str| script.find(&format!("--enable 1 {start}")).unwrap();
    assert!(rule("--type out --action ACCEPT") > rule("--type out --action DROP --dest 0.0.0.0/8"));
}

/// Else one tenant fills the host's table of connections, by a name server if by nothing else.
#[test]
fn nothing_of_tenants_passes_uncounted() {
    let script = printed(&[("PVE_NAMESERVERS", "192.168.7.53")]);
    let chain = |name: &str| {
        let (_, rest) = script.split_once(&format!("  chain {name} {{\n")).unwrap();
        rest.split_once("  }\n").unwrap().0.to_owned()
    };
    for name in ["from_tenants", "to_host"] {
        let accepted: Vec<String> = chain(name)
            .lines()
            .filter(|line| line.ends_with("accept"))
            .map(|line| line.trim().to_owned())
            .collect();
        let counts_by_itself =
            |line: &String| line.starts_with("ct state established") || line.contains("limit rate");
        assert!(
            accepted.iter().all(counts_by_itself),
            "{name}: {accepted:?}"
        );
    }
    let counted = chain("counted");
    let (first, _) = counted.split_once('\n').unwrap();
    assert!(first.contains("ip saddr ct count over"), "{counted}");
}

/// The printed check itself, with numbers of ours.
#[test]
fn a_table_of_connections_that_fills_fails_a_unit() {
    let script = printed(&[]);
    let line = script
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart=/bin/sh -c '"))
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    // As systemd reads the line.
    let check = line.trim_end_matches('\'').replace("$$", "$").replace(
        "/proc/sys/net/netfilter",
        &folder.path().display().to_string(),
    );
    let run = || {
        let output = std::process::Command::new("sh")
            .args(["-c", &check])
            .output();
        let output = output.unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    assert!(!run().0, "nothing is known");
    std::fs::write(folder.path().join("nf_conntrack_max"), "262144\n").unwrap();
    for (count, fine) in [
        ("0", true),
        ("209715", true),
        ("209716", false),
        ("262144", false),
    ] {
        std::fs::write(
            folder.path().join("nf_conntrack_count"),
            format!("{count}\n"),
        )
        .unwrap();
        let (is_fine, said) = run();
        assert_eq!(is_fine, fine, "{count}: {said}");
        assert_eq!(said.contains(count), !fine, "{said}");
    }
}

#[test]
fn addresses_of_the_operators_own_are_closed_too() {
    let script = printed(&[("PVE_HOST", "https://203.0.113.7:8006")]);
    assert!(script.contains("elements = { 203.0.113.7 }\n"), "{script}");
    assert!(script.contains("224.0.0.0/3,203.0.113.7"), "{script}");
    // Networks of one's own may be public ones.
    let public = script_of_network("198.51.100.0/24");
    assert!(
        public.contains("224.0.0.0/3, 198.51.100.0/24 }"),
        "{public}"
    );
    assert!(
        !printed(&[]).contains("224.0.0.0/3, 10.64"),
        "a set takes no network twice"
    );
}

fn script_of_network(network: &str) -> String {
    script(&config(&[("PVE_NETWORK", network)]))
}

#[test]
fn the_way_in_is_for_one_source_and_says_how_it_is_reached() {
    let closed = printed(&[]);
    assert!(
        !closed.contains("dport 22 accept") && !closed.contains("--type in"),
        "{closed}"
    );
    for (source, rule, says) in [
        (
            "192.168.7.20",
            "ip saddr 192.168.7.20/32 tcp dport 22 accept",
            "#ip route replace 10.64.0.0/20",
        ),
        (
            "10.64.0.1",
            "ip saddr 10.64.0.1/32 tcp dport 22 accept",
            "is this host itself",
        ),
        (
            "10.64.0.9",
            "ip saddr 10.64.0.9/32 tcp dport 22 accept",
            "kept apart from each other",
        ),
        ("fd00::9", "GUEST_SSH_SOURCE is not set", "take one of IPv4"),
    ] {
        let script = printed(&[("GUEST_SSH_SOURCE", source)]);
        assert!(script.contains(rule), "{source}: {script}");
        assert!(script.contains(says), "{source}: {script}");
    }
}

#[test]
fn the_datacenters_firewall_is_never_switched_on_by_itself() {
    let script = printed(&[]);
    assert!(
        script.contains("#pvesh set /cluster/firewall/options --enable 1\n"),
        "{script}"
    );
    assert!(
        !has(&script, "pvesh set /cluster/firewall/options"),
        "{script}"
    );
    assert!(!has(&script, "systemctl restart pve"), "{script}");
}

#[test]
fn everything_that_is_made_can_be_undone() {
    let script = printed(&[]);
    let (made, undone) = script.split_once("\n# To undo all of this").unwrap();
    let (_, undone) = undone.split_once('\n').unwrap();
    for thing in [
        "/cluster/sdn/zones/i402",
        "/cluster/sdn/vnets/i402net",
        "/cluster/firewall/groups/infra402",
        "/etc/infra402/fence-i402net.nft",
        "/etc/systemd/system/infra402-fence@.service",
        "infra402-fence@i402net.service",
        "table inet infra402_i402net",
        "90-infra402.conf",
        "/etc/systemd/system/infra402-conntrack.service",
        "/etc/systemd/system/infra402-conntrack.timer",
        "infra402-conntrack.timer",
        "MAX_WORKERS=8",
    ] {
        assert!(made.contains(thing), "{thing} is made");
        assert!(undone.contains(thing), "{thing} is undone");
    }
    assert_eq!(commands(undone), Vec::<&str>::new());
}

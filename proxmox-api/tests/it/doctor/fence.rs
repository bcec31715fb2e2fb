//! The host's part of the fence around tenants: each gap is found, with the command that closes it.

use proxmox_api::{
    config::Config,
    doctor::Severity,
    lease::network::fence::{FenceProof, PROVEN},
    store::Store,
};
use pve_sim::{Sim, SimConfig, StorageConfig, VnetConfig};

use super::{Finding, Installation, error, quick, warning};

pub const NETWORK: [(&str, &str); 2] = [("PVE_BRIDGE", "i402net"), ("PVE_NETWORK", "10.64.0.0/20")];

/// An installation on a VNet, with the security group, behind a firewall that is on and readable.
pub async fn fenced(config: SimConfig) -> Installation {
    let installation = Installation::with(SimConfig {
        bridge: "i402net".into(),
        vnets: vec![VnetConfig {
            vnet: "i402net".into(),
            zone: "i402".into(),
        }],
        ..config
    })
    .await;
    let sim = &installation.sim;
    sim.set_firewall(true);
    add_group(sim);
    sim.set_role("Infra402Node", &["Sys.Audit"]);
    sim.grant("/", &installation.user(), "Infra402Node");
    installation
}

/// The group with a rule, as the printed one has many.
fn add_group(sim: &Sim) {
    sim.add_security_group("infra402");
    let rule = [
        ("type", "out"),
        ("action", "DROP"),
        ("dest", "10.0.0.0/8"),
        ("enable", "1"),
    ];
    sim.add_security_group_rule("infra402", &rule);
}

async fn of(installation: &Installation, check: &str, changed: &[(&str, &str)]) -> Finding {
    installation.of(check, &[&NETWORK, changed].concat()).await
}

/// An installation on a plain bridge, on which the host has this address.
async fn on_bridge(installation: &Installation, own_address: &str) -> Finding {
    let (sim, user) = (&installation.sim, installation.user());
    sim.add_bridge("vmbr7", Some(own_address));
    sim.grant("/sdn/zones/localnetwork/vmbr7", &user, "PVESDNUser");
    of(installation, "tenants.network", &[("PVE_BRIDGE", "vmbr7")]).await
}

#[tokio::test]
async fn an_installation_behind_its_fence_has_no_findings() {
    let installation = fenced(quick()).await;
    installation.is_fine(&NETWORK).await;
    let findings = installation.examined(&NETWORK).await;
    for check in [
        "tenants.network",
        "tenants.group",
        "tenants.firewall",
        "tenants.packages",
    ] {
        assert!(
            findings.iter().any(|finding| finding.check == check),
            "{check}"
        );
    }
}

#[tokio::test]
async fn without_a_network_of_our_own_real_machines_are_warned_of() {
    let installation = Installation::start().await;
    let real = [("PVE_SIMULATED", "false")];
    let finding = installation.of("tenants.network", &real).await;
    warning(&finding, "tenants.network", "PVE_NETWORK is not set");
    assert!(
        finding.mend[0].starts_with("PVE_NETWORK=10.64.0.0/20"),
        "{finding:#?}"
    );
}

#[tokio::test]
async fn a_missing_group_fails_leases_unless_a_probe_has_proven_the_bridge() {
    let installation = fenced(quick()).await;
    installation.sim.remove_security_group("infra402");
    let finding = of(&installation, "tenants.group", &[]).await;
    error(
        &finding,
        "tenants.group",
        "takes a missing group for one without rules",
    );
    let finding = of(&installation, "tenants.group", &[("PVE_FENCE", "warn")]).await;
    warning(&finding, "tenants.group", "missing");

    let config = Config::from_env(installation.env(&NETWORK)).unwrap();
    let store = Store::open_database(&config.database).await.unwrap();
    for (network, severity) in [
        ("10.65.0.0/20", Severity::Error),
        ("10.64.0.0/20", Severity::Warning),
    ] {
        let proof = FenceProof {
            bridge: "i402net".into(),
            network: network.into(),
            vlan: None,
            nodes: vec![pve::NodeName::new("pve").unwrap()],
            at: 1_770_000_000,
        };
        store
            .set_installation_value(PROVEN, serde_json::to_string(&proof).unwrap())
            .await
            .unwrap();
        let finding = of(&installation, "tenants.group", &[]).await;
        assert_eq!(finding.severity, severity, "{network}: {finding:#?}");
    }
    installation.sim.add_security_group("infra402");
    let finding = of(
        &installation,
        "tenants.group",
        &[("PVE_NETWORK", "10.65.0.0/20")],
    )
    .await;
    error(&finding, "tenants.group", "no rule that closes a way out");
    add_group(&installation.sim);
    installation.is_fine(&NETWORK).await;
}

#[tokio::test]
async fn a_firewall_that_is_off_at_one_level_is_found() {
    let installation = fenced(quick()).await;
    let (sim, node) = (&installation.sim, installation.sim.node());
    sim.set_firewall(false);
    let finding = of(&installation, "tenants.firewall", &[]).await;
    error(&finding, "tenants.firewall", "it is off");
    sim.set_firewall(true);
    sim.set_node_firewall(&node, false);
    let finding = of(&installation, "tenants.firewall", &[]).await;
    error(&finding, "tenants.firewall", "switched off");
    assert_eq!(
        finding.mend,
        [format!(
            "pvesh set /nodes/{node}/firewall/options --enable 1"
        )]
    );
    sim.set_node_firewall(&node, true);
    sim.set_firewall_option("ebtables", false);
    let finding = of(&installation, "tenants.firewall", &[]).await;
    error(&finding, "tenants.firewall", "without ebtables");
    installation.sim.set_firewall_option("ebtables", true);
    for (nftables, service) in [(false, "pve-firewall"), (true, "proxmox-firewall")] {
        sim.set_node_nftables(&node, nftables);
        installation.is_fine(&NETWORK).await;
        sim.set_firewall_running(&node, false);
        let finding = of(&installation, "tenants.firewall", &[]).await;
        error(
            &finding,
            "tenants.firewall",
            &format!("{service} does not run"),
        );
        sim.set_firewall_running(&node, true);
    }
}

#[tokio::test]
async fn a_datacenter_that_may_not_be_read_is_a_warning_and_its_command_mends_it() {
    let installation = fenced(quick()).await;
    installation.sim.revoke("/", &installation.user());
    let finding = of(&installation, "tenants.firewall", &[]).await;
    warning(&finding, "tenants.firewall", "may not read");
    installation.perform(&finding.mend[0]);
    installation.is_fine(&NETWORK).await;
}

#[tokio::test]
async fn a_bridge_that_carries_the_hosts_own_address_is_found() {
    let installation = fenced(quick()).await;
    let finding = on_bridge(&installation, "192.168.1.10/24").await;
    error(
        &finding,
        "tenants.network",
        "vmbr7 carries the host's own address 192.168.1.10",
    );
    assert_eq!(finding.mend[0], "PVE_BRIDGE=i402net");
    let finding = on_bridge(&installation, "10.64.0.254/20").await;
    error(&finding, "tenants.network", "the host is 10.64.0.254 there");
    assert_eq!(finding.mend, ["PVE_GATEWAY=10.64.0.254"]);
    let finding = on_bridge(&installation, "10.64.0.1/20").await;
    assert_eq!(finding.severity, Severity::Ok, "{finding:#?}");
}

#[tokio::test]
async fn a_network_that_the_host_has_elsewhere_is_found() {
    let installation = fenced(quick()).await;
    let (sim, user) = (&installation.sim, installation.user());
    sim.grant("/sdn/zones/localnetwork/vmbr8", &user, "PVESDNUser");
    for inside in ["10.64.3.1/24", "10.0.0.1/8"] {
        sim.add_bridge("vmbr8", Some(inside));
        let finding = of(&installation, "tenants.network", &[]).await;
        error(
            &finding,
            "tenants.network",
            &format!("vmbr8 carries {inside} already"),
        );
    }
    sim.add_bridge("vmbr8", Some("10.63.0.1/24"));
    installation.is_fine(&NETWORK).await;
}

#[tokio::test]
async fn a_small_network_and_a_way_in_that_leads_nowhere_are_warnings() {
    let installation = fenced(quick()).await;
    let small = [("PVE_NETWORK", "10.64.0.0/28")];
    let finding = of(&installation, "tenants.network", &small).await;
    warning(&finding, "tenants.network", "13 addresses for");
    let few = [small[0], ("PVE_VMID_RANGE", "40200-40205")];
    assert_eq!(
        of(&installation, "tenants.network", &few).await.severity,
        Severity::Ok
    );
    for (source, found) in [
        ("10.64.0.9", "kept apart"),
        ("10.0.0.0/8", "every tenant reaches every other"),
        ("fd00::1", "IPv6"),
    ] {
        let finding = of(
            &installation,
            "tenants.network",
            &[("GUEST_SSH_SOURCE", source)],
        )
        .await;
        warning(&finding, "tenants.network", found);
    }
    for source in ["10.64.0.1", "192.168.7.20"] {
        let changed = [&NETWORK[..], &[("GUEST_SSH_SOURCE", source)]].concat();
        installation.is_fine(&changed).await;
    }
}

#[tokio::test]
async fn releases_with_a_known_way_out_are_found() {
    let installation = fenced(quick()).await;
    let (sim, node) = (&installation.sim, installation.sim.node());
    sim.set_package(&node, "pve-container", "6.1.12");
    let finding = of(&installation, "tenants.packages", &[]).await;
    warning(
        &finding,
        "tenants.packages",
        "pve-container is older than 6.1.13 (PSA-2026-00040)",
    );
    sim.set_package(&node, "pve-container", "6.1.13");
    for (running, found) in [
        ("7.0.14-10-pve", Some("older than 7.0.14-11")),
        ("6.17.13-9-pve", Some("older than 6.17.13-10")),
        ("6.8.12-24-pve", Some("older than 6.8.12-25")),
        ("6.14.8-2-pve", Some("gets no known fixes")),
        ("7.0.14-11-pve", None),
        ("6.8.12-25-pve", None),
        ("7.1.3-1-pve", None),
    ] {
        sim.set_running_kernel(&node, running);
        match found {
            Some(found) => {
                let finding = of(&installation, "tenants.packages", &[]).await;
                warning(&finding, "tenants.packages", found);
            }
            None => installation.is_fine(&NETWORK).await,
        }
    }
}

#[tokio::test]
async fn a_thin_pool_that_fills_is_a_warning() {
    let mut config = quick();
    let pool: &mut StorageConfig = config
        .storages
        .iter_mut()
        .find(|storage| storage.name == "local-lvm")
        .unwrap();
    pool.used_bytes = pool.capacity_bytes / 100 * 82;
    let installation = Installation::with(config).await;
    let finding = installation.only(&[]).await;
    warning(&finding, "proxmox.storage", "it is thin and 81 % full");
}

#[tokio::test]
async fn a_vnet_that_a_node_lacks_is_named_with_its_zone() {
    let config = SimConfig {
        nodes: vec!["alpha".into(), "beta".into()],
        ..quick()
    };
    let installation = fenced(config).await;
    let nodes = [("PVE_NODE", "alpha,beta")];
    installation.sim.set_vnet_nodes("i402net", &["alpha"]);
    let finding = of(&installation, "proxmox.bridge", &nodes).await;
    error(&finding, "proxmox.bridge", "not there");
    assert!(finding.expected.contains("on beta"), "{finding:#?}");
    assert!(
        finding.mend[0].starts_with("pvesh set /cluster/sdn/zones/i402 "),
        "{finding:#?}"
    );
}

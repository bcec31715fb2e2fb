//! A container with an address behind a firewall, from its creation to its cut, and what can be
//! read about the host's part of it.

use std::net::IpAddr;
use std::time::Duration;

use pve::{
    Auth, Client, ClientConfig, Consolidation, CreateContainer, FirewallRule, GuestFirewall,
    Network, NodeName, Policy, Rate, Refusal, RootFs, RuleKind, Timeframe, Tls, Vmid, WaitOptions,
};
use pve_sim::{Sim, SimConfig};

const TEMPLATE: &str = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst";

struct Host {
    sim: Sim,
    client: Client,
    node: NodeName,
    vmid: Vmid,
}

impl Host {
    async fn start() -> Self {
        let config = SimConfig {
            time_scale: 0.001,
            ..SimConfig::default()
        };
        let sim = Sim::start(config).await.unwrap();
        let auth = Auth::token(sim.token_id(), sim.token_secret());
        let mut config = ClientConfig::new(sim.url(), auth);
        config.tls = Tls::CaPem(sim.ca_pem().into_bytes());
        Self {
            client: Client::new(config).unwrap(),
            node: sim.node().parse().unwrap(),
            vmid: "5001".parse().unwrap(),
            sim,
        }
    }

    fn order(&self) -> CreateContainer {
        let rootfs = RootFs {
            storage: "local-lvm".into(),
            size_gib: 8,
        };
        let gateway = Some(ip("10.64.0.1"));
        let mut net0 = Network::fixed("vmbr0", ip("10.64.0.9"), 20, gateway);
        net0.firewall = true;
        net0.rate = Rate::from_mb_per_s(0.1);
        CreateContainer {
            net0: Some(net0),
            nameservers: vec![ip("9.9.9.9"), ip("1.1.1.1")],
            searchdomain: Some("example.org".into()),
            cpulimit: Some(0.5),
            pool: Some("infra402".into()),
            ..CreateContainer::new(self.vmid, TEMPLATE, rootfs)
        }
    }

    async fn done(&self, upid: &pve::Upid) {
        let within = WaitOptions::within(Duration::from_secs(10));
        let outcome = self.client.wait(upid, within).await.unwrap();
        assert!(outcome.is_success(), "{outcome}");
    }

    async fn running(&self) {
        let create = self.client.create(&self.node, &self.order()).await.unwrap();
        self.done(&create).await;
        let start = self.client.start(&self.node, self.vmid).await.unwrap();
        self.done(&start).await;
    }

    async fn net0(&self) -> (Network, String) {
        let config = self.client.config(&self.node, self.vmid).await.unwrap();
        let net0 = config.net0().unwrap().unwrap();
        (net0, config.digest.unwrap())
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[tokio::test]
async fn what_a_create_says_about_the_network_is_what_is_stored() {
    let host = Host::start().await;
    host.running().await;
    let (net0, _) = host.net0().await;
    let mut wanted = host.order().net0.unwrap();
    assert!(net0.hwaddr.is_some(), "Proxmox fills it in");
    assert!(net0.to_property().ends_with(",type=veth"));
    wanted.hwaddr.clone_from(&net0.hwaddr);
    let text = format!("{},type=veth", wanted.to_property());
    assert_eq!(net0, text.parse().unwrap());
    let config = host.sim.container(5001).unwrap().config;
    assert_eq!(config["nameserver"], "9.9.9.9 1.1.1.1");
    assert_eq!(config["searchdomain"], "example.org");
    assert_eq!(config["cpulimit"], "0.5");
    let interfaces = host.client.interfaces(&host.node, host.vmid).await.unwrap();
    assert_eq!(pve::address_of(&interfaces, None), Some(ip("10.64.0.9")));
}

#[tokio::test]
async fn a_change_of_the_network_keeps_its_hwaddr_and_is_refused_when_it_is_outdated() {
    let host = Host::start().await;
    host.running().await;
    let (before, digest) = host.net0().await;
    let slower = Network {
        rate: Rate::from_bytes_per_s(65_536),
        ..before.clone()
    };
    let (client, node, vmid) = (&host.client, &host.node, host.vmid);
    client
        .set_net0(node, vmid, &slower, Some(&digest))
        .await
        .unwrap();
    let outdated = client.set_net0(node, vmid, &before, Some(&digest)).await;
    assert!(outdated.is_err());
    assert_eq!(host.net0().await.0, slower);

    let cut = Network {
        link_down: true,
        ..slower.clone()
    };
    client.set_net0(node, vmid, &cut, None).await.unwrap();
    assert!(!host.sim.add_traffic(5001, 1, 1));
    client.set_net0(node, vmid, &slower, None).await.unwrap();
    assert!(host.sim.add_traffic(5001, 1, 1));
    let (after, _) = host.net0().await;
    assert_eq!((&after.hwaddr, after.link_down), (&before.hwaddr, false));
}

#[tokio::test]
async fn a_guest_is_fenced_after_its_creation_and_not_before() {
    let host = Host::start().await;
    let (client, node, vmid) = (&host.client, &host.node, host.vmid);
    let wanted = GuestFirewall {
        enable: Some(true),
        policy_in: Some(Policy::Drop),
        policy_out: Some(Policy::Accept),
        macfilter: Some(true),
        ipfilter: Some(true),
        ndp: Some(false),
        radv: Some(false),
        dhcp: Some(false),
        log_level_in: Some("nolog".into()),
        log_level_out: Some("nolog".into()),
        digest: None,
    };
    host.sim.set_time_scale(0.3);
    let create = client.create(node, &host.order()).await.unwrap();
    let early = client.set_guest_firewall(node, vmid, &wanted).await;
    let early = early.unwrap_err();
    let is_forbidden = matches!(early.refusal(), Some(Refusal::Forbidden { .. }));
    assert!(is_forbidden, "{early}");
    host.done(&create).await;

    let fresh = client.guest_firewall(node, vmid).await.unwrap();
    assert!(!fresh.agrees_with(&wanted) && fresh.enable.is_none());
    client
        .set_guest_firewall(node, vmid, &wanted)
        .await
        .unwrap();
    let read = client.guest_firewall(node, vmid).await.unwrap();
    assert!(read.agrees_with(&wanted), "{read:?}");
    let outdated = GuestFirewall {
        digest: fresh.digest,
        ..wanted
    };
    let outdated = client.set_guest_firewall(node, vmid, &outdated).await;
    assert!(outdated.is_err());
}

#[tokio::test]
async fn rules_are_added_on_top_read_back_and_removed() {
    let host = Host::start().await;
    host.running().await;
    let (client, node, vmid) = (&host.client, &host.node, host.vmid);
    let mut mail = FirewallRule::new(RuleKind::Out, Policy::Drop);
    mail.proto = Some("tcp".into());
    mail.dport = Some("25,465,587".into());
    mail.comment = Some("no mail".into());
    mail.log = Some("nolog".into());
    let mut ssh = FirewallRule::new(RuleKind::In, Policy::Accept);
    ssh.iface = Some("net0".into());
    ssh.source = Some("192.168.1.20".into());
    ssh.dest = Some("10.64.0.9".into());
    ssh.proto = Some("tcp".into());
    ssh.sport = Some("1024:65535".into());
    ssh.dport = Some("22".into());
    let mut ping = FirewallRule::new(RuleKind::In, Policy::Reject);
    ping.proto = Some("icmp".into());
    ping.icmp_type = Some("echo-request".into());
    let mut web = FirewallRule::new(RuleKind::Out, Policy::Accept);
    web.service = Some("HTTPS".into());
    web.enable = false;
    let group = FirewallRule::group("infra402");
    let wanted = [group, ssh, ping, web, mail];
    for rule in wanted.iter().rev() {
        client.add_guest_rule(node, vmid, rule).await.unwrap();
    }
    let read = client.guest_rules(node, vmid).await.unwrap();
    let places: Vec<_> = read.iter().map(|rule| rule.pos).collect();
    assert_eq!(places, [0, 1, 2, 3, 4].map(Some));
    let bare = |rule: &FirewallRule| FirewallRule {
        pos: None,
        digest: None,
        ..rule.clone()
    };
    assert_eq!(read.iter().map(bare).collect::<Vec<_>>(), wanted);
    assert!(read[0].uses_group("infra402"));
    // The group does not exist, and the rule is accepted.
    assert!(client.security_groups().await.unwrap().is_empty());

    let digest = read[0].digest.as_deref();
    client
        .delete_guest_rule(node, vmid, 0, digest)
        .await
        .unwrap();
    let outdated = client.delete_guest_rule(node, vmid, 0, digest).await;
    assert!(outdated.is_err());
    let left = client.guest_rules(node, vmid).await.unwrap();
    assert_eq!(left.iter().map(bare).collect::<Vec<_>>(), wanted[1..]);
}

#[tokio::test]
async fn the_state_of_the_firewall_is_read_at_all_three_levels() {
    let host = Host::start().await;
    let (client, node) = (&host.client, &host.node);
    let refused = client.cluster_firewall().await.unwrap_err();
    assert!(matches!(refused.refusal(), Some(Refusal::Forbidden { .. })));
    host.sim.grant_here("/", "infra402@pve", "Infra402Node");
    assert!(!client.cluster_firewall().await.unwrap().enable);
    host.sim.set_firewall(true);
    assert!(client.cluster_firewall().await.unwrap().enable);

    host.sim.add_security_group("infra402");
    let groups = client.security_groups().await.unwrap();
    assert_eq!(groups[0].group, "infra402");
    assert!(client.security_group("infra402").await.unwrap().is_empty());
    assert!(client.security_group("other").await.is_err());

    let level = client.node_firewall(node).await.unwrap();
    assert!(level.is_enabled());
    let service = client.service_state(node, level.service()).await.unwrap();
    assert!(service.is_running(), "{service:?}");
    host.sim.set_node_firewall(node.as_str(), false);
    host.sim.set_node_nftables(node.as_str(), true);
    host.sim.set_firewall_running(node.as_str(), false);
    let level = client.node_firewall(node).await.unwrap();
    assert!(!level.is_enabled());
    let service = client.service_state(node, level.service()).await.unwrap();
    assert_eq!(service.service, "proxmox-firewall");
    assert!(!service.is_running(), "{service:?}");
}

#[tokio::test]
async fn the_hosts_packages_and_its_own_addresses_are_read() {
    let host = Host::start().await;
    let (client, node) = (&host.client, &host.node);
    host.sim
        .set_package(node.as_str(), "pve-container", "6.1.2");
    let packages = client.packages(node).await.unwrap();
    let of = |name: &str| packages.iter().find(|one| one.name == name).unwrap();
    assert_eq!(of("pve-container").is_older_than("6.1.3"), Some(true));
    assert_eq!(of("pve-firewall").is_older_than("6.0.4"), Some(false));
    assert_eq!(of("dnsmasq").is_older_than("1"), None);
    assert!(of("proxmox-ve").running_kernel.is_some());

    let bridges = client.bridges(node).await.unwrap();
    assert_eq!(bridges[0].own_addresses(), [ip("192.168.1.10")]);
    host.sim.add_bridge("vmbr0", None);
    let bridges = client.bridges(node).await.unwrap();
    assert!(bridges[0].own_addresses().is_empty());
}

#[tokio::test]
async fn traffic_is_in_the_counters_and_later_in_the_history() {
    let host = Host::start().await;
    host.running().await;
    let (client, node, vmid) = (&host.client, &host.node, host.vmid);
    host.sim.add_traffic(5001, 60_000_000, 6_000_000);
    host.sim.set_pressure(5001, "iofull", 40.0);
    let status = client.container(node, vmid).await.unwrap();
    assert!(status.netin.is_some_and(|bytes| bytes >= 60_000_000));
    assert_eq!(status.pressureiofull, Some(40.0));
    assert_eq!(status.pressurememorysome, Some(0.0));

    host.sim.advance_clock(Duration::from_secs(120));
    let samples = client
        .history(node, vmid, Timeframe::Hour, Consolidation::Average)
        .await
        .unwrap();
    let step = (samples[1].time - samples[0].time) as f64;
    let sent: f64 = samples.iter().filter_map(|one| one.netout).sum();
    assert!(
        (6_000_000.0..6_200_000.0).contains(&(sent * step)),
        "{sent}"
    );
    assert!(
        samples.iter().any(|one| one.netout.is_none()),
        "before its start"
    );
}

//! The network that tenants are on: a VNet of the SDN, or a plain bridge. The one that `PVE_BRIDGE`
//! names is printed to be run, the other to be read.

use super::{BridgeKind, FencePlan, ZONE, commented};

pub(super) fn step(plan: &FencePlan) -> String {
    let chosen = commands(plan);
    let mut text = format!(
        "# 9. A network for tenants alone, {}\n{chosen}",
        title(plan.kind)
    );
    if let Some(grant) = &plan.grant {
        text += "# The service may attach containers to it; this asks for its zone, which exists \
        only now\n";
        text += &format!("{grant}\n");
    }
    if plan.vlan.is_some() {
        text += "# A VNet for tenants needs no tag: without PVE_VLAN the variant with isolated \
        ports is printed.\n";
        return text;
    }
    let other = plan.other();
    text += &format!(
        "#\n# Instead, {}: PVE_BRIDGE={}, and print this again. It comes to:\n",
        title(other.kind),
        other.bridge
    );
    text + &commented(&commands(&other))
}

fn title(kind: BridgeKind) -> &'static str {
    match kind {
        BridgeKind::Vnet => "as a VNet of the SDN (Proxmox VE 8.3 or newer; once in a cluster)",
        BridgeKind::Plain => "as a plain bridge (on every node)",
    }
}

fn commands(plan: &FencePlan) -> String {
    match plan.kind {
        BridgeKind::Vnet => vnet(plan),
        BridgeKind::Plain => plain(plan),
    }
}

/// Its ports are isolated, so that no frame goes from one tenant to another without the host.
fn vnet(plan: &FencePlan) -> String {
    let FencePlan {
        bridge,
        subnet,
        gateway,
        ..
    } = plan;
    let id = format!("{ZONE}-{}-{}", subnet.addr(), subnet.prefix_len());
    let there = |path: &str| format!("pvesh get {path} > /dev/null 2>&1 ||");
    format!(
        "{} \\\n  pvesh create /cluster/sdn/zones --type simple --zone {ZONE} --ipam pve\n\
         {} \\\n  pvesh create /cluster/sdn/vnets --vnet {bridge} --zone {ZONE} --isolate-ports 1\n\
         # Where the VNet was there already: pvesh set /cluster/sdn/vnets/{bridge} \
         --isolate-ports 1,\n\
         # and stop and start its containers, since ports are isolated as they are plugged in\n\
         {} \\\n  pvesh create /cluster/sdn/vnets/{bridge}/subnets --type subnet --subnet {subnet} \
         --gateway {gateway} --snat 1\n\
         # Applies it, with any other change that is pending there; again whenever the host's \
         own address has\n\
         # changed, which SNAT keeps\n\
         pvesh set /cluster/sdn\n",
        there(&format!("/cluster/sdn/zones/{ZONE}")),
        there(&format!("/cluster/sdn/vnets/{bridge}")),
        there(&format!("/cluster/sdn/vnets/{bridge}/subnets/{id}")),
    )
}

fn plain(plan: &FencePlan) -> String {
    let FencePlan {
        bridge,
        subnet,
        gateway,
        ..
    } = plan;
    let device = plan.device();
    let prefix = subnet.prefix_len();
    let both = |rule: &str, add: &str| {
        let (table, rest) = rule.split_once(' ').unwrap_or((rule, ""));
        format!(
            "    post-up iptables -t {table} {add} {rest}\n    post-down iptables -t {table} -D \
            {rest}\n"
        )
    };
    let ports = "    bridge-ports none\n    bridge-stp off\n    bridge-fd 0\n";
    let own = match plan.vlan {
        None => format!(
            "auto {bridge}\niface {bridge} inet static\n    address {gateway}/{prefix}\n{ports}"
        ),
        Some(vlan) => format!(
            "auto {bridge}\niface {bridge} inet manual\n{ports}    bridge-vlan-aware yes\n    \
            bridge-vids {vlan}\n\n\
             auto {device}\niface {device} inet static\n    address {gateway}/{prefix}\n"
        ),
    };
    let masquerade = format!("nat POSTROUTING -s {subnet} ! -o {device} -j MASQUERADE");
    format!(
        "# It lacks port isolation: frames between tenants do not pass the host. The group below \
        closes their ports\n\
         # to each other, and ipfilter the taking of others' addresses; without the datacenter's \
         firewall nothing does.\n\
         grep -q '^iface {bridge} ' /etc/network/interfaces || cat >> /etc/network/interfaces \
         <<'INTERFACES'\n\n\
         {own}    post-up echo 1 > /proc/sys/net/ipv4/ip_forward\n{}\
         # Replies find their way back through the firewall's own bridges\n{}INTERFACES\n\
         ifreload -a\n",
        both(&masquerade, "-A"),
        both("raw PREROUTING -i fwbr+ -j CT --zone 1", "-I"),
    )
}

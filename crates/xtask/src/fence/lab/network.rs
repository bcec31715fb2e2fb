//! The lab's network: bridges, namespaces and routes that stand for a Proxmox host with two
//! tenants, its LAN and the internet.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::fence::cases::FenceVariant;

/// The bridge for tenants.
pub const BRIDGE: &str = "i402net";
/// The tenants' network.
pub const SUBNET: &str = "10.64.0.0/20";
/// The host's address in it.
pub const GATEWAY: &str = "10.64.0.1";
/// The machine that may reach their port 22.
pub const PROXY: &str = "192.168.7.20";
/// The tenants: namespace, address, hardware address, address of IPv6.
pub const TENANTS: [(&str, &str, &str, &str); 2] = [
    ("a", "10.64.0.10", "bc:24:11:00:00:0a", "fd64::10"),
    ("b", "10.64.0.11", "bc:24:11:00:00:0b", "fd64::11"),
];
/// Builds the network of a variant.
pub fn build(variant: FenceVariant) -> Result<()> {
    // IPv6 addresses are usable at once, without a second of duplicate address detection.
    let no_dad = "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad";
    run_script(&format!(
        "mount -t tmpfs none /run && mkdir /run/netns && ip link set lo up && {no_dad}"
    ))?;
    for name in ["a", "b", "nas", "proxy", "net"] {
        run_script(&format!(
            "ip netns add {name} && ip -n {name} link set lo up && ip netns exec {name} sh -c \
            '{no_dad}'"
        ))?;
    }
    for (bridge, v4, v6) in [
        (BRIDGE, "10.64.0.1/20", "fd64::1/64"),
        ("vmbr0", "192.168.7.2/24", "2001:db8:7::2/64"),
    ] {
        run_script(&format!(
            "ip link add {bridge} type bridge mcast_snooping 0 && ip addr add {v4} dev {bridge} &&
             ip -6 addr add {v6} dev {bridge} nodad && ip link set {bridge} up"
        ))?;
    }
    let isolated = if variant.isolated { "on" } else { "off" };
    for (name, v4, mac, v6) in TENANTS {
        attach_interface(name, BRIDGE, mac, &format!("{v4}/20"), &format!("{v6}/64"))?;
        run_script(&format!(
            "bridge link set dev v{name} isolated {isolated} &&
             ip -n {name} route add default via {GATEWAY} && ip -n {name} -6 route add default \
             via fd64::1"
        ))?;
    }
    for (name, number) in [("net", 1), ("proxy", 20), ("nas", 50)] {
        let mac = format!("bc:24:11:00:01:{number:02}");
        attach_interface(
            name,
            "vmbr0",
            &mac,
            &format!("192.168.7.{number}/24"),
            &format!("2001:db8:7::{number}/64"),
        )?;
        // Every machine of the LAN has a route to the tenants, so that only the fence keeps it out.
        run_script(&format!(
            "ip -n {name} route add {SUBNET} via 192.168.7.2 && ip -n {name} -6 route add \
            fd64::/64 via 2001:db8:7::2"
        ))?;
    }
    for address in [
        "203.0.113.9/32",
        "9.9.9.9/32",
        "169.254.169.254/32",
        "2001:db8:9::9/128",
    ] {
        run_script(&format!("ip -n net addr add {address} dev lo"))?;
    }
    run_script(
        "ip route add default via 192.168.7.1 && ip -6 route add default via 2001:db8:7::1",
    )?;
    sysctl("net/ipv4/ip_forward", "1")?;
    sysctl("net/ipv6/conf/all/forwarding", "1")?;
    // Debian's value: any route back to the source is enough.
    for interface in ["all", "default", BRIDGE, "vmbr0"] {
        sysctl(&format!("net/ipv4/conf/{interface}/rp_filter"), "2")?;
    }
    for family in ["iptables", "ip6tables", "arptables"] {
        // Where the module is loaded, frames of a bridge would pass the table too; on a plain host
        // they do not.
        let switch = format!("net/bridge/bridge-nf-call-{family}");
        if Path::new("/proc/sys").join(&switch).exists() {
            sysctl(&switch, "0")?;
        }
    }
    load_nft(&format!(
        "table ip nat {{ chain out {{ type nat hook postrouting priority 100; ip saddr {SUBNET} \
        oifname vmbr0 masquerade; }}\n}}\n"
    ))?;
    if variant.ipfilter {
        load_nft(&ipfilter())?;
    }
    if variant.pinned {
        for (_, address, mac, _) in TENANTS {
            run_script(&format!(
                "ip neigh replace {address} lladdr {mac} dev {BRIDGE} nud permanent"
            ))?;
        }
    }
    Ok(())
}

/// The rules of Proxmox's option `ipfilter` for a static address: frames and ARP of that one only.
fn ipfilter() -> String {
    let rules = TENANTS.map(|(name, address, ..)| {
        format!(
            "iifname v{name} arp saddr ip != {address} drop; iifname v{name} ip saddr != \
        {address} drop;"
        )
    });
    let rules = rules.join(" ");
    format!(
        "table bridge pve {{ chain in {{ type filter hook prerouting priority 0; {rules} }}\n}}\n"
    )
}

/// Gives a namespace an interface on a bridge.
fn attach_interface(name: &str, bridge: &str, mac: &str, v4: &str, v6: &str) -> Result<()> {
    run_script(&format!(
        "ip link add v{name} type veth peer name eth0 address {mac} netns {name} &&
         ip link set v{name} master {bridge} up && ip -n {name} link set eth0 up &&
         ip -n {name} addr add {v4} dev eth0 && ip -n {name} -6 addr add {v6} dev eth0 nodad"
    ))
}

fn sysctl(name: &str, value: &str) -> Result<()> {
    std::fs::write(format!("/proc/sys/{name}"), value).with_context(|| format!("cannot set {name}"))
}

/// Loads rules for nft.
pub fn load_nft(rules: &str) -> Result<()> {
    use std::io::Write as _;
    let mut child = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .context("cannot run nft")?;
    let mut input = child.stdin.take().expect("its input is piped");
    input.write_all(rules.as_bytes())?;
    drop(input);
    if !child.wait()?.success() {
        bail!("nft does not load:\n{rules}");
    }
    Ok(())
}

/// Runs a script of the shell.
pub fn run_script(script: &str) -> Result<()> {
    let status = Command::new("sh")
        .args(["-ec", script])
        .stdin(Stdio::null())
        .status()?;
    if !status.success() {
        bail!("the lab cannot be built: `{script}` failed ({status})");
    }
    Ok(())
}

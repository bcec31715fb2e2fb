//! The lab, inside namespaces of its own. This namespace is the host: a bridge for tenants with `a` and
//! `b` on it, and a bridge to the LAN. There are a file server `nas`, the machine `proxy` that
//! `GUEST_SSH_SOURCE` names, and `net`, the router, which also stands for everything beyond it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::matrix::{ROWS, Stage};

/// The bridge for tenants.
pub const BRIDGE: &str = "i402net";
/// Their network, and the host's address in it.
pub const SUBNET: &str = "10.64.0.0/20";
pub const GATEWAY: &str = "10.64.0.1";
/// The machine that may reach their port 22.
pub const PROXY: &str = "192.168.7.20";
/// The tenants: namespace, address, hardware address, address of IPv6.
const TENANTS: [(&str, &str, &str, &str); 2] = [
    ("a", "10.64.0.10", "bc:24:11:00:00:0a", "fd64::10"),
    ("b", "10.64.0.11", "bc:24:11:00:00:0b", "fd64::11"),
];
/// Where datagrams with claimed sources go.
const RECEIVER: &str = "203.0.113.9:9999";
/// How long a datagram may take.
const PATIENCE: Duration = Duration::from_millis(900);

/// How a way is tried.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// A connection from a namespace, answered by the server of that name.
    Tcp {
        from: &'static str,
        address: &'static str,
        name: &'static str,
    },
    /// A datagram and its answer.
    Udp {
        from: &'static str,
        address: &'static str,
        name: &'static str,
    },
    /// Both tenants send what is for the other one to the gateway.
    ByGateway,
    /// The tenant `b` sends a datagram with this source, and it arrives.
    Claim(&'static str),
    /// The tenant `b` answers the host at the address of `a`.
    Takeover,
    /// The tenant `b` has more connections than one may have, and another.
    Flood,
}

/// Builds the lab, tries every way and says of each row whether it is open.
pub fn run(stage: Stage) -> Result<()> {
    let mut table = String::new();
    std::io::stdin()
        .read_to_string(&mut table)
        .context("the table")?;
    build(stage)?;
    if stage.table {
        nft(&table)?;
    }
    let _servers = servers()?;
    let (_receiver, datagrams) = receiver()?;
    // Those that change nothing, side by side.
    thread::scope(|scope| {
        let tries = ROWS.iter().enumerate().filter_map(|(number, row)| {
            let arguments = match row.way {
                Way::Tcp {
                    from,
                    address,
                    name,
                } => (from, "tcp", address, name),
                Way::Udp {
                    from,
                    address,
                    name,
                } => (from, "udp", address, name),
                _ => return None,
            };
            Some(scope.spawn(move || {
                let (from, kind, address, name) = arguments;
                try_way(from, &[kind, address, name]).map(|open| say(number, open))
            }))
        });
        let tries: Vec<_> = tries.collect();
        tries
            .into_iter()
            .try_for_each(|one| one.join().expect("a try does not panic"))
    })?;
    for (number, row) in ROWS.iter().enumerate() {
        match row.way {
            Way::ByGateway => say(number, by_gateway()?),
            Way::Claim(source) => say(number, claim(source, &datagrams)?),
            Way::Takeover => say(number, takeover(stage)?),
            Way::Flood => say(number, flood(&datagrams)?),
            Way::Tcp { .. } | Way::Udp { .. } => {}
        }
    }
    Ok(())
}

fn say(row: usize, open: bool) {
    println!("{row} {}", if open { "open" } else { "closed" });
}

fn build(stage: Stage) -> Result<()> {
    // Addresses of IPv6 are good at once, not after a second's search for the same one.
    let no_dad = "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad";
    sh(&format!(
        "mount -t tmpfs none /run && mkdir /run/netns && ip link set lo up && {no_dad}"
    ))?;
    for name in ["a", "b", "nas", "proxy", "net"] {
        sh(&format!(
            "ip netns add {name} && ip -n {name} link set lo up && ip netns exec {name} sh -c \
            '{no_dad}'"
        ))?;
    }
    for (bridge, v4, v6) in [
        (BRIDGE, "10.64.0.1/20", "fd64::1/64"),
        ("vmbr0", "192.168.7.2/24", "2001:db8:7::2/64"),
    ] {
        sh(&format!(
            "ip link add {bridge} type bridge mcast_snooping 0 && ip addr add {v4} dev {bridge} &&
             ip -6 addr add {v6} dev {bridge} nodad && ip link set {bridge} up"
        ))?;
    }
    let isolated = if stage.isolated { "on" } else { "off" };
    for (name, v4, mac, v6) in TENANTS {
        plug(name, BRIDGE, mac, &format!("{v4}/20"), &format!("{v6}/64"))?;
        sh(&format!(
            "bridge link set dev v{name} isolated {isolated} &&
             ip -n {name} route add default via {GATEWAY} && ip -n {name} -6 route add default \
             via fd64::1"
        ))?;
    }
    for (name, number) in [("net", 1), ("proxy", 20), ("nas", 50)] {
        let mac = format!("bc:24:11:00:01:{number:02}");
        plug(
            name,
            "vmbr0",
            &mac,
            &format!("192.168.7.{number}/24"),
            &format!("2001:db8:7::{number}/64"),
        )?;
        // Everybody in the LAN knows the way to the tenants: what keeps them out is to be the fence.
        sh(&format!(
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
        sh(&format!("ip -n net addr add {address} dev lo"))?;
    }
    sh("ip route add default via 192.168.7.1 && ip -6 route add default via 2001:db8:7::1")?;
    sysctl("net/ipv4/ip_forward", "1")?;
    sysctl("net/ipv6/conf/all/forwarding", "1")?;
    // As Debian has it: any route back to the source will do.
    for interface in ["all", "default", BRIDGE, "vmbr0"] {
        sysctl(&format!("net/ipv4/conf/{interface}/rp_filter"), "2")?;
    }
    for family in ["iptables", "ip6tables", "arptables"] {
        // Where the module is loaded, frames of a bridge would pass the table too, as they do not on a plain host.
        let switch = format!("net/bridge/bridge-nf-call-{family}");
        if std::path::Path::new("/proc/sys").join(&switch).exists() {
            sysctl(&switch, "0")?;
        }
    }
    nft(&format!(
        "table ip nat {{ chain out {{ type nat hook postrouting priority 100; ip saddr {SUBNET} \
        oifname vmbr0 masquerade; }}\n}}\n"
    ))?;
    if stage.ipfilter {
        nft(&ipfilter())?;
    }
    if stage.pinned {
        for (_, address, mac, _) in TENANTS {
            sh(&format!(
                "ip neigh replace {address} lladdr {mac} dev {BRIDGE} nud permanent"
            ))?;
        }
    }
    Ok(())
}

/// What the option `ipfilter` makes of a static address: frames and ARP of that one only.
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
fn plug(name: &str, bridge: &str, mac: &str, v4: &str, v6: &str) -> Result<()> {
    sh(&format!(
        "ip link add v{name} type veth peer name eth0 address {mac} netns {name} &&
         ip link set v{name} master {bridge} up && ip -n {name} link set eth0 up &&
         ip -n {name} addr add {v4} dev eth0 && ip -n {name} -6 addr add {v6} dev eth0 nodad"
    ))
}

/// Ends its process when it is no longer needed.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended with the namespaces.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn servers() -> Result<Vec<Server>> {
    let all: [(&str, &[&str]); 5] = [
        ("host", &["22", "8006"]),
        ("a", &["22", "80"]),
        ("b", &["22"]),
        ("nas", &["445"]),
        (
            "net",
            &[
                "22",
                "25",
                "53",
                "udp:9.9.9.9:53",
                "80",
                "443",
                "465",
                "587",
            ],
        ),
    ];
    let start = |(name, ports): (&str, &[&str])| {
        let (server, _) = started(name, &[&["serve", name], ports].concat())?;
        Ok(server)
    };
    all.into_iter().map(start).collect()
}

/// The server for datagrams, and what it says.
fn receiver() -> Result<(Server, Receiver<String>)> {
    let (server, output) = started("net", &["receive", "9999"])?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    Ok((server, receiver))
}

/// Starts a server in a namespace and waits until it serves.
fn started(namespace: &str, arguments: &[&str]) -> Result<(Server, BufReader<ChildStdout>)> {
    let mut server = in_namespace(namespace, arguments)?
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start a server")?;
    let mut output = BufReader::new(server.stdout.take().expect("its output is piped"));
    let mut line = String::new();
    output.read_line(&mut line)?;
    if line.trim() != "ready" {
        bail!("a server in {namespace} did not start");
    }
    Ok((Server(server), output))
}

fn by_gateway() -> Result<bool> {
    for (name, other) in [("a", "10.64.0.11"), ("b", "10.64.0.10")] {
        sh(&format!("ip -n {name} route add {other}/32 via {GATEWAY}"))?;
    }
    let open = try_way("a", &["tcp", "10.64.0.11:22", "b"])?;
    for (name, other) in [("a", "10.64.0.11"), ("b", "10.64.0.10")] {
        sh(&format!("ip -n {name} route del {other}/32"))?;
    }
    Ok(open)
}

fn claim(source: &str, datagrams: &Receiver<String>) -> Result<bool> {
    sh(&format!("ip -n b addr add {source}/32 dev eth0"))?;
    run_in("b", &["send", source, RECEIVER, source])?;
    let arrived = datagrams
        .recv_timeout(PATIENCE)
        .is_ok_and(|text| text == source);
    sh(&format!("ip -n b addr del {source}/32 dev eth0"))?;
    Ok(arrived)
}

fn takeover(stage: Stage) -> Result<bool> {
    let [(_, victim, ..), _] = TENANTS;
    let way_in = format!("{victim}:22");
    if !try_way("host", &["tcp", &way_in, "a"])? {
        bail!(
            "the host does not reach {victim} in the first place ({})",
            stage.name
        );
    }
    sh(&format!("ip -n b addr add {victim}/32 dev eth0"))?;
    // Having forgotten the gateway, `b` asks for it with the address as its own, and the host learns.
    for _ in 0..3 {
        sh("ip -n b neigh flush dev eth0")?;
        run_in("b", &["send", victim, &format!("{GATEWAY}:9"), "here"])?;
    }
    try_way("host", &["tcp", &way_in, "b"])
}

/// A neighbour has room all the same.
fn flood(datagrams: &Receiver<String>) -> Result<bool> {
    let [_, (_, flooder, ..)] = TENANTS;
    run_in("b", &["flood", flooder, RECEIVER, "one more"])?;
    let arrived = datagrams
        .recv_timeout(PATIENCE)
        .is_ok_and(|text| text == "one more");
    if !try_way("a", &["tcp", "203.0.113.9:443", "net"])? {
        bail!("a tenant has no room beside one that floods");
    }
    Ok(arrived)
}

fn in_namespace(namespace: &str, arguments: &[&str]) -> Result<Command> {
    let this = std::env::current_exe().context("where this program is")?;
    let mut command = if namespace == "host" {
        Command::new(&this)
    } else {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]).arg(&this);
        command
    };
    command.arg("fence").args(arguments);
    Ok(command)
}

fn try_way(namespace: &str, arguments: &[&str]) -> Result<bool> {
    let status = in_namespace(namespace, arguments)?
        .status()
        .context("cannot try a way")?;
    match status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => bail!("a try ended with {status}"),
    }
}

fn run_in(namespace: &str, arguments: &[&str]) -> Result<()> {
    let status = in_namespace(namespace, arguments)?
        .status()
        .context("cannot send")?;
    if !status.success() {
        bail!("{arguments:?} in {namespace} failed ({status})");
    }
    Ok(())
}

fn sysctl(name: &str, value: &str) -> Result<()> {
    std::fs::write(format!("/proc/sys/{name}"), value).with_context(|| format!("cannot set {name}"))
}

fn nft(rules: &str) -> Result<()> {
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

fn sh(script: &str) -> Result<()> {
    let status = Command::new("sh")
        .args(["-ec", script])
        .stdin(Stdio::null())
        .status()?;
    if !status.success() {
        bail!("the lab cannot be built: `{script}` failed ({status})");
    }
    Ok(())
}

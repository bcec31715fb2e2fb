//! The lab, inside namespaces of its own. Its first namespace is the host, with a bridge for the
//! tenants `a` and `b`, and a bridge to the LAN. The others are a file server `nas`, the machine
//! `proxy` that `GUEST_SSH_SOURCE` names, and `net`, the router, which also stands for the
//! internet.

pub mod network;
mod processes;

use std::io::Read as _;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::cases::{CASES, FenceVariant, TrafficPath};
use network::{GATEWAY, TENANTS, run_script};
use processes::{run_in, try_path};

/// The target of datagrams with claimed sources.
const RECEIVER: &str = "203.0.113.9:9999";
/// How long a datagram may take.
const PROBE_TIMEOUT: Duration = Duration::from_millis(900);

/// Builds the lab, tries every path and prints for each case whether it is open.
pub fn run(variant: FenceVariant) -> Result<()> {
    let mut table = String::new();
    std::io::stdin()
        .read_to_string(&mut table)
        .context("the table")?;
    network::build(variant)?;
    if variant.table {
        network::load_nft(&table)?;
    }
    let _servers = processes::servers()?;
    let (_receiver, datagrams) = processes::receiver()?;
    // Probes that change nothing run side by side.
    thread::scope(|scope| {
        let tries = CASES.iter().enumerate().filter_map(|(number, case)| {
            let arguments = match case.path {
                TrafficPath::Tcp {
                    from,
                    address,
                    name,
                } => (from, "tcp", address, name),
                TrafficPath::Udp {
                    from,
                    address,
                    name,
                } => (from, "udp", address, name),
                _ => return None,
            };
            Some(scope.spawn(move || {
                let (from, kind, address, name) = arguments;
                try_path(from, &[kind, address, name]).map(|open| say(number, open))
            }))
        });
        let tries: Vec<_> = tries.collect();
        tries
            .into_iter()
            .try_for_each(|one| one.join().expect("a try does not panic"))
    })?;
    for (number, case) in CASES.iter().enumerate() {
        match case.path {
            TrafficPath::ByGateway => say(number, by_gateway()?),
            TrafficPath::Claim(source) => say(number, claim(source, &datagrams)?),
            TrafficPath::Takeover => say(number, takeover(variant)?),
            TrafficPath::Flood => say(number, flood(&datagrams)?),
            TrafficPath::Tcp { .. } | TrafficPath::Udp { .. } => {}
        }
    }
    Ok(())
}

fn say(case: usize, open: bool) {
    println!("{case} {}", if open { "open" } else { "closed" });
}

fn by_gateway() -> Result<bool> {
    for (name, other) in [("a", "10.64.0.11"), ("b", "10.64.0.10")] {
        run_script(&format!("ip -n {name} route add {other}/32 via {GATEWAY}"))?;
    }
    let open = try_path("a", &["tcp", "10.64.0.11:22", "b"])?;
    for (name, other) in [("a", "10.64.0.11"), ("b", "10.64.0.10")] {
        run_script(&format!("ip -n {name} route del {other}/32"))?;
    }
    Ok(open)
}

fn claim(source: &str, datagrams: &Receiver<String>) -> Result<bool> {
    run_script(&format!("ip -n b addr add {source}/32 dev eth0"))?;
    run_in("b", &["send", source, RECEIVER, source])?;
    let arrived = datagrams
        .recv_timeout(PROBE_TIMEOUT)
        .is_ok_and(|text| text == source);
    run_script(&format!("ip -n b addr del {source}/32 dev eth0"))?;
    Ok(arrived)
}

fn takeover(variant: FenceVariant) -> Result<bool> {
    let [(_, victim, ..), _] = TENANTS;
    let way_in = format!("{victim}:22");
    if !try_path("host", &["tcp", &way_in, "a"])? {
        bail!(
            "the host does not reach {victim} in the first place ({})",
            variant.name
        );
    }
    run_script(&format!("ip -n b addr add {victim}/32 dev eth0"))?;
    // Having forgotten the gateway, `b` asks for it with the address as its own, and the host
    // learns.
    for _ in 0..3 {
        run_script("ip -n b neigh flush dev eth0")?;
        run_in("b", &["send", victim, &format!("{GATEWAY}:9"), "here"])?;
    }
    try_path("host", &["tcp", &way_in, "b"])
}

/// Fills the connection limit of the tenant `b`. A neighbour still has connections left.
fn flood(datagrams: &Receiver<String>) -> Result<bool> {
    let [_, (_, flooder, ..)] = TENANTS;
    run_in("b", &["flood", flooder, RECEIVER, "one more"])?;
    let arrived = datagrams
        .recv_timeout(PROBE_TIMEOUT)
        .is_ok_and(|text| text == "one more");
    if !try_path("a", &["tcp", "203.0.113.9:443", "net"])? {
        bail!("a tenant has no room beside one that floods");
    }
    Ok(arrived)
}

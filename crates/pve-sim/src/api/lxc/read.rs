//! The methods that read containers: list, status, configuration, addresses, history.

use serde_json::{Value, json};

use crate::api::MethodCall;
use crate::response::HandlerResult;
use crate::world::World;
use crate::world::container::Container;

/// Bytes of memory that a running container uses.
pub(crate) fn memory_used(container: &Container) -> u64 {
    (container.memory_mib() << 20) / 8
}

/// `GET /nodes/{node}/lxc`: the containers that the caller may see, with current figures.
pub(crate) fn list(call: &MethodCall<'_>) -> HandlerResult {
    let world = call.world();
    let list: Value = world
        .containers
        .values()
        .filter(|one| one.node == call.node)
        .filter(|one| {
            let path = format!("/vms/{}", one.vmid);
            world.access.allows(call.authid(), &path, &["VM.Audit"])
        })
        .map(|one| status_of(call, &world, one))
        .collect();
    Ok(list.into())
}

/// `GET …/status/current`.
pub(crate) fn current(call: &MethodCall<'_>) -> HandlerResult {
    let world = call.world();
    let mut entry = status_of(call, &world, call.container(&world)?);
    entry["ha"] = match world.ha.get(&call.vmid()).filter(|one| one.managed()) {
        Some(resource) => json!({"managed": 1, "state": resource.state}),
        None => json!({"managed": 0}),
    };
    Ok(entry.into())
}

fn status_of(call: &MethodCall<'_>, world: &World, container: &Container) -> Value {
    let running = container.running();
    let now = call.cluster.clock.now();
    let uptime = container
        .running_since
        .map_or(0, |since| (now - since).max(0.0) as u64);
    let [netin, netout] = container.meter.traffic(now);
    let live = |value: u64| if running { value } else { 0 };
    let cores = container.number("cores").filter(|cores| *cores > 0);
    // With a limit but no cores Proxmox shows the limit, which it stores as text.
    let cpus = match (cores, container.text("cpulimit")) {
        (Some(cores), _) => json!(cores),
        (None, Some(limit)) if limit != "0" => json!(limit),
        _ => json!(call.cluster.config.node.cores),
    };
    let mut entry = json!({
        "vmid": container.vmid,
        "type": "lxc",
        "status": container.status(),
        "name": container.hostname(),
        "cpus": cpus,
        "cpu": if running { 0.0021 } else { 0.0 },
        "mem": live(memory_used(container)),
        "maxmem": container.memory_mib() << 20,
        "swap": 0,
        "maxswap": container.swap_mib() << 20,
        "disk": live(container.disk_bytes() / 10),
        "maxdisk": container.disk_bytes(),
        "netin": live(netin),
        "netout": live(netout),
        "diskread": live(uptime * 1024),
        "diskwrite": live(uptime * 512),
        "uptime": uptime,
    });
    if running {
        entry["pid"] = json!(container.pid);
        for kind in [
            "cpusome",
            "cpufull",
            "iosome",
            "iofull",
            "memorysome",
            "memoryfull",
        ] {
            let figures = world.pressure.get(&container.vmid);
            let percent = figures.and_then(|figures| figures.get(kind)).copied();
            let text = format!("{:.2}", percent.unwrap_or_default());
            entry[format!("pressure{kind}")] = json!(text);
        }
    }
    if container.flag("template") {
        entry["template"] = json!(1);
    }
    for key in ["lock", "tags"] {
        if let Some(text) = container.text(key) {
            entry[key] = json!(text);
        }
    }
    entry
}

/// `GET …/config`.
pub(crate) fn config(call: &MethodCall<'_>) -> HandlerResult {
    let world = call.world();
    let container = call.container(&world)?;
    let mut entry = json!(container.config);
    if let Some(text) = container.text("description") {
        // The file keeps it as comment lines, and the last one ends as well.
        entry["description"] = json!(format!("{}\n", text.trim_end_matches('\n')));
    }
    entry["digest"] = json!(container.digest());
    Ok(entry.into())
}

/// `GET …/interfaces`: nothing while stopped, then loopback, then a link-local address, then an
/// IPv4 one.
pub(crate) fn interfaces(call: &MethodCall<'_>) -> HandlerResult {
    let world = call.world();
    let container = call.container(&world)?;
    let Some(since) = container.running_since else {
        return Ok(Value::Null.into());
    };
    let clock = &call.cluster.clock;
    let up_for = clock.now() - since;
    let delay = clock
        .scaled(call.cluster.config.address_delay)
        .as_secs_f64();
    let mut list = vec![interface(
        "lo",
        "00:00:00:00:00:00",
        &[("inet", "127.0.0.1/8"), ("inet6", "::1/128")],
    )];
    if let Some(mac) = container.mac() {
        let link_local = link_local(&mac);
        let claimed = world.claimed_addresses.get(&container.vmid).cloned();
        let ipv4 = claimed.or_else(|| container.ipv4(up_for, delay));
        let mut addresses = Vec::new();
        if let Some(address) = &ipv4 {
            addresses.push(("inet", address.as_str()));
        }
        if up_for >= delay / 3.0 || ipv4.is_some() {
            addresses.push(("inet6", link_local.as_str()));
        }
        list.push(interface("eth0", &mac.to_lowercase(), &addresses));
    }
    let more = world.more_interfaces.get(&container.vmid);
    list.extend(
        more.into_iter()
            .flatten()
            .map(|one| interface(&one.name, &one.mac, &[("inet", one.address.as_str())])),
    );
    Ok(Value::from(list).into())
}

fn interface(name: &str, mac: &str, addresses: &[(&str, &str)]) -> Value {
    let mut entry = json!({"name": name, "hwaddr": mac, "hardware-address": mac});
    let all: Value = addresses
        .iter()
        .map(|(kind, address)| {
            let (ip, prefix) = address.split_once('/').unwrap_or((address, "32"));
            let prefix: u8 = prefix.parse().unwrap_or(32);
            json!({"ip-address-type": kind, "ip-address": ip, "prefix": prefix})
        })
        .collect();
    for (kind, address) in addresses {
        entry[*kind] = json!(address);
    }
    entry["ip-addresses"] = all;
    entry
}

/// The address that IPv6 derives from a MAC address.
fn link_local(mac: &str) -> String {
    let bytes: Vec<u8> = mac
        .split(':')
        .filter_map(|part| u8::from_str_radix(part, 16).ok())
        .collect();
    let [a, b, c, d, e, f] = bytes[..] else {
        return "fe80::1/64".into();
    };
    format!(
        "fe80::{:x}{b:02x}:{c:02x}ff:fe{d:02x}:{e:x}{f:02x}/64",
        a ^ 2
    )
}

/// `GET …/rrddata`: what the number has used, also by containers that had it before and are gone.
/// Whether a container has the number now is not checked.
pub(crate) fn rrd(call: &MethodCall<'_>) -> HandlerResult {
    let minutes = match call.params().text("timeframe") {
        Some("hour") => 1,
        Some("day") => 30,
        Some("week") => 180,
        Some("month") => 720,
        _ => 10_080,
    };
    let history = call.world().history(call.vmid());
    let now = call.cluster.clock.seconds();
    Ok(history.samples(now, minutes * 60, 70).into())
}

//! The network of tenants: its addresses, and the fence around it.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use service::env::Env;

use super::variables;
use crate::store::AddressPool;

/// The longest prefix of a network for tenants: 13 addresses beside the gateway's.
const MAX_PREFIX: u8 = 28;
const MIN_PREFIX: u8 = 8;
/// The longest name of a security group.
const MAX_GROUP: usize = 18;

/// The network that containers are attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkConfig {
    /// The addresses that the service gives to containers; none where a DHCP server does:
    /// `PVE_NETWORK`.
    pub subnet: Option<Ipv4Net>,
    /// The containers' router, where the service gives them addresses: `PVE_GATEWAY`.
    pub gateway: Option<Ipv4Addr>,
    /// The containers' name servers, where the service gives them addresses: `PVE_NAMESERVERS`.
    pub nameservers: Vec<IpAddr>,
    /// The VLAN of the containers' interfaces: `PVE_VLAN`.
    pub vlan: Option<u16>,
    /// Mbit/s that a container may send and receive for each core; 0 is no limit:
    /// `PVE_RATE_MBIT_PER_CORE`.
    pub rate_mbit_per_core: u32,
    /// The security group of the datacenter that holds the rules for tenants: `PVE_SECURITY_GROUP`.
    pub group: String,
    /// The address or network from which customers' SSH connections reach containers:
    /// `GUEST_SSH_SOURCE`.
    pub ssh_source: Option<IpNet>,
    /// What happens to a lease that cannot be fenced: `PVE_FENCE`.
    pub fence: FencePolicy,
}

/// What happens to a lease that cannot be fenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FencePolicy {
    /// The lease is refused before money moves.
    Required,
    /// The lease is sold; doctor, log and catalogue warn.
    Warn,
}

impl NetworkConfig {
    pub(super) fn read(env: &mut Env) -> Self {
        let subnet = subnet(env);
        let gateway = gateway(env, subnet);
        Self {
            subnet,
            gateway,
            nameservers: nameservers(env),
            vlan: vlan(env),
            rate_mbit_per_core: env.read_in(&variables::PVE_RATE_MBIT_PER_CORE, 0..=100_000),
            group: group(env),
            ssh_source: ssh_source(env),
            fence: fence(env, subnet),
        }
    }
}

impl NetworkConfig {
    /// The addresses that containers may get; `None` where a DHCP server gives them.
    pub(super) fn address_pool(&self) -> Option<AddressPool> {
        let (subnet, gateway) = self.subnet.zip(self.gateway)?;
        let servers = self.nameservers.iter().copied().map(IpNet::from);
        // A source as large as the network leaves no address, and doctor warns of it.
        let source = self.ssh_source.filter(|source| {
            matches!(source, IpNet::V4(source) if source.prefix_len() > subnet.prefix_len())
        });
        let router = IpNet::from(IpAddr::V4(gateway));
        let first = subnet.network().to_bits() + 1;
        let last = subnet.broadcast().to_bits() - 1;
        Some(AddressPool {
            range: Ipv4Addr::from_bits(first)..=Ipv4Addr::from_bits(last),
            others: servers.chain(source).chain([router]).collect(),
        })
    }
}

fn subnet(env: &mut Env) -> Option<Ipv4Net> {
    let text = env.find_text(&variables::PVE_NETWORK)?;
    let parsed: Option<Ipv4Net> = text.parse().ok();
    let Some(subnet) = parsed.filter(|subnet| subnet.addr() == subnet.network()) else {
        env.reject(
            &variables::PVE_NETWORK,
            "is no IPv4 network (ADDRESS/PREFIX)",
        );
        return None;
    };
    if !(MIN_PREFIX..=MAX_PREFIX).contains(&subnet.prefix_len()) {
        let what = "is too small or too large: the prefix has to be from /8 to /28";
        env.reject(&variables::PVE_NETWORK, what);
        return None;
    }
    Some(subnet)
}

fn gateway(env: &mut Env, subnet: Option<Ipv4Net>) -> Option<Ipv4Addr> {
    let set: Option<Ipv4Addr> = env.find(&variables::PVE_GATEWAY);
    let Some(subnet) = subnet else {
        if set.is_some() {
            env.reject(&variables::PVE_GATEWAY, "is set, but PVE_NETWORK is not");
        }
        return None;
    };
    let gateway = set.or_else(|| subnet.hosts().next())?;
    let inside =
        subnet.contains(&gateway) && gateway != subnet.network() && gateway != subnet.broadcast();
    if !inside {
        env.reject(&variables::PVE_GATEWAY, "is no address inside PVE_NETWORK");
        return None;
    }
    Some(gateway)
}

fn nameservers(env: &mut Env) -> Vec<IpAddr> {
    let mut servers = Vec::new();
    for text in env.read_list(&variables::PVE_NAMESERVERS) {
        match text.parse() {
            Ok(server) => servers.push(server),
            Err(_) => env.reject(
                &variables::PVE_NAMESERVERS,
                "has an entry that is no address",
            ),
        }
    }
    servers
}

fn vlan(env: &mut Env) -> Option<u16> {
    let vlan: u16 = env.find(&variables::PVE_VLAN)?;
    if !(1..=4094).contains(&vlan) {
        env.reject(&variables::PVE_VLAN, "is no VLAN from 1 to 4094");
    }
    Some(vlan)
}

fn group(env: &mut Env) -> String {
    let group = env.read_text(&variables::PVE_SECURITY_GROUP);
    let mut letters = group.chars();
    let named = letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|other| other.is_ascii_alphanumeric() || matches!(other, '-' | '_'));
    if !named || group.len() > MAX_GROUP {
        let what =
            "is no name of a security group: a letter, then letters, digits, - and _, 18 at most";
        env.reject(&variables::PVE_SECURITY_GROUP, what);
    }
    group
}

fn ssh_source(env: &mut Env) -> Option<IpNet> {
    let text = env.find_text(&variables::GUEST_SSH_SOURCE)?;
    let network = text.parse::<IpNet>().map(|network| network.trunc());
    let source = network.or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    if source.is_err() {
        env.reject(
            &variables::GUEST_SSH_SOURCE,
            "is neither an address nor a network",
        );
    }
    source.ok()
}

fn fence(env: &mut Env, subnet: Option<Ipv4Net>) -> FencePolicy {
    let own = if subnet.is_some() {
        FencePolicy::Required
    } else {
        FencePolicy::Warn
    };
    match env.find_text(&variables::PVE_FENCE).as_deref() {
        None => own,
        Some("required") => FencePolicy::Required,
        Some("warn") => FencePolicy::Warn,
        Some(_) => {
            env.reject(&variables::PVE_FENCE, "is neither required nor warn");
            own
        }
    }
}

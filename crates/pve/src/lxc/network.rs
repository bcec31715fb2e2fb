//! `net0` of a container: what is written when it is made, and the reader for what is stored, so
//! that one part can be changed while the others stay. Goes to `create` and to
//! [`Client::set_network`].

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::client::Client;
use crate::error::Error;
use crate::ids::{NodeName, Vmid};

use super::config::ContainerConfig;

/// A network interface of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its name inside the container, `eth0` when made here.
    pub name: String,
    /// The node's bridge, such as `vmbr0`, or a VNet.
    pub bridge: String,
    /// Where its address comes from.
    pub ip: IpSetting,
    /// Proxmox's firewall applies to it.
    pub firewall: bool,
    /// The VLAN, 1 to 4094.
    pub vlan: Option<u16>,
    /// A limit for each direction.
    pub rate: Option<Rate>,
    /// The cable is unplugged: the interface is there, and is on no bridge.
    pub link_down: bool,
    /// Its MAC address. A change without it gets a random one, and the interface is made anew.
    pub hwaddr: Option<String>,
    /// Parts that are written as they were read, such as `type` or `mtu`; none when made here.
    pub other: Vec<(String, String)>,
}

/// Where an address comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IpSetting {
    /// From the network.
    Dhcp,
    /// Set inside the container.
    Manual,
    /// Not said, which Proxmox treats as `Manual`.
    Unset,
    /// Fixed.
    Static {
        /// The address.
        address: IpAddr,
        /// The length of the network's prefix.
        prefix: u8,
        /// The router.
        gateway: Option<IpAddr>,
    },
}

/// A bandwidth in Proxmox's megabytes (2^20 bytes) per second; finite and above zero.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Rate(f64);

/// No NaN is ever in it.
impl Eq for Rate {}

/// Bytes in a megabyte as Proxmox counts `rate`.
const MB: f64 = 1_048_576.0;

impl Rate {
    /// `None` unless the number is finite and above zero.
    pub fn from_mb_per_s(megabytes: f64) -> Option<Self> {
        (megabytes.is_finite() && megabytes > 0.0).then_some(Self(megabytes))
    }

    /// `None` for zero, which Proxmox would read as no limit.
    pub fn from_bytes_per_s(bytes: u64) -> Option<Self> {
        Self::from_mb_per_s(bytes as f64 / MB)
    }

    /// Megabytes (2^20 bytes) per second.
    pub fn mb_per_s(self) -> f64 {
        self.0
    }

    /// Whole bytes per second, as Proxmox rounds them.
    pub fn bytes_per_s(self) -> u64 {
        (self.0 * MB) as u64
    }
}

/// As Proxmox takes it: decimal digits, never an exponent.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A part of a stored network that makes no sense to us.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the network's `{part}` is not understood")]
pub struct InvalidNetwork {
    /// The name of the part, such as `ip`.
    pub part: String,
}

fn invalid(part: &str) -> InvalidNetwork {
    InvalidNetwork {
        part: part.to_owned(),
    }
}

impl Network {
    /// An interface on a bridge that asks for its address.
    pub fn dhcp(bridge: impl Into<String>) -> Self {
        Self::new(bridge, IpSetting::Dhcp)
    }

    /// An interface on a bridge with a fixed address. Such a container gets the host's name servers
    /// unless others are named.
    pub fn fixed(
        bridge: impl Into<String>,
        address: IpAddr,
        prefix: u8,
        gateway: Option<IpAddr>,
    ) -> Self {
        let ip = IpSetting::Static {
            address,
            prefix,
            gateway,
        };
        Self::new(bridge, ip)
    }

    fn new(bridge: impl Into<String>, ip: IpSetting) -> Self {
        Self {
            name: "eth0".to_owned(),
            bridge: bridge.into(),
            ip,
            firewall: false,
            vlan: None,
            rate: None,
            link_down: false,
            hwaddr: None,
            other: Vec::new(),
        }
    }

    /// Proxmox's property string.
    pub fn to_property(&self) -> String {
        let mut text = format!("name={},bridge={}", self.name, self.bridge);
        let mut add = |key: &str, value: &str| {
            text.push_str(&format!(",{key}={value}"));
        };
        if let Some(hwaddr) = &self.hwaddr {
            add("hwaddr", hwaddr);
        }
        match &self.ip {
            IpSetting::Dhcp => add("ip", "dhcp"),
            IpSetting::Manual => add("ip", "manual"),
            IpSetting::Unset => {}
            IpSetting::Static {
                address,
                prefix,
                gateway,
            } => {
                let six = if address.is_ipv6() { "6" } else { "" };
                add(&format!("ip{six}"), &format!("{address}/{prefix}"));
                if let Some(gateway) = gateway {
                    add(&format!("gw{six}"), &gateway.to_string());
                }
            }
        }
        if self.firewall {
            add("firewall", "1");
        }
        if let Some(vlan) = self.vlan {
            add("tag", &vlan.to_string());
        }
        if let Some(rate) = self.rate {
            add("rate", &rate.to_string());
        }
        if self.link_down {
            add("link_down", "1");
        }
        for (key, value) in &self.other {
            add(key, value);
        }
        text
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), InvalidNetwork> {
        match key {
            "name" => value.clone_into(&mut self.name),
            "bridge" => value.clone_into(&mut self.bridge),
            "hwaddr" => self.hwaddr = Some(value.to_owned()),
            "firewall" => self.firewall = switch(value).ok_or_else(|| invalid(key))?,
            "link_down" => self.link_down = switch(value).ok_or_else(|| invalid(key))?,
            "tag" => self.vlan = Some(value.parse().map_err(|_| invalid(key))?),
            "rate" => {
                let megabytes: f64 = value.parse().map_err(|_| invalid(key))?;
                self.rate = Rate::from_mb_per_s(megabytes);
                // Zero means no limit.
                if self.rate.is_none() && megabytes != 0.0 {
                    return Err(invalid(key));
                }
            }
            _ => self.other.push((key.to_owned(), value.to_owned())),
        }
        Ok(())
    }

    /// Finds the address among the parts. That of IPv4 goes first, and that of IPv6 stays as it is.
    fn take_address(&mut self) -> Result<(), InvalidNetwork> {
        match self.take("ip").as_deref() {
            Some("dhcp") => self.ip = IpSetting::Dhcp,
            Some("manual") => self.ip = IpSetting::Manual,
            Some(fixed) => self.ip = self.fixed_address("ip", fixed, "gw")?,
            None => {
                let six = self.other.iter().find(|(key, _)| key == "ip6");
                let fixed = six.map(|(_, value)| value.clone());
                if let Some(fixed) = fixed.filter(|value| value.contains('/')) {
                    self.take("ip6");
                    self.ip = self.fixed_address("ip6", &fixed, "gw6")?;
                }
            }
        }
        Ok(())
    }

    fn fixed_address(
        &mut self,
        part: &str,
        text: &str,
        router: &str,
    ) -> Result<IpSetting, InvalidNetwork> {
        let (address, prefix) = text.split_once('/').ok_or_else(|| invalid(part))?;
        let address: IpAddr = address.parse().map_err(|_| invalid(part))?;
        let prefix: u8 = prefix.parse().map_err(|_| invalid(part))?;
        let longest = if address.is_ipv6() { 128 } else { 32 };
        if prefix > longest || address.is_ipv6() != (part == "ip6") {
            return Err(invalid(part));
        }
        let gateway = match self.take(router) {
            Some(text) => Some(text.parse().map_err(|_| invalid(router))?),
            None => None,
        };
        Ok(IpSetting::Static {
            address,
            prefix,
            gateway,
        })
    }

    fn take(&mut self, key: &str) -> Option<String> {
        let at = self.other.iter().position(|(name, _)| name == key)?;
        Some(self.other.remove(at).1)
    }
}

/// Reads a stored network; parts that are not known here are kept and written again.
impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let mut network = Self::new(String::new(), IpSetting::Unset);
        let mut seen = BTreeSet::new();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let (key, value) = part.split_once('=').ok_or_else(|| invalid(part))?;
            let (key, value) = (key.trim(), value.trim());
            if value.is_empty() || !seen.insert(key) {
                return Err(invalid(key));
            }
            network.set(key, value)?;
        }
        for required in ["name", "bridge"] {
            if !seen.contains(required) {
                return Err(invalid(required));
            }
        }
        network.take_address()?;
        Ok(network)
    }
}

/// Inside a property string booleans may be spelled out.
fn switch(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "on" | "yes" | "true" => Some(true),
        "0" | "off" | "no" | "false" => Some(false),
        _ => None,
    }
}

impl ContainerConfig {
    /// The container's first network interface, `None` where it has none.
    ///
    /// # Errors
    /// A part of it is not understood, so that it could not be written again as it is.
    pub fn net0(&self) -> Result<Option<Network>, InvalidNetwork> {
        match self.other.get("net0").and_then(|value| value.as_str()) {
            Some(text) => text.parse().map(Some),
            None => Ok(None),
        }
    }
}

impl Client {
    /// Replaces the first network interface, live where the container runs. Read it by
    /// [`ContainerConfig::net0`] first and change parts of that: without its `hwaddr` the interface
    /// gets another MAC address and is made anew, which ends every connection. With the `digest` of
    /// the configuration the change is refused if it was changed meanwhile.
    ///
    /// # Errors
    /// See [`Error`]; [`crate::Refusal::Locked`] while another operation holds the container.
    pub async fn set_net0(
        &self,
        node: &NodeName,
        vmid: Vmid,
        network: &Network,
        digest: Option<&str>,
    ) -> Result<(), Error> {
        let text = network.to_property();
        let mut changes = vec![("net0", text.as_str())];
        changes.extend(digest.map(|digest| ("digest", digest)));
        self.update_config(node, vmid, &changes).await
    }
}

#[cfg(test)]
mod tests;

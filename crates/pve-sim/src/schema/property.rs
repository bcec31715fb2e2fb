//! Property strings: the comma separated `key=value` lists of `net0`, `rootfs`, `mp0` and
//! `features`, with Proxmox's texts for what is wrong in them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::json;

use super::check::value_of;
use super::{Param, ParamKind, optional, required};

const NET: &[Param] = &[
    optional("bridge", ParamKind::Text(1, 20)),
    optional("firewall", ParamKind::Bool),
    optional("gw", ParamKind::Format(64, ipv4)),
    optional("gw6", ParamKind::Format(64, ipv6)),
    optional("host-managed", ParamKind::Bool),
    optional("hwaddr", ParamKind::Format(32, unicast_mac)),
    optional("ip", ParamKind::Format(64, ipv4_config)),
    optional("ip6", ParamKind::Format(64, ipv6_config)),
    optional("link_down", ParamKind::Bool),
    optional("mtu", ParamKind::Int(64, 65535)),
    required("name", ParamKind::Text(1, 15)),
    optional("rate", ParamKind::Number(0.0, f64::MAX)),
    optional("tag", ParamKind::Int(1, 4094)),
    optional("trunks", ParamKind::Text(1, 255)),
    optional("type", ParamKind::OneOf(&["veth"])),
];

const VOLUME: &[Param] = &[
    required("volume", ParamKind::Text(1, 255)),
    optional("acl", ParamKind::Bool),
    optional("backup", ParamKind::Bool),
    optional("mountoptions", ParamKind::Text(0, 255)),
    optional("mp", ParamKind::Text(1, 255)),
    optional("quota", ParamKind::Bool),
    optional("replicate", ParamKind::Bool),
    optional("ro", ParamKind::Bool),
    optional("shared", ParamKind::Bool),
    optional("size", ParamKind::Text(1, 32)),
];

const FEATURES: &[Param] = &[
    optional("force_rw_sys", ParamKind::Bool),
    optional("fuse", ParamKind::Bool),
    optional("keyctl", ParamKind::Bool),
    optional("mknod", ParamKind::Bool),
    optional("mount", ParamKind::Text(0, 255)),
    optional("nesting", ParamKind::Bool),
];

/// Whether a `netN` value is well-formed.
pub(crate) fn net(text: &str) -> Result<(), String> {
    parse(text, NET, None, "net").map(|_| ())
}

/// Whether a `rootfs` or `mpN` value is well-formed.
pub(crate) fn volume(text: &str) -> Result<(), String> {
    parse(text, VOLUME, Some("volume"), "rootfs").map(|_| ())
}

/// Whether a `features` value is well-formed.
pub(crate) fn features(text: &str) -> Result<(), String> {
    parse(text, FEATURES, None, "features").map(|_| ())
}

/// Keys and values of a well-formed property string; a value without a key goes under the empty
/// key.
pub(crate) fn pairs(text: &str) -> BTreeMap<&str, &str> {
    text.split(',')
        .filter(|part| !part.trim().is_empty())
        .map(|part| part.split_once('=').unwrap_or(("", part)))
        .collect()
}

/// Whether a switch inside a property string is on.
pub(crate) fn is_on(value: &str) -> bool {
    matches!(
        value.to_ascii_lowercase().as_str(),
        "1" | "on" | "yes" | "true"
    )
}

/// A property string with another value for one key; the others stay, and in their order.
pub(crate) fn replace(text: &str, key: &str, value: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut found = false;
    for part in text.split(',').filter(|part| !part.trim().is_empty()) {
        let same = part.split_once('=').is_some_and(|(name, _)| name == key);
        found |= same;
        parts.push(match same {
            true => format!("{key}={value}"),
            false => part.to_owned(),
        });
    }
    if !found {
        parts.push(format!("{key}={value}"));
    }
    parts.join(",")
}

fn parse(
    text: &str,
    schema: &[Param],
    default_key: Option<&str>,
    path: &str,
) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    for part in text.split(',').filter(|part| !part.trim().is_empty()) {
        let (key, value) = match (part.split_once('='), default_key) {
            (Some((key, value)), _) if !key.is_empty() && !value.is_empty() => (key, value),
            (Some(_), _) => return Err("missing key in comma-separated list property".into()),
            (None, Some(key)) => (key, part),
            (None, None) => {
                return Err("value without key, but schema does not define a default key".into());
            }
        };
        let Some(param) = schema.iter().find(|param| param.name == key) else {
            return Err(format!(
                "invalid key in comma-separated list property: {key}"
            ));
        };
        // Inside a property string booleans may be spelled out.
        let value = match (param.kind, value.to_ascii_lowercase().as_str()) {
            (ParamKind::Bool, "1" | "on" | "yes" | "true") => "1",
            (ParamKind::Bool, "0" | "off" | "no" | "false") => "0",
            _ => value,
        };
        if found.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(format!(
                "duplicate key in comma-separated list property: {key}"
            ));
        }
    }
    let mut problems = Vec::new();
    for param in schema {
        match found.get(param.name) {
            Some(value) => {
                if let Err(text) = value_of(param.kind, &json!(value)) {
                    problems.push(format!("{path}.{}: {}", param.name, text.trim_end()));
                }
            }
            None if param.required => problems.push(format!(
                "{path}.{}: property is missing and it is not optional",
                param.name
            )),
            None => {}
        }
    }
    if problems.is_empty() {
        Ok(found)
    } else {
        Err(format!("format error\n{}", problems.join("\n")))
    }
}

fn ipv4(text: &str) -> Result<(), String> {
    text.parse::<Ipv4Addr>()
        .map(|_| ())
        .map_err(|_| "value does not look like a valid IPv4 address".into())
}

fn ipv6(text: &str) -> Result<(), String> {
    text.parse::<Ipv6Addr>()
        .map(|_| ())
        .map_err(|_| "value does not look like a valid IPv6 address".into())
}

fn ipv4_config(text: &str) -> Result<(), String> {
    if matches!(text, "dhcp" | "manual") || cidr(text, 32).is_some_and(|ip| ip.is_ipv4()) {
        return Ok(());
    }
    Err("value does not look like a valid ipv4 network configuration".into())
}

fn ipv6_config(text: &str) -> Result<(), String> {
    if matches!(text, "auto" | "dhcp" | "manual") || cidr(text, 128).is_some_and(|ip| ip.is_ipv6())
    {
        return Ok(());
    }
    Err("value does not look like a valid ipv6 network configuration".into())
}

fn cidr(text: &str, longest: u8) -> Option<IpAddr> {
    let (address, prefix) = text.split_once('/')?;
    let prefix: u8 = prefix.parse().ok()?;
    let address = address.parse().ok()?;
    (1..=longest).contains(&prefix).then_some(address)
}

fn unicast_mac(text: &str) -> Result<(), String> {
    let parts: Vec<&str> = text.split(':').collect();
    let valid = parts.len() == 6
        && parts
            .iter()
            .all(|part| part.len() == 2 && u8::from_str_radix(part, 16).is_ok())
        && u8::from_str_radix(parts[0], 16).is_ok_and(|first| first & 1 == 0);
    if valid {
        Ok(())
    } else {
        Err("value does not look like a valid unicast MAC address".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_without_a_name_is_refused() {
        assert_eq!(
            net("bridge=vmbr0,ip=dhcp").unwrap_err(),
            "format error\nnet.name: property is missing and it is not optional"
        );
        assert_eq!(
            net("name=eth0,bridge=vmbr0,ip=10.0.0.2/24,gw=10.0.0.1"),
            Ok(())
        );
    }

    #[test]
    fn a_key_that_does_not_exist_is_named() {
        assert_eq!(
            net("name=eth0,speed=9").unwrap_err(),
            "invalid key in comma-separated list property: speed"
        );
        assert!(net("name=eth0,hwaddr=01:00:00:00:00:00").is_err());
        assert!(net("name=eth0,ip=10.0.0.2").is_err());
    }

    #[test]
    fn booleans_may_be_spelled_out_inside() {
        assert_eq!(features("nesting=on"), Ok(()));
        assert!(features("nesting=maybe").is_err());
    }

    #[test]
    fn a_volume_may_come_without_its_key() {
        assert_eq!(volume("local-lvm:8"), Ok(()));
        assert!(volume("size=4G").is_err());
    }
}

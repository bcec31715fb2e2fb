//! Validation of a rule (`PVE::Firewall::verify_rule`), with Proxmox's texts.

use std::net::IpAddr;

use serde_json::json;

use crate::response::ErrorResponse;
use crate::world::firewall::Rule;

/// Protocols that have ports; the others that are known have none.
const WITH_PORTS: &[&str] = &["tcp", "udp", "udplite", "sctp", "dccp"];
const WITHOUT_PORTS: &[&str] = &["icmp", "icmpv6", "ipv6-icmp", "esp", "ah", "gre", "igmp"];

/// The macros that the simulator knows; Proxmox has about a hundred.
const MACROS: &[&str] = &[
    "DHCPfwd",
    "DNS",
    "HTTP",
    "HTTPS",
    "IMAP",
    "IMAPS",
    "NTP",
    "Ping",
    "SMTP",
    "SMTPS",
    "Submission",
    "SSH",
];

/// Names of ports that the simulator knows.
const SERVICES: &[&str] = &["domain", "http", "https", "smtp", "ssh", "submission"];

/// The level of a rule, which decides what directions and interfaces it may name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum RuleLevel {
    Guest,
    Group,
}

/// Checks a rule and stores the IP version of its addresses.
pub(super) fn verify(rule: &mut Rule, level: RuleLevel) -> Result<(), ErrorResponse> {
    let text = |name: &str| rule.get(name).and_then(|value| value.as_str());
    let wrong = |name: &str, why: &str| Err(ErrorResponse::parameter(name, why));
    let kind = text("type").unwrap_or_default();
    let action = text("action").unwrap_or_default();
    let (allowed, env): (&[&str], _) = match level {
        RuleLevel::Guest => (&["in", "out", "group"], "ct"),
        RuleLevel::Group => (&["in", "out", "forward"], "group"),
    };
    if !allowed.contains(&kind) {
        let why = format!("invalid rule type '{kind}' for rule_env '{env}'");
        return wrong("type", &why);
    }
    if kind != "group" && !matches!(action, "ACCEPT" | "DROP" | "REJECT") {
        return wrong("action", &format!("unknown action '{action}'"));
    }
    if let Some(iface) = text("iface") {
        let number = iface.strip_prefix("net").map(str::parse::<u32>);
        if level == RuleLevel::Guest && !matches!(number, Some(Ok(_))) {
            return wrong("iface", "value does not match the regex pattern 'net\\d+'");
        }
    }
    if let Some(name) = text("macro").filter(|name| !MACROS.contains(name)) {
        return wrong("macro", &format!("unknown macro '{name}'"));
    }
    for ports in ["dport", "sport"] {
        if text(ports).is_none() {
            continue;
        }
        match text("proto") {
            None => {
                let why = format!("missing property - '{ports}' requires this property");
                return wrong("proto", &why);
            }
            Some(proto) if !WITH_PORTS.contains(&proto) => {
                let why = format!("protocol '{proto}' does not support ports");
                return wrong(ports, &why);
            }
            Some(_) => {}
        }
    }
    let mut version = match text("proto") {
        Some("icmp") => Some(4),
        Some("icmpv6" | "ipv6-icmp") => Some(6),
        _ => None,
    };
    for end in ["source", "dest"] {
        let Some(list) = text(end) else { continue };
        if let Some(set) = list.strip_prefix('+') {
            return wrong(end, &format!("no such ipset '{set}'"));
        }
        let theirs = addresses(list).map_err(|why| ErrorResponse::parameter(end, why))?;
        match (version, theirs) {
            (_, None) => return wrong(end, &format!("no such alias '{list}'")),
            (Some(one), Some(other)) if one != other => {
                return wrong(end, "detected mixed ipv4/ipv6 addresses in rule");
            }
            _ => version = theirs,
        }
    }
    if let Some(version) = version {
        rule.insert("ipversion".into(), json!(version));
    }
    Ok(())
}

/// `pve-fw-protocol-spec`.
pub(super) fn protocol(text: &str) -> Result<(), String> {
    let known = WITH_PORTS.contains(&text) || WITHOUT_PORTS.contains(&text);
    match known || text.parse::<u8>().is_ok() {
        true => Ok(()),
        false => Err(format!("unknown protocol '{text}'")),
    }
}

/// `pve-fw-dport-spec` and `pve-fw-sport-spec`.
pub(super) fn ports(text: &str) -> Result<(), String> {
    let number = |text: &str| match text.parse::<u16>() {
        Ok(port) => Ok(port),
        Err(_) => Err(format!("invalid port '{text}'")),
    };
    let mut count = 0;
    for item in text.split(',') {
        if item.is_empty() {
            return Err("extraneous commas in list".into());
        }
        if let Some((low, high)) = item.split_once(':') {
            count += 2;
            if number(low)? > number(high)? {
                return Err(format!(
                    "backwards range '{low}:{high}' not allowed, did you mean '{high}:{low}'?"
                ));
            }
        } else if !SERVICES.contains(&item) {
            count += 1;
            number(item)?;
        }
    }
    match count > 15 {
        true => Err("too many entries in port list (> 15 numbers)".into()),
        false => Ok(()),
    }
}

/// `pve-fw-addr-spec`.
pub(super) fn address_spec(text: &str) -> Result<(), String> {
    addresses(text).map(|_| ())
}

/// The IP version of a list; none for a set or an alias.
fn addresses(text: &str) -> Result<Option<u8>, String> {
    let is_alias = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_/".contains(&byte));
    if text.starts_with('+') || is_alias {
        return Ok(None);
    }
    let mut version = None;
    for item in text.split(',') {
        if item.is_empty() {
            return Err("extraneous commas in list".into());
        }
        let theirs = network(item).ok_or_else(|| format!("invalid IP address: '{item}'"))?;
        if version.is_some_and(|version| version != theirs) {
            return Err(format!(
                "detected mixed ipv4/ipv6 addresses in address list '{text}'"
            ));
        }
        version = Some(theirs);
        if item.contains('-') && text.contains(',') {
            return Err("you can't use a range in a list".into());
        }
    }
    Ok(version)
}

/// The version of an address, a range, or a network without bits behind its prefix.
fn network(text: &str) -> Option<u8> {
    let version = |ip: IpAddr| if ip.is_ipv4() { 4 } else { 6 };
    if let Some((first, last)) = text.split_once('-') {
        let (first, last): (IpAddr, IpAddr) = (first.parse().ok()?, last.parse().ok()?);
        let ordered = first.is_ipv4() == last.is_ipv4() && first <= last;
        return ordered.then(|| version(first));
    }
    let Some((ip, prefix)) = text.split_once('/') else {
        return text.parse().ok().map(version);
    };
    let ip: IpAddr = ip.parse().ok()?;
    let prefix: u32 = prefix.parse().ok()?;
    let (bits, length) = match ip {
        IpAddr::V4(ip) => (u128::from(ip.to_bits()), 32_u32),
        IpAddr::V6(ip) => (ip.to_bits(), 128),
    };
    let behind = length.checked_sub(prefix)?;
    let clean = bits.checked_shr(behind).unwrap_or(0);
    let clean = clean.checked_shl(behind).unwrap_or(0) == bits;
    clean.then(|| version(ip))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_lists_of_one_version_without_host_bits() {
        for (text, version) in [
            ("10.0.0.0/8,172.16.0.0/12,192.168.0.0/16", Some(4)),
            ("2000::/3,fc00::/7", Some(6)),
            ("0.0.0.0/0", Some(4)),
            ("10.0.0.1-10.0.0.9", Some(4)),
            ("dc/lan", None),
            ("+dc/known", None),
        ] {
            assert_eq!(addresses(text), Ok(version), "{text}");
        }
        for bad in [
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0.0/8,,",
            "10.0.0.9-10.0.0.1",
            "10.0.0.0/8,fc00::/7",
            "10.0.0.1-10.0.0.9,10.1.0.0/16",
            "300.1.1.1",
            "",
        ] {
            assert!(addresses(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ports_are_few_and_in_order() {
        for good in ["25", "25,465,587", "6660:6669,ssh"] {
            assert_eq!(ports(good), Ok(()), "{good}");
        }
        let many = vec!["1"; 16].join(",");
        for bad in ["", "70000", "20:10", "25,,26", "no-such", many.as_str()] {
            assert!(ports(bad).is_err(), "{bad}");
        }
    }
}

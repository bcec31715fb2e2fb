//! Reads `authorized_keys` as OpenSSH does: options in front of a key, of which those that this
//! server can honour are known; a key with any other is refused.

use std::net::IpAddr;

use russh::keys::PublicKey;

/// What a key's line permits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyOptions {
    pub(super) terminal: bool,
    pub(super) forwarding: bool,
    /// Where forwarded connections may go; none named means anywhere. No port means every port.
    pub(super) open_to: Vec<(String, Option<u16>)>,
    /// Addresses that may use the key; none named means all.
    from: Option<Vec<String>>,
    /// Runs in the place of what the client asks for.
    pub(super) command: Option<String>,
}

impl Default for KeyOptions {
    fn default() -> Self {
        Self {
            terminal: true,
            forwarding: true,
            open_to: Vec::new(),
            from: None,
            command: None,
        }
    }
}

impl KeyOptions {
    /// Whether a connection to this place may be forwarded.
    pub(super) fn may_open(&self, host: &str, port: u16) -> bool {
        let fits = |(allowed, only): &(String, Option<u16>)| {
            (allowed == "*" || allowed == host) && only.is_none_or(|only| only == port)
        };
        self.forwarding && (self.open_to.is_empty() || self.open_to.iter().any(fits))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut options = Self::default();
        for option in split(text, ',') {
            options.set(option)?;
        }
        Some(options)
    }

    fn set(&mut self, option: &str) -> Option<()> {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(unquote(value)?)),
            None => (option, None),
        };
        match (name.to_ascii_lowercase().as_str(), value) {
            ("restrict", None) => (self.terminal, self.forwarding) = (false, false),
            ("pty", None) => self.terminal = true,
            ("no-pty", None) => self.terminal = false,
            ("port-forwarding", None) => self.forwarding = true,
            ("no-port-forwarding", None) => self.forwarding = false,
            // None of these exists here.
            (
                "agent-forwarding"
                | "no-agent-forwarding"
                | "x11-forwarding"
                | "no-x11-forwarding"
                | "user-rc"
                | "no-user-rc",
                None,
            ) => {}
            ("permitlisten", Some(_)) => {}
            ("permitopen", Some(place)) => self.open_to.push(parse_place(&place)?),
            ("from", Some(list)) => {
                self.from = Some(list.split(',').map(str::to_owned).collect());
            }
            ("command", Some(command)) => self.command = Some(command),
            _ => return None,
        }
        Some(())
    }

    fn accepts(&self, peer: IpAddr) -> bool {
        let Some(patterns) = &self.from else {
            return true;
        };
        let mut accepted = false;
        for pattern in patterns {
            match pattern.strip_prefix('!') {
                Some(pattern) if fits(pattern, peer) => return false,
                Some(_) => {}
                None => accepted |= fits(pattern, peer),
            }
        }
        accepted
    }
}

/// What the line of this key permits a client from this address; `None` if there is no such line.
pub(super) fn find(text: &str, key: &PublicKey, peer: IpAddr) -> Option<KeyOptions> {
    text.lines().find_map(|line| {
        let (options, listed) = parse_line(line)?;
        (listed.key_data() == key.key_data() && options.accepts(peer)).then_some(options)
    })
}

/// Whether a line holds a public key, as `ssh-keygen -l` finds it: with or without options.
pub(crate) fn is_key(line: &str) -> bool {
    key_in(line.trim()).is_some()
}

fn parse_line(line: &str) -> Option<(KeyOptions, PublicKey)> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let (options, key) = key_in(line)?;
    Some((KeyOptions::parse(options)?, key))
}

/// The text of the options, and the key.
fn key_in(line: &str) -> Option<(&str, PublicKey)> {
    if let Ok(key) = PublicKey::from_openssh(line) {
        return Some(("", key));
    }
    let options = split(line, ' ').next()?;
    let key = PublicKey::from_openssh(line[options.len()..].trim_start()).ok()?;
    Some((options, key))
}

/// Parts between separators that are not inside of double quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |one: char| {
        match one {
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = one == '\\' && !escaped;
        !quoted && (one == separator || separator == ' ' && one == '\t')
    })
    .filter(|part| !part.is_empty())
}

fn unquote(value: &str) -> Option<String> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    Some(inner.replace("\\\"", "\""))
}

/// `host:port`, `[address]:port` or `host:*`.
fn parse_place(place: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = place.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = match port {
        "*" => None,
        port => Some(port.parse().ok()?),
    };
    Some((host.to_owned(), port))
}

/// Whether an address fits a literal, a pattern with `*` and `?`, or a network.
fn fits(pattern: &str, peer: IpAddr) -> bool {
    if let Some((network, length)) = pattern.split_once('/') {
        return in_network(network, length, peer).unwrap_or(false);
    }
    matches(pattern.as_bytes(), peer.to_string().as_bytes())
}

fn in_network(network: &str, length: &str, peer: IpAddr) -> Option<bool> {
    let length: u32 = length.parse().ok()?;
    let (network, peer, bits) = match (network.parse().ok()?, peer) {
        (IpAddr::V4(network), IpAddr::V4(peer)) => (
            u128::from(network.to_bits()),
            u128::from(peer.to_bits()),
            32,
        ),
        (IpAddr::V6(network), IpAddr::V6(peer)) => (network.to_bits(), peer.to_bits(), 128),
        _ => return Some(false),
    };
    let free = u32::checked_sub(bits, length)?;
    let cut = |address: u128| address.checked_shr(free).unwrap_or(0);
    Some(cut(network) == cut(peer))
}

fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            matches(rest, text) || !text.is_empty() && matches(pattern, &text[1..])
        }
        (Some((b'?', pattern)), Some((_, text))) => matches(pattern, text),
        (Some((one, pattern)), Some((other, text))) => one == other && matches(pattern, text),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use russh::keys::{Algorithm, PrivateKey};

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn key() -> PublicKey {
        let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519);
        key.unwrap().public_key().clone()
    }

    fn line(options: &str, key: &PublicKey) -> String {
        format!("{options} {} someone\n", key.to_openssh().unwrap())
    }

    #[test]
    fn the_services_line_permits_terminals_and_connections_to_the_container_itself() {
        let own = key();
        let text = line(
            "restrict,pty,port-forwarding,permitopen=\"localhost:*\",permitopen=\"127.0.0.1:80\",\
             from=\"10.1.2.3,127.0.0.1\"",
            &own,
        );
        assert!(is_key(&text));
        let options = find(&text, &own, HERE).unwrap();
        assert!(options.terminal && options.may_open("localhost", 22));
        assert!(options.may_open("127.0.0.1", 80) && !options.may_open("127.0.0.1", 81));
        assert!(!options.may_open("10.0.0.1", 80));
        assert_eq!(find(&text, &key(), HERE), None);
        assert_eq!(find(&text, &own, "10.1.2.4".parse().unwrap()), None);
    }

    #[test]
    fn a_restricted_key_may_neither_have_a_terminal_nor_forward() {
        let own = key();
        let options = find(&line("restrict", &own), &own, HERE).unwrap();
        assert!(!options.terminal && !options.may_open("localhost", 80));
        let plain = find(&line("", &own), &own, HERE).unwrap();
        assert!(plain.terminal && plain.may_open("10.0.0.1", 80));
    }

    #[test]
    fn a_comment_or_an_option_that_is_not_known_is_no_key() {
        let own = key();
        for bad in [
            "#",
            "nonsense",
            "command=unquoted",
            "permitopen=\"nowhere\"",
        ] {
            assert_eq!(find(&line(bad, &own), &own, HERE), None, "{bad}");
        }
        assert!(!is_key("ssh-ed25519 nonsense") && !is_key("") && !is_key("restrict"));
    }

    #[test]
    fn a_command_may_hold_blanks_commas_and_quotes() {
        let own = key();
        let text = line("command=\"echo \\\"a, b\\\"\",no-pty", &own);
        let options = find(&text, &own, HERE).unwrap();
        assert_eq!(options.command.as_deref(), Some("echo \"a, b\""));
        assert!(!options.terminal);
    }

    #[test]
    fn from_takes_patterns_networks_and_exceptions() {
        let own = key();
        for (from, accepted) in [
            ("127.*", true),
            ("127.0.0.0/8", true),
            ("10.0.0.0/8", false),
            ("*,!127.0.0.1", false),
            ("127.0.0.?", true),
            ("0.0.0.0/0", true),
        ] {
            let text = line(&format!("from=\"{from}\""), &own);
            assert_eq!(find(&text, &own, HERE).is_some(), accepted, "{from}");
        }
    }
}

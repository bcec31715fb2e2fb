//! A container's network as the toy sees it: addresses and a default route, which its `ip` changes, and whether a connection is
//! answered, which the simulated host decides ([`Outside`]). Each session begins with the configured address.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::interpret::{Machine, Report};

/// The host's side of a container's interface.
pub(crate) trait Outside: Send + Sync {
    /// The address that the container was given.
    fn address(&self) -> Option<Ipv4Addr>;
    /// Whether what the container sends with this address gets out, and is answered.
    fn lets_out(&self, source: Ipv4Addr) -> bool;
}

/// The container's side.
pub(super) struct Network {
    outside: Arc<dyn Outside>,
    addresses: Vec<Ipv4Addr>,
    /// The source that the default route names.
    source: Option<Ipv4Addr>,
}

/// Programs that need a network; without one the toy has none of them.
const PROGRAMS: [&str; 3] = ["bash", "ip", "timeout"];

impl Network {
    pub(super) fn new(outside: Arc<dyn Outside>) -> Self {
        Self {
            addresses: outside.address().into_iter().collect(),
            source: None,
            outside,
        }
    }

    fn source(&self) -> Option<Ipv4Addr> {
        self.source.or_else(|| self.addresses.first().copied())
    }

    /// `ip`, as far as it is known here.
    fn ip(&mut self, arguments: &[&str]) -> i32 {
        let address = |text: &str| text.trim_end_matches("/32").parse::<Ipv4Addr>().ok();
        match arguments {
            ["addr", "add", one, "dev", "eth0"] => match address(one) {
                Some(one) if !self.addresses.contains(&one) => {
                    self.addresses.push(one);
                    0
                }
                _ => 2,
            },
            ["addr", "del", one, "dev", "eth0"] => {
                let before = self.addresses.len();
                let one = address(one);
                self.addresses.retain(|own| Some(*own) != one);
                if self.addresses.len() < before { 0 } else { 2 }
            }
            [
                "route",
                "replace",
                "default",
                "via",
                _,
                "dev",
                "eth0",
                "src",
                source,
            ] => {
                match address(source).filter(|source| self.addresses.contains(source)) {
                    Some(source) => {
                        self.source = Some(source);
                        0
                    }
                    // RTNETLINK answers: Invalid argument
                    None => 2,
                }
            }
            _ => 255,
        }
    }

    /// `exec 3<> /dev/tcp/HOST/PORT`
    fn connects(&self, script: &str) -> bool {
        script.starts_with("exec 3<> /dev/tcp/")
            && self
                .source()
                .is_some_and(|source| self.outside.lets_out(source))
    }
}

/// Runs one of the programs that need a network; `None` for all others.
pub(super) fn run(
    machine: &mut Machine,
    name: &str,
    rest: &[&str],
    report: &mut Report,
) -> Option<i32> {
    let network = machine.network.as_mut()?;
    let code = match (name, rest) {
        ("command", ["-v", wanted]) if PROGRAMS.contains(wanted) => {
            report
                .stdout
                .extend(format!("/usr/bin/{wanted}\n").into_bytes());
            0
        }
        ("command", _) => 127,
        ("ip", arguments) => network.ip(arguments),
        ("timeout", [_, "bash", "-c", script]) | ("bash", ["-c", script]) => {
            // An end by `timeout` is 124; the time is not let pass.
            if network.connects(script) { 0 } else { 124 }
        }
        _ => return None,
    };
    Some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Ipv4Addr = Ipv4Addr::new(10, 64, 0, 2);

    struct OwnOnly;

    impl Outside for OwnOnly {
        fn address(&self) -> Option<Ipv4Addr> {
            Some(OWN)
        }

        fn lets_out(&self, source: Ipv4Addr) -> bool {
            source == OWN
        }
    }

    fn said(machine: &mut Machine, script: &str) -> String {
        String::from_utf8(machine.script(script).stdout).unwrap()
    }

    #[test]
    fn what_is_sent_has_the_source_of_the_route() {
        let mut machine = Machine::new("web");
        let attempt =
            "timeout 5 bash -c 'exec 3<> /dev/tcp/example.com/443' && echo yes || echo no";
        assert_eq!(said(&mut machine, attempt), "no\n", "without a network");
        machine.network = Some(Network::new(Arc::new(OwnOnly)));
        assert_eq!(said(&mut machine, attempt), "yes\n");
        let route = "ip route replace default via 10.64.0.1 dev eth0 src 10.64.0.9 && echo routed";
        assert_eq!(said(&mut machine, route), "", "not its address yet");
        let claim = format!("ip addr add 10.64.0.9/32 dev eth0 && {route}");
        assert_eq!(said(&mut machine, &claim), "routed\n");
        assert_eq!(said(&mut machine, attempt), "no\n");
        let back = "ip route replace default via 10.64.0.1 dev eth0 src 10.64.0.2; ip addr del 10.64.0.9/32 dev eth0";
        assert_eq!(said(&mut machine, back), "");
        assert_eq!(said(&mut machine, attempt), "yes\n");
    }
}

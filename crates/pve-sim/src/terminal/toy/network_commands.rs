//! The toy's programs for a network.

use super::machine::{Machine, Report};

/// Programs that need a network; without one the toy has none of them.
const PROGRAMS: [&str; 3] = ["bash", "ip", "timeout"];

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
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use super::super::network::{Network, Outside};
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

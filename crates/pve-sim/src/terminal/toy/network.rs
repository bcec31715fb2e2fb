//! A container's network as the toy sees it: addresses and a default route, which its `ip` changes, and whether a connection is
//! answered, which the simulated host decides ([`Outside`]). Each session begins with the configured address.

use std::net::Ipv4Addr;
use std::sync::Arc;

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
    pub(super) fn ip(&mut self, arguments: &[&str]) -> i32 {
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
    pub(super) fn connects(&self, script: &str) -> bool {
        script.starts_with("exec 3<> /dev/tcp/")
            && self
                .source()
                .is_some_and(|source| self.outside.lets_out(source))
    }
}

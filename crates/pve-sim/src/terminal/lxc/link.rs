//! The link between this host and a real container: a pair of network interfaces with two
//! addresses of a network for benchmarks (RFC 2544), which no host routes. The kernel removes both
//! when the container stops. There is no route beyond it.

use std::io;
use std::net::Ipv4Addr;
use std::process::Command;

use super::{program_at, run};
use crate::encoding;

/// The first address of 198.18.0.0/15.
const FIRST: u32 = u32::from_be_bytes([198, 18, 0, 0]);

/// One of the 32,768 links that can be on a host. Its interface has the link's number in its name,
/// so that two containers cannot have the same.
pub(super) struct Link(u16);

impl Link {
    pub(super) fn any() -> Self {
        Self(u16::from_be_bytes(encoding::random::<2>()) & 0x7fff)
    }

    fn address(&self, of_four: u32) -> Ipv4Addr {
        Ipv4Addr::from(FIRST + u32::from(self.0) * 4 + of_four)
    }

    fn outside(&self) -> Ipv4Addr {
        self.address(1)
    }

    /// The container's address.
    pub(super) fn inside(&self) -> Ipv4Addr {
        self.address(2)
    }

    /// The name of the host's end.
    fn name(&self) -> String {
        format!("i402sim{}", self.0)
    }

    /// The lines of a container's configuration.
    pub(super) fn configuration(&self) -> String {
        format!(
            "lxc.net.0.type = veth
lxc.net.0.name = eth0
lxc.net.0.veth.pair = {}
lxc.net.0.flags = up
lxc.net.0.ipv4.address = {}/30
",
            self.name(),
            self.inside()
        )
    }

    /// Sets the host's end up, once the container runs.
    ///
    /// # Errors
    /// The host's program `ip` is missing or fails.
    pub(super) fn raise(&self) -> io::Result<()> {
        let ip = program_at("ip")?;
        let address = format!("{}/30", self.outside());
        let name = self.name();
        run(Command::new(&ip).args(["address", "add", &address, "dev", &name]))?;
        run(Command::new(&ip).args(["link", "set", "dev", &name, "up"]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_have_addresses_and_names_of_their_own() {
        let (first, last) = (Link(0), Link(0x7fff));
        assert_eq!(first.outside(), Ipv4Addr::new(198, 18, 0, 1));
        assert_eq!(first.inside(), Ipv4Addr::new(198, 18, 0, 2));
        assert_eq!(last.inside(), Ipv4Addr::new(198, 19, 255, 254));
        // Linux takes fifteen bytes.
        assert_eq!(last.name(), "i402sim32767");
        assert!(last.name().len() <= 15);
    }
}

//! Whether this machine's clock agrees with the host's. A payment is valid between two timestamps,
//! which are compared with this machine's clock.

use std::time::UNIX_EPOCH;

use pve::HostProbe;
use service::clock::Clock;

use super::Finding;

/// Seconds that may pass between the host's reading of its clock and this machine's.
const TOLERATED: u64 = 30;

/// Compares the clocks, if the host tells its time.
pub(super) fn examine(seen: Option<&HostProbe>, clock: &dyn Clock) -> Option<Finding> {
    const EXPECTED: &str = "this machine's clock agrees with the Proxmox host's";
    let host = seen?.date?.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let ours = clock.unix_seconds();
    let apart = host.abs_diff(ours);
    if apart <= TOLERATED {
        return Some(Finding::ok("time", EXPECTED, "it does"));
    }
    let where_to = if ours > host { "ahead" } else { "behind" };
    let found = format!("it is {apart} seconds {where_to}; payments are valid for minutes only");
    Some(
        Finding::warning("time", EXPECTED, found)
            .mend("timedatectl set-ntp true  # on the machine whose clock is wrong")
            .mend("timedatectl timesync-status; date -u  # on both"),
    )
}

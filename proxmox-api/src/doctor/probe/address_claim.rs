//! Whether a container can send with an address that is not its own. The guests' firewall has to
//! close that, which the bridge's table cannot. It is switched on for the container, as for a
//! leased one, and a free address is claimed from inside. No other machine answers to that address,
//! so a response comes back only where the claim gets out. The same path has to be open with the
//! container's own address before and after: otherwise silence shows nothing.

use std::net::Ipv4Addr;
use std::time::Duration;

use pve::{NodeName, Vmid};
use tokio::time::sleep;

use super::{CHECK, Finding, containers::ProbeContainers, paths};
use crate::{lease::network::fence, proxmox::Proxmox};

/// A server that is reached while another address is claimed.
#[derive(Debug, Clone)]
pub struct AddressClaim {
    /// An address or a name that answers on the port.
    pub host: String,
    /// The port.
    pub port: u16,
    /// How long the host's firewall takes to load the container's rules.
    pub settles: Duration,
}

/// The addresses of the check.
pub(super) struct ClaimAddresses {
    pub(super) own: Ipv4Addr,
    /// An address that no container has or gets meanwhile.
    pub(super) other: Ipv4Addr,
    pub(super) gateway: Ipv4Addr,
}

/// Switches the guests' firewall on for a container and claims the other address from inside.
///
/// # Errors
/// The container's firewall cannot be set, or it does not answer.
pub(super) async fn examine(
    proxmox: &Proxmox,
    containers: &ProbeContainers<'_>,
    (node, vmid): (&NodeName, Vmid),
    addresses: &ClaimAddresses,
    claim: &AddressClaim,
) -> Result<Finding, String> {
    let set = fence::apply(proxmox, node, vmid).await;
    set.map_err(|error| error.safe_text())?;
    sleep(claim.settles).await;
    let output = containers
        .run_script(node, vmid, script(addresses, claim))
        .await?;
    let expected = format!(
        "from a container on {node}, packets with another's address as their source do not get out"
    );
    let not_tried = |why: &str| {
        Finding::warning(CHECK, &expected, format!("not tried: {why}")).mend(
            "proxmox-api doctor --probe  # again, with Debian's template first in PVE_OS_TEMPLATE",
        )
    };
    Ok(match read_output(&output) {
        SpoofResult::NotTried(why) => not_tried(why),
        SpoofResult::Closed => Finding::ok(CHECK, &expected, "they do not"),
        SpoofResult::Open => match fence::guest_firewall_gap(proxmox, node).await {
            Ok(Some(gap)) => {
                let found = "they do: the guests' firewall does not act";
                Finding::warning(CHECK, &expected, found).mend(gap.mend())
            }
            Ok(None) => Finding::error(
                CHECK,
                &expected,
                "they do, although the guests' firewall looks as if it acted",
            )
            .mend(format!(
                "pve-firewall status; pve-firewall compile | grep {vmid}  # on {node}"
            )),
            Err(error) => Finding::error(CHECK, &expected, "they do").mend(error.safe_text()),
        },
    })
}

/// The script, for any shell. It restores the own address before the last attempt.
fn script(addresses: &ClaimAddresses, claim: &AddressClaim) -> String {
    let ClaimAddresses {
        own,
        other,
        gateway,
    } = addresses;
    let AddressClaim { host, port, .. } = claim;
    let timeout = paths::CONNECT_TIMEOUT_SECONDS;
    let attempt = |name: &str| {
        format!(
            "timeout {timeout} bash -c 'exec 3<> /dev/tcp/{host}/{port}' 2> /dev/null && \
             echo '{name} reached' || echo '{name} silent'\n"
        )
    };
    let route =
        |source: &Ipv4Addr| format!("ip route replace default via {gateway} dev eth0 src {source}");
    format!(
        "command -v ip > /dev/null && command -v timeout > /dev/null && command -v bash > /dev/null \
         && echo tools\n\
         {}\
         ip addr add {other}/32 dev eth0 && {} && echo claimed\n\
         {}\
         {}; ip addr del {other}/32 dev eth0\n\
         {}",
        attempt("before"),
        route(other),
        attempt("claim"),
        route(own),
        attempt("after"),
    )
}

#[derive(Debug, PartialEq, Eq)]
enum SpoofResult {
    Open,
    Closed,
    NotTried(&'static str),
}

fn read_output(output: &str) -> SpoofResult {
    let has = |line: &str| output.lines().any(|output| output.trim() == line);
    if !has("tools") {
        return SpoofResult::NotTried("the template lacks ip, bash or timeout");
    }
    if !has("before reached") {
        return SpoofResult::NotTried("nothing is reached with the container's own address either");
    }
    if !has("claimed") {
        return SpoofResult::NotTried("the container cannot take another address");
    }
    if has("claim reached") {
        return SpoofResult::Open;
    }
    match has("claim silent") && has("after reached") {
        true => SpoofResult::Closed,
        false => SpoofResult::NotTried("the container's network went away meanwhile"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_silence_between_two_answers_counts_as_closed() {
        let result = |parts: &[&str]| read_output(&parts.join("\r\n"));
        let all = [
            "tools",
            "before reached",
            "claimed",
            "claim silent",
            "after reached",
        ];
        assert_eq!(result(&all), SpoofResult::Closed);
        for missing in 0..all.len() {
            let mut parts = all.to_vec();
            parts.remove(missing);
            assert!(
                matches!(result(&parts), SpoofResult::NotTried(_)),
                "{parts:?}"
            );
        }
        let mut parts = all;
        parts[3] = "claim reached";
        assert_eq!(result(&parts), SpoofResult::Open);
        // What got out did, whatever came later.
        assert_eq!(result(&parts[..4]), SpoofResult::Open);
        parts[1] = "before silent";
        assert!(matches!(result(&parts), SpoofResult::NotTried(_)));
    }
}

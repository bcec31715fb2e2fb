//! Whether a container can send with an address that is not its own: the guests' firewall has to close that, which the
//! bridge's table cannot. It is switched on for the container, as for a leased one, and a free address is claimed from
//! inside; nobody else answers to it, so that an answer comes back where the claim gets out. The same way has to be open with
//! the container's own address before and after, else its being closed shows nothing.

use std::net::Ipv4Addr;
use std::time::Duration;

use pve::{NodeName, Vmid};
use tokio::time::sleep;

use super::{CHECK, Finding, guests::Guests, ways};
use crate::{lease::network::fence, proxmox::Proxmox};

/// What is tried.
#[derive(Debug, Clone)]
pub struct Claim {
    /// An address or a name that answers on the port.
    pub host: String,
    /// The port.
    pub port: u16,
    /// How long the host's firewall takes until it knows the container's rules.
    pub settles: Duration,
}

/// The addresses of a try.
pub(super) struct Addresses {
    pub(super) own: Ipv4Addr,
    /// Nobody's, and nobody gets it meanwhile.
    pub(super) other: Ipv4Addr,
    pub(super) gateway: Ipv4Addr,
}

/// Claims the other address from inside a container that runs outside of the guests' firewall until now.
///
/// # Errors
/// The container's firewall cannot be set, or it does not answer.
pub(super) async fn examine(
    proxmox: &Proxmox,
    guests: &Guests<'_>,
    (node, vmid): (&NodeName, Vmid),
    addresses: &Addresses,
    claim: &Claim,
) -> Result<Finding, String> {
    let set = fence::apply(proxmox, node, vmid).await;
    set.map_err(|error| error.safe_text())?;
    sleep(claim.settles).await;
    let said = guests.says(node, vmid, script(addresses, claim)).await?;
    let expected = format!(
        "from a container on {node}, packets with another's address as their source do not get out"
    );
    let not_tried = |why: &str| {
        Finding::warning(CHECK, &expected, format!("not tried: {why}")).mend(
            "proxmox-api doctor --probe  # again, with Debian's template first in PVE_OS_TEMPLATE",
        )
    };
    Ok(match outcome(&said) {
        Outcome::NotTried(why) => not_tried(why),
        Outcome::Closed => Finding::ok(CHECK, &expected, "they do not"),
        Outcome::Open => match fence::guest_firewall_gap(proxmox, node).await {
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

/// In words that each shell knows. The own address is put back before the last try.
fn script(addresses: &Addresses, claim: &Claim) -> String {
    let Addresses {
        own,
        other,
        gateway,
    } = addresses;
    let Claim { host, port, .. } = claim;
    let patience = ways::PATIENCE;
    let attempt = |name: &str| {
        format!(
            "timeout {patience} bash -c 'exec 3<> /dev/tcp/{host}/{port}' 2> /dev/null && \
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
enum Outcome {
    Open,
    Closed,
    NotTried(&'static str),
}

fn outcome(said: &str) -> Outcome {
    let has = |line: &str| said.lines().any(|said| said.trim() == line);
    if !has("tools") {
        return Outcome::NotTried("the template lacks ip, bash or timeout");
    }
    if !has("before reached") {
        return Outcome::NotTried("nothing is reached with the container's own address either");
    }
    if !has("claimed") {
        return Outcome::NotTried("the container cannot take another address");
    }
    if has("claim reached") {
        return Outcome::Open;
    }
    match has("claim silent") && has("after reached") {
        true => Outcome::Closed,
        false => Outcome::NotTried("the container's network went away meanwhile"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_silence_between_two_answers_counts_as_closed() {
        let said = |parts: &[&str]| outcome(&parts.join("\r\n"));
        let all = [
            "tools",
            "before reached",
            "claimed",
            "claim silent",
            "after reached",
        ];
        assert_eq!(said(&all), Outcome::Closed);
        for missing in 0..all.len() {
            let mut parts = all.to_vec();
            parts.remove(missing);
            assert!(matches!(said(&parts), Outcome::NotTried(_)), "{parts:?}");
        }
        let mut parts = all;
        parts[3] = "claim reached";
        assert_eq!(said(&parts), Outcome::Open);
        // What got out did, whatever came later.
        assert_eq!(said(&parts[..4]), Outcome::Open);
        parts[1] = "before silent";
        assert!(matches!(said(&parts), Outcome::NotTried(_)));
    }
}

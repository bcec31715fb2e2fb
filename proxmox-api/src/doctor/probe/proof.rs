//! Stores the outcome of a probe, which the service reads before it sells a lease.

use pve::NodeName;
use service::clock::Clock;

use super::{CHECK, Finding, prepare::ProbeNetwork};
use crate::{
    lease::network::fence::{FenceProof, PROVEN},
    store::Store,
};

/// Stores the proof, which counts until another probe disproves it.
pub(super) async fn store(
    store: &Store,
    network: &ProbeNetwork,
    nodes: Vec<NodeName>,
    is_proven: bool,
    clock: &dyn Clock,
) -> Finding {
    let expected = "the outcome is stored for the service";
    let proof = FenceProof {
        bridge: network.bridge.clone(),
        network: network.subnet.to_string(),
        vlan: network.vlan,
        nodes,
        at: clock.unix_time(),
    };
    let value = match is_proven {
        true => serde_json::to_string(&proof).unwrap_or_default(),
        false => "{}".to_owned(),
    };
    match store.set_installation_value(PROVEN, value).await {
        Ok(_) if is_proven => {
            let found = format!(
                "the table on {} fences {} in: leases need no other fence",
                network.bridge, network.subnet
            );
            Finding::ok(CHECK, expected, found)
        }
        Ok(_) => Finding::warning(
            CHECK,
            expected,
            "the fence is not proven, and the service knows",
        )
        .mend("proxmox-api doctor --probe  # again, when the errors are mended"),
        Err(error) => Finding::error(CHECK, expected, error.to_string()).mend("proxmox-api doctor"),
    }
}

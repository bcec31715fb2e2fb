//! `/cluster/sdn`: the zones and virtual networks that an account may see.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::MethodCall;
use crate::response::HandlerResult;
use crate::schema::{Param, ParamKind, optional};

pub(super) const LIST: &[Param] = &[
    optional("pending", ParamKind::Bool),
    optional("running", ParamKind::Bool),
];

/// `SDN.Use` alone shows neither of the two lists.
const VISIBLE: &[&str] = &["SDN.Audit", "SDN.Allocate"];

/// `GET /cluster/sdn/vnets`.
pub(super) fn vnets(call: &MethodCall<'_>) -> HandlerResult {
    let world = call.world();
    let access = &world.access;
    let visible = |vnet: &str| {
        let path = access.bridge_path(vnet);
        access.check_any(call.authid(), &path, VISIBLE).is_ok()
    };
    let list: Value = access
        .zones
        .iter()
        .filter(|(vnet, _)| visible(vnet))
        .map(|(vnet, zone)| json!({"vnet": vnet, "zone": zone, "type": "vnet", "digest": "0"}))
        .collect();
    Ok(list.into())
}

/// `GET /cluster/sdn/zones`.
pub(super) fn zones(call: &MethodCall<'_>) -> HandlerResult {
    let world = call.world();
    let access = &world.access;
    let zones: BTreeSet<&String> = access.zones.values().collect();
    let visible = |zone: &str| {
        let path = format!("/sdn/zones/{zone}");
        access.check_any(call.authid(), &path, VISIBLE).is_ok()
    };
    let list: Value = zones
        .into_iter()
        .filter(|zone| visible(zone))
        .map(|zone| json!({"zone": zone, "type": "simple", "digest": "0"}))
        .collect();
    Ok(list.into())
}

//! `…/firewall`: options, rules and security groups at the three levels, and the node's services
//! that put them into force. A guest's file is found by its number alone, whether or not there is a
//! container of that number on the node.

mod check;
mod rules;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Call;
use super::route::Permission::{All, Anyone};
use super::route::{Permission, Route, route};
use crate::refusal::{Outcome, Refusal};
use crate::schema::{Kind, Param, Params, format, optional, required};
use crate::world::firewall::{Group, digest};
use rules::{LOG_LEVELS, REMOVE, RULE};

const AUDIT_GUEST: Permission = All("/vms/{vmid}", &["VM.Audit"]);
const CHANGE_GUEST: Permission = All("/vms/{vmid}", &["VM.Config.Network"]);
const AUDIT_NODE: Permission = All("/nodes/{node}", &["Sys.Audit"]);
const AUDIT: Permission = All("/", &["Sys.Audit"]);
const CHANGE: Permission = All("/", &["Sys.Modify"]);

const POLICY: Kind = Kind::OneOf(&["ACCEPT", "REJECT", "DROP"]);

const CHANGES: &[Param] = &[
    optional("delete", Kind::Text(0, 1024)),
    optional("digest", Kind::Text(0, 40)),
];

const GUEST: &[Param] = &[
    optional("dhcp", Kind::Bool),
    optional("enable", Kind::Bool),
    optional("ipfilter", Kind::Bool),
    optional("log_level_in", LOG_LEVELS),
    optional("log_level_out", LOG_LEVELS),
    optional("macfilter", Kind::Bool),
    optional("ndp", Kind::Bool),
    optional("policy_in", POLICY),
    optional("policy_out", POLICY),
    optional("radv", Kind::Bool),
];

const DATACENTER: &[Param] = &[
    optional("ebtables", Kind::Bool),
    optional("enable", Kind::Int(0, i64::MAX)),
    optional("log_ratelimit", Kind::Text(1, 255)),
    optional("policy_forward", Kind::OneOf(&["ACCEPT", "DROP"])),
    optional("policy_in", POLICY),
    optional("policy_out", POLICY),
];

const GROUP: &[Param] = &[
    optional("comment", Kind::Text(0, 1024)),
    optional("digest", Kind::Text(0, 40)),
    required("group", Kind::Text(2, 18)),
];

pub(super) static ROUTES: &[Route] = &[
    route(
        "GET",
        "/nodes/{node}/lxc/{vmid}/firewall/options",
        AUDIT_GUEST,
        &[],
        guest,
    ),
    route(
        "PUT",
        "/nodes/{node}/lxc/{vmid}/firewall/options",
        CHANGE_GUEST,
        &[GUEST, CHANGES],
        change_guest,
    ),
    route(
        "GET",
        "/nodes/{node}/lxc/{vmid}/firewall/rules",
        AUDIT_GUEST,
        &[],
        rules::of_guest,
    ),
    route(
        "POST",
        "/nodes/{node}/lxc/{vmid}/firewall/rules",
        CHANGE_GUEST,
        &[RULE],
        rules::add_to_guest,
    ),
    route(
        "DELETE",
        "/nodes/{node}/lxc/{vmid}/firewall/rules/{pos}",
        CHANGE_GUEST,
        &[REMOVE],
        rules::remove_from_guest,
    ),
    route("GET", "/cluster/firewall/options", AUDIT, &[], datacenter),
    route(
        "PUT",
        "/cluster/firewall/options",
        CHANGE,
        &[DATACENTER, CHANGES],
        change_datacenter,
    ),
    route("GET", "/cluster/firewall/groups", Anyone, &[], groups),
    route(
        "POST",
        "/cluster/firewall/groups",
        CHANGE,
        &[GROUP],
        add_group,
    ),
    route(
        "GET",
        "/cluster/firewall/groups/{group}",
        AUDIT,
        &[],
        rules::of_group,
    ),
    route(
        "POST",
        "/cluster/firewall/groups/{group}",
        CHANGE,
        &[RULE],
        rules::add_to_group,
    ),
    route(
        "DELETE",
        "/cluster/firewall/groups/{group}",
        CHANGE,
        &[],
        remove_group,
    ),
    route(
        "DELETE",
        "/cluster/firewall/groups/{group}/{pos}",
        CHANGE,
        &[REMOVE],
        rules::remove_from_group,
    ),
    route(
        "GET",
        "/nodes/{node}/firewall/options",
        AUDIT_NODE,
        &[],
        node,
    ),
    route(
        "GET",
        "/nodes/{node}/services/{service}/state",
        AUDIT_NODE,
        &[],
        service,
    ),
];

/// Options as they are shown: what was set, and a checksum.
fn shown(options: &BTreeMap<String, Value>) -> Value {
    let mut shown = json!(options);
    shown["digest"] = json!(digest([options]));
    shown
}

/// Refuses a change of something that has another checksum than the caller knows.
fn modified(params: &Params, digest: &str) -> Result<(), Refusal> {
    match params.text("digest") {
        Some(given) if given != digest => Err(Refusal::died(
            "detected modified configuration - file changed by other user? Try again.",
        )),
        _ => Ok(()),
    }
}

/// Deletes and sets options.
fn change(
    options: &mut BTreeMap<String, Value>,
    params: &Params,
    known: &[Param],
) -> Result<(), Refusal> {
    modified(params, &digest([&*options]))?;
    let is_known = |name: &str| known.iter().any(|param| param.name == name);
    let deleted: Vec<&str> = format::list(params.text("delete").unwrap_or_default()).collect();
    if let Some(unknown) = deleted.iter().find(|name| !is_known(name)) {
        let why = format!("no such option '{unknown}'");
        return Err(Refusal::parameter("delete", why));
    }
    options.retain(|name, _| !deleted.contains(&name.as_str()));
    let given = params.0.iter().filter(|(name, _)| is_known(name));
    options.extend(given.map(|(name, value)| (name.clone(), value.clone())));
    Ok(())
}

fn guest(call: &Call<'_>) -> Outcome {
    let world = call.world();
    let file = world.firewall.guests.get(&call.vmid());
    let none = BTreeMap::new();
    Ok(shown(file.map_or(&none, |file| &file.options)).into())
}

fn change_guest(call: &Call<'_>) -> Outcome {
    let mut world = call.world();
    let file = world.firewall.guests.entry(call.vmid()).or_default();
    change(&mut file.options, call.params(), GUEST)?;
    rules::done(call)
}

fn datacenter(call: &Call<'_>) -> Outcome {
    Ok(shown(&call.world().firewall.options).into())
}

fn change_datacenter(call: &Call<'_>) -> Outcome {
    let mut world = call.world();
    change(&mut world.firewall.options, call.params(), DATACENTER)?;
    rules::done(call)
}

fn groups(call: &Call<'_>) -> Outcome {
    let world = call.world();
    let groups = &world.firewall.groups;
    let rows = groups.iter().map(|(name, group)| {
        let mut row = BTreeMap::from([("group".to_owned(), json!(name))]);
        if let Some(comment) = &group.comment {
            row.insert("comment".into(), json!(comment));
        }
        row
    });
    let mut rows: Vec<BTreeMap<String, Value>> = rows.collect();
    let digest = digest(&rows);
    for row in &mut rows {
        row.insert("digest".into(), json!(digest));
    }
    Ok(json!(rows).into())
}

fn add_group(call: &Call<'_>) -> Outcome {
    let name = call.params().text("group").unwrap_or_default();
    if !rules::is_group_name(name) {
        let why = "value does not match the regex pattern";
        return Err(Refusal::parameter("group", why));
    }
    let mut world = call.world();
    if world.firewall.groups.contains_key(name) {
        let why = format!("Security group '{name}' already exists");
        return Err(Refusal::parameter("group", why));
    }
    let group = Group {
        comment: call.params().text("comment").map(str::to_owned),
        rules: Vec::new(),
    };
    world.firewall.groups.insert(name.to_owned(), group);
    rules::done(call)
}

fn remove_group(call: &Call<'_>) -> Outcome {
    let name = call.params().text("group").unwrap_or_default();
    let mut world = call.world();
    match world.firewall.groups.get(name) {
        None => return Err(rules::no_group(name)),
        Some(group) if !group.rules.is_empty() => {
            let text = format!("Security group '{name}' is not empty");
            return Err(Refusal::died(text));
        }
        Some(_) => {}
    }
    world.firewall.groups.remove(name);
    rules::done(call)
}

fn node(call: &Call<'_>) -> Outcome {
    let world = call.world();
    let none = BTreeMap::new();
    Ok(shown(world.firewall.nodes.get(&call.node).unwrap_or(&none)).into())
}

/// Services that the simulator knows; Proxmox lists about twenty.
const SERVICES: &[(&str, &str)] = &[
    ("proxmox-firewall", "Proxmox nftables firewall"),
    ("pve-firewall", "Proxmox VE firewall"),
    ("pvedaemon", "PVE API Daemon"),
    ("pveproxy", "PVE API Proxy Server"),
    ("pvestatd", "PVE Status Daemon"),
];

fn service(call: &Call<'_>) -> Outcome {
    let wanted = call.params().text("service").unwrap_or_default();
    let Some((name, what)) = SERVICES.iter().find(|(name, _)| *name == wanted) else {
        let names: Vec<&str> = SERVICES.iter().map(|(name, _)| *name).collect();
        let why = format!(
            "value '{wanted}' does not have a value in the enumeration '{}'",
            names.join(", ")
        );
        return Err(Refusal::parameter("service", why));
    };
    let stopped = call.world().firewall.stopped.contains(&call.node) && name.contains("firewall");
    let (state, active) = match stopped {
        true => ("dead", "inactive"),
        false => ("running", "active"),
    };
    Ok(json!({
        "service": name, "name": name, "desc": what,
        "state": state, "active-state": active, "unit-state": "enabled",
    })
    .into())
}

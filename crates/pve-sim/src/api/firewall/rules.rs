//! Lists of rules: of a guest, and of a security group. A new rule goes to the top, and is
//! disabled unless `enable` is given.

use serde_json::{Value, json};

use super::check::{self, Place};
use super::modified;
use crate::api::Call;
use crate::refusal::{Outcome, Refusal};
use crate::schema::{Kind, Param, Params, optional, required};
use crate::world::firewall::{Rule, digest, listed};

pub(super) const LOG_LEVELS: Kind = Kind::OneOf(&[
    "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug", "nolog",
]);

pub(super) const RULE: &[Param] = &[
    required("action", Kind::Text(2, 20)),
    optional("comment", Kind::Text(0, 1024)),
    optional("dest", Kind::Format(512, check::address_spec)),
    optional("digest", Kind::Text(0, 40)),
    optional("dport", Kind::Format(1024, check::ports)),
    optional("enable", Kind::Int(0, i64::MAX)),
    optional("icmp-type", Kind::Text(1, 64)),
    optional("iface", Kind::Text(2, 20)),
    optional("log", LOG_LEVELS),
    optional("macro", Kind::Text(0, 128)),
    optional("pos", Kind::Int(0, i64::MAX)),
    optional("proto", Kind::Format(64, check::protocol)),
    optional("source", Kind::Format(512, check::address_spec)),
    optional("sport", Kind::Format(1024, check::ports)),
    required("type", Kind::OneOf(&["in", "out", "forward", "group"])),
];

pub(super) const REMOVE: &[Param] = &[optional("digest", Kind::Text(0, 40))];

/// A rule made of a call's parameters.
fn made(params: &Params, place: Place) -> Result<Rule, Refusal> {
    let is_property = |name: &str| {
        let property = RULE.iter().any(|param| param.name == name);
        property && !matches!(name, "digest" | "pos")
    };
    let given = params.0.iter().filter(|(name, _)| is_property(name));
    let mut rule: Rule = given
        .filter(|(_, value)| value.as_str() != Some(""))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let action = params.text("action").unwrap_or_default();
    if !is_group_name(action) {
        let why = "value does not match the regex pattern";
        return Err(Refusal::parameter("action", why));
    }
    check::verify(&mut rule, place)?;
    rule.entry("enable".into()).or_insert(json!(0));
    Ok(rule)
}

/// `[A-Za-z][A-Za-z0-9\-\_]+`
pub(super) fn is_group_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    text.len() >= 2
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(inner)
}

fn remove(rules: &mut Vec<Rule>, params: &Params) -> Result<(), Refusal> {
    modified(params, &digest(rules.iter()))?;
    let pos = params.text("pos").unwrap_or_default();
    let Ok(pos) = pos.parse::<usize>() else {
        let why = format!("type check ('integer') failed - got '{pos}'");
        return Err(Refusal::parameter("pos", why));
    };
    if pos >= rules.len() {
        return Err(Refusal::died(format!("no rule at position {pos}")));
    }
    rules.remove(pos);
    Ok(())
}

/// `GET …/lxc/{vmid}/firewall/rules`.
pub(super) fn of_guest(call: &Call<'_>) -> Outcome {
    let world = call.world();
    let file = world.firewall.guests.get(&call.vmid());
    Ok(listed(file.map_or(&[], |file| &file.rules)).into())
}

/// `POST …/lxc/{vmid}/firewall/rules`. Whether a named group exists is not checked.
pub(super) fn add_to_guest(call: &Call<'_>) -> Outcome {
    let rule = made(call.params(), Place::Guest)?;
    let mut world = call.world();
    let file = world.firewall.guests.entry(call.vmid()).or_default();
    file.rules.insert(0, rule);
    done(call)
}

/// `DELETE …/lxc/{vmid}/firewall/rules/{pos}`.
pub(super) fn remove_from_guest(call: &Call<'_>) -> Outcome {
    let mut world = call.world();
    let file = world.firewall.guests.entry(call.vmid()).or_default();
    remove(&mut file.rules, call.params())?;
    done(call)
}

/// `GET /cluster/firewall/groups/{group}`.
pub(super) fn of_group(call: &Call<'_>) -> Outcome {
    let world = call.world();
    let name = call.params().text("group").unwrap_or_default();
    match world.firewall.groups.get(name) {
        Some(group) => Ok(listed(&group.rules).into()),
        None => Err(no_group(name)),
    }
}

/// `POST /cluster/firewall/groups/{group}`.
pub(super) fn add_to_group(call: &Call<'_>) -> Outcome {
    let rule = made(call.params(), Place::Group)?;
    let mut world = call.world();
    let name = call.params().text("group").unwrap_or_default();
    let group = world.firewall.groups.get_mut(name);
    let group = group.ok_or_else(|| no_group(name))?;
    group.rules.insert(0, rule);
    done(call)
}

/// `DELETE /cluster/firewall/groups/{group}/{pos}`.
pub(super) fn remove_from_group(call: &Call<'_>) -> Outcome {
    let mut world = call.world();
    let name = call.params().text("group").unwrap_or_default();
    let group = world.firewall.groups.get_mut(name);
    let group = group.ok_or_else(|| no_group(name))?;
    remove(&mut group.rules, call.params())?;
    done(call)
}

pub(super) fn no_group(name: &str) -> Refusal {
    Refusal::died(format!("no such security group '{name}'"))
}

/// The response to a change has no data.
pub(super) fn done(call: &Call<'_>) -> Outcome {
    call.cluster.changed.notify_one();
    Ok(Value::Null.into())
}

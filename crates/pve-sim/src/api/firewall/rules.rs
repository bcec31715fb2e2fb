//! Lists of rules: of a guest, and of a security group. A new rule goes to the top, and is
//! disabled unless `enable` is given.

use serde_json::{Value, json};

use super::check::{self, RuleLevel};
use super::modified;
use crate::api::MethodCall;
use crate::response::{ErrorResponse, HandlerResult};
use crate::schema::{Param, ParamKind, Params, optional, required};
use crate::world::firewall::{Rule, digest, listed};

pub(super) const LOG_LEVELS: ParamKind = ParamKind::OneOf(&[
    "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug", "nolog",
]);

pub(super) const RULE: &[Param] = &[
    required("action", ParamKind::Text(2, 20)),
    optional("comment", ParamKind::Text(0, 1024)),
    optional("dest", ParamKind::Format(512, check::address_spec)),
    optional("digest", ParamKind::Text(0, 40)),
    optional("dport", ParamKind::Format(1024, check::ports)),
    optional("enable", ParamKind::Int(0, i64::MAX)),
    optional("icmp-type", ParamKind::Text(1, 64)),
    optional("iface", ParamKind::Text(2, 20)),
    optional("log", LOG_LEVELS),
    optional("macro", ParamKind::Text(0, 128)),
    optional("pos", ParamKind::Int(0, i64::MAX)),
    optional("proto", ParamKind::Format(64, check::protocol)),
    optional("source", ParamKind::Format(512, check::address_spec)),
    optional("sport", ParamKind::Format(1024, check::ports)),
    required("type", ParamKind::OneOf(&["in", "out", "forward", "group"])),
];

pub(super) const REMOVE: &[Param] = &[optional("digest", ParamKind::Text(0, 40))];

/// A rule made of a call's parameters.
fn made(params: &Params, level: RuleLevel) -> Result<Rule, ErrorResponse> {
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
        return Err(ErrorResponse::parameter("action", why));
    }
    check::verify(&mut rule, level)?;
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

fn remove(rules: &mut Vec<Rule>, params: &Params) -> Result<(), ErrorResponse> {
    modified(params, &digest(rules.iter()))?;
    let pos = params.text("pos").unwrap_or_default();
    let Ok(pos) = pos.parse::<usize>() else {
        let why = format!("type check ('integer') failed - got '{pos}'");
        return Err(ErrorResponse::parameter("pos", why));
    };
    if pos >= rules.len() {
        return Err(ErrorResponse::died(format!("no rule at position {pos}")));
    }
    rules.remove(pos);
    Ok(())
}

/// `GET …/lxc/{vmid}/firewall/rules`.
pub(super) fn list_of_guest(call: &MethodCall<'_>) -> HandlerResult {
    let world = call.world();
    let file = world.firewall.guests.get(&call.vmid());
    Ok(listed(file.map_or(&[], |file| &file.rules)).into())
}

/// `POST …/lxc/{vmid}/firewall/rules`. Whether a named group exists is not checked.
pub(super) fn add_to_guest(call: &MethodCall<'_>) -> HandlerResult {
    let rule = made(call.params(), RuleLevel::Guest)?;
    let mut world = call.world();
    let file = world.firewall.guests.entry(call.vmid()).or_default();
    file.rules.insert(0, rule);
    done(call)
}

/// `DELETE …/lxc/{vmid}/firewall/rules/{pos}`.
pub(super) fn remove_from_guest(call: &MethodCall<'_>) -> HandlerResult {
    let mut world = call.world();
    let file = world.firewall.guests.entry(call.vmid()).or_default();
    remove(&mut file.rules, call.params())?;
    done(call)
}

/// `GET /cluster/firewall/groups/{group}`.
pub(super) fn list_of_group(call: &MethodCall<'_>) -> HandlerResult {
    let world = call.world();
    let name = call.params().text("group").unwrap_or_default();
    match world.firewall.groups.get(name) {
        Some(group) => Ok(listed(&group.rules).into()),
        None => Err(no_group(name)),
    }
}

/// `POST /cluster/firewall/groups/{group}`.
pub(super) fn add_to_group(call: &MethodCall<'_>) -> HandlerResult {
    let rule = made(call.params(), RuleLevel::Group)?;
    let mut world = call.world();
    let name = call.params().text("group").unwrap_or_default();
    let group = world.firewall.groups.get_mut(name);
    let group = group.ok_or_else(|| no_group(name))?;
    group.rules.insert(0, rule);
    done(call)
}

/// `DELETE /cluster/firewall/groups/{group}/{pos}`.
pub(super) fn remove_from_group(call: &MethodCall<'_>) -> HandlerResult {
    let mut world = call.world();
    let name = call.params().text("group").unwrap_or_default();
    let group = world.firewall.groups.get_mut(name);
    let group = group.ok_or_else(|| no_group(name))?;
    remove(&mut group.rules, call.params())?;
    done(call)
}

pub(super) fn no_group(name: &str) -> ErrorResponse {
    ErrorResponse::died(format!("no such security group '{name}'"))
}

/// The response to a change has no data.
pub(super) fn done(call: &MethodCall<'_>) -> HandlerResult {
    call.cluster.changed.notify_one();
    Ok(Value::Null.into())
}

//! `/access`: login, tickets, permissions, and the parts of users and rules that clients read.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::MethodCall;
use crate::access::{Privileges, ROOT};
use crate::response::{ErrorResponse, HandlerResult};
use crate::schema::{Param, ParamKind, format, optional, required};

pub(super) const TICKET: &[Param] = &[
    optional("new-format", ParamKind::Bool),
    optional("otp", ParamKind::Text(0, 256)),
    required("password", ParamKind::Text(0, 4096)),
    optional("path", ParamKind::Text(0, 64)),
    optional("privs", ParamKind::Text(0, 64)),
    optional("realm", ParamKind::Text(0, 32)),
    optional("tfa-challenge", ParamKind::Text(0, 4096)),
    required("username", ParamKind::Text(0, 64)),
];

pub(super) const TERMINAL_TICKET: &[Param] = &[
    required("authid", ParamKind::Text(1, 64)),
    required("path", ParamKind::Text(0, 64)),
    optional("port", ParamKind::Int(1, 65535)),
    required("privs", ParamKind::Text(0, 64)),
    required("vncticket", ParamKind::Text(0, 512)),
];

pub(super) const PERMISSIONS: &[Param] = &[
    optional("path", ParamKind::Text(1, 255)),
    optional("userid", ParamKind::Text(1, 255)),
];

pub(super) const USERS: &[Param] = &[
    optional("enabled", ParamKind::Bool),
    optional("full", ParamKind::Bool),
];

/// `POST /access/ticket`: a password, or an older ticket in its place.
pub(super) fn ticket(call: &MethodCall<'_>) -> HandlerResult {
    let params = call.params();
    let mut user = params.text("username").unwrap_or_default().to_owned();
    if let Some(realm) = params.text("realm").filter(|_| !user.contains('@')) {
        user = format!("{user}@{realm}");
    }
    format::user(&user).map_err(|text| {
        ErrorResponse::parameter("username", format!("invalid format - {text}\n"))
    })?;
    let password = params.text("password").unwrap_or_default();
    let now = call.cluster.clock.seconds();
    let signer = &call.cluster.signer;
    let world = call.world();
    let account = world.access.users.get(&user);
    // root may take over any account with its own ticket.
    let renewed = signer
        .verify_access(password, now)
        .is_some_and(|holder| holder == user || holder == ROOT);
    let known = account.is_some_and(|account| account.password.as_deref() == Some(password));
    if account.is_none() || !(known || renewed) {
        return Err(ErrorResponse::login_failed());
    }
    if !renewed && account.is_some_and(|account| account.second_factor) {
        // The ticket is good for the second step of the login only.
        return Ok(json!({
            "username": user,
            "ticket": signer.access("!tfa!", now),
            "CSRFPreventionToken": signer.csrf(&user, now),
            "NeedTFA": 1,
        })
        .into());
    }
    let capabilities = ["vms", "storage", "nodes", "access", "sdn", "dc"]
        .map(|area| {
            let path = match area {
                "dc" => "/".to_owned(),
                other => format!("/{other}"),
            };
            (
                area.to_owned(),
                json!(flags(&world.access.privileges(&user, &path))),
            )
        })
        .into_iter()
        .collect::<BTreeMap<_, _>>();
    Ok(json!({
        "username": user,
        "ticket": signer.access(&user, now),
        "CSRFPreventionToken": signer.csrf(&user, now),
        "cap": capabilities,
    })
    .into())
}

/// `GET /access/ticket`: a placeholder for web forms.
pub(super) fn ticket_form(_: &MethodCall<'_>) -> HandlerResult {
    Ok(Value::Null.into())
}

/// `POST /access/vncticket`: the check that the terminal proxy makes.
pub(super) fn terminal_ticket(call: &MethodCall<'_>) -> HandlerResult {
    let params = call.params();
    let text = |name: &str| params.text(name).unwrap_or_default();
    let port = params
        .int("port")
        .and_then(|port| u16::try_from(port).ok())
        .unwrap_or_default();
    let (authid, path) = (text("authid"), text("path"));
    let now = call.cluster.clock.seconds();
    let genuine = call
        .cluster
        .signer
        .verify_terminal(text("vncticket"), authid, path, port, now);
    if !genuine {
        return Err(ErrorResponse::login_failed());
    }
    let wanted: Vec<&str> = format::list(text("privs")).collect();
    call.world().access.check_any(authid, path, &wanted)?;
    Ok(Value::Null.into())
}

/// `GET /access/domains`.
pub(super) fn domains(_: &MethodCall<'_>) -> HandlerResult {
    Ok(json!([
        {"realm": "pam", "type": "pam", "comment": "Linux PAM standard authentication"},
        {"realm": "pve", "type": "pve", "comment": "Proxmox VE authentication server"},
    ])
    .into())
}

/// `GET /access/permissions`: what the caller, or another account, may do where.
pub(super) fn permissions(call: &MethodCall<'_>) -> HandlerResult {
    let world = call.world();
    let userid = call.params().text("userid").unwrap_or(call.authid());
    let own = userid == call.authid() || userid.split('!').next() == Some(call.authid());
    if !own {
        world
            .access
            .check(call.authid(), "/access", &["Sys.Audit"])?;
    }
    if let Some(path) = call.params().text("path") {
        // Unlike the list of all paths, this one has paths without any privilege.
        let held = world.access.privileges(userid, path);
        return Ok(json!({ path: flags(&held) }).into());
    }
    let paths = world.access.paths();
    let listed: BTreeMap<String, Value> = paths
        .into_iter()
        .filter_map(|path| {
            let held = world.access.privileges(userid, &path);
            (!held.is_empty()).then(|| (path, json!(flags(&held))))
        })
        .collect();
    Ok(json!(listed).into())
}

/// `GET /access/acl`: the rules, for accounts that may see all of them.
pub(super) fn acl(call: &MethodCall<'_>) -> HandlerResult {
    let world = call.world();
    if !world
        .access
        .allows(call.authid(), "/access", &["Sys.Audit"])
    {
        return Ok(json!([]).into());
    }
    let rules: Value = world
        .access
        .rules()
        .map(|(path, holder, role, propagate)| {
            json!({
                "path": path,
                "type": if holder.contains('!') { "token" } else { "user" },
                "ugid": holder,
                "roleid": role,
                "propagate": u8::from(propagate),
            })
        })
        .collect();
    Ok(rules.into())
}

/// `GET /access/users`: the accounts that the caller may see, at least its own.
pub(super) fn users(call: &MethodCall<'_>) -> HandlerResult {
    let world = call.world();
    let all = world
        .access
        .allows(call.authid(), "/access", &["Sys.Audit"]);
    let users: Value = world
        .access
        .users
        .keys()
        .filter(|user| all || *user == call.caller.user())
        .map(|user| json!({"userid": user, "enable": 1, "expire": 0, "realm-type": "pve"}))
        .collect();
    Ok(users.into())
}

fn flags(privileges: &Privileges) -> BTreeMap<&str, u8> {
    privileges
        .iter()
        .map(|(name, propagate)| (name.as_str(), u8::from(*propagate)))
        .collect()
}

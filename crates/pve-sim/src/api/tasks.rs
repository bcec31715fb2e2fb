//! `/nodes/{node}/tasks`: the tasks that an account may see, their status and log.

use serde_json::{Value, json};

use super::MethodCall;
use crate::response::{DataResponse, ErrorResponse, HandlerResult};
use crate::schema::{Param, ParamKind, optional};
use crate::world::World;
use crate::world::task::{Task, is_upid};

pub(super) const LIST: &[Param] = &[
    optional("errors", ParamKind::Bool),
    optional("limit", ParamKind::Int(0, i64::MAX)),
    optional("since", ParamKind::Int(0, i64::MAX)),
    optional("source", ParamKind::OneOf(&["archive", "active", "all"])),
    optional("start", ParamKind::Int(0, i64::MAX)),
    optional("statusfilter", ParamKind::Text(0, 255)),
    optional("typefilter", ParamKind::Text(0, 255)),
    optional("until", ParamKind::Int(0, i64::MAX)),
    optional("userfilter", ParamKind::Text(0, 255)),
    optional("vmid", ParamKind::Int(100, 999_999_999)),
];

pub(super) const LOG: &[Param] = &[
    optional("download", ParamKind::Bool),
    optional("limit", ParamKind::Int(0, i64::MAX)),
    optional("start", ParamKind::Int(0, i64::MAX)),
];

/// A token sees its own tasks, a user also those of its tokens.
fn own(call: &MethodCall<'_>, task: &Task) -> bool {
    let caller = call.authid();
    task.user == caller || task.user.split('!').next() == Some(caller)
}

fn describe(task: &Task) -> Value {
    let (user, token) = task
        .user
        .split_once('!')
        .map_or((&*task.user, None), |(user, token)| (user, Some(token)));
    let mut entry = json!({
        "upid": task.upid, "node": task.node, "pid": task.pid, "pstart": task.pstart, "starttime": task.started,
        "type": task.kind, "id": task.id, "user": user,
    });
    if let Some(token) = token {
        entry["tokenid"] = json!(token);
    }
    entry
}

/// `GET /nodes/{node}/tasks`.
pub(super) fn list(call: &MethodCall<'_>) -> HandlerResult {
    let world = call.world();
    let params = call.params();
    let auditor = world.access.allows(
        call.authid(),
        &format!("/nodes/{}", call.node),
        &["Sys.Audit"],
    );
    let source = params.text("source").unwrap_or("archive");
    let found: Vec<&Task> = world
        .tasks
        .all
        .iter()
        .rev()
        .filter(|task| task.node == call.node && (auditor || own(call, task)))
        .filter(|task| match source {
            "active" => task.exit.is_none(),
            "archive" => task.exit.is_some(),
            _ => true,
        })
        .filter(|task| {
            params
                .text("typefilter")
                .is_none_or(|kind| task.kind == kind)
        })
        .filter(|task| {
            params
                .text("userfilter")
                .is_none_or(|user| task.user.contains(user))
        })
        .filter(|task| {
            params
                .int("vmid")
                .is_none_or(|vmid| task.id == vmid.to_string())
        })
        .filter(|task| {
            !params.flag("errors") || task.exit.as_deref().is_some_and(|exit| exit != "OK")
        })
        .filter(|task| {
            params
                .int("since")
                .is_none_or(|since| i64::try_from(task.started).is_ok_and(|at| at >= since))
        })
        .filter(|task| {
            params
                .int("until")
                .is_none_or(|until| i64::try_from(task.started).is_ok_and(|at| at <= until))
        })
        .collect();
    let entries = window(call, found.len());
    let data: Value = found[entries].iter().map(|task| with_end(task)).collect();
    Ok(DataResponse {
        data,
        total: Some(found.len()),
    })
}

fn with_end(task: &Task) -> Value {
    let mut entry = describe(task);
    if let (Some(exit), Some(ended)) = (&task.exit, task.ended) {
        entry["status"] = json!(exit);
        entry["endtime"] = json!(ended);
    }
    entry
}

/// `GET /cluster/tasks`.
pub(super) fn cluster_wide(call: &MethodCall<'_>) -> HandlerResult {
    let world = call.world();
    let auditor = world.access.allows(call.authid(), "/", &["Sys.Audit"]);
    let list: Value = world
        .tasks
        .all
        .iter()
        .rev()
        .filter(|task| auditor || own(call, task))
        .take(25)
        .map(with_end)
        .collect();
    Ok(list.into())
}

fn window(call: &MethodCall<'_>, count: usize) -> std::ops::Range<usize> {
    let number = |name: &str, default: usize| {
        call.params().int(name).map_or(default, |value| {
            usize::try_from(value).unwrap_or(usize::MAX)
        })
    };
    let start = number("start", 0).min(count);
    // A limit of 0 means no limit.
    let limit = Some(number("limit", 50)).filter(|limit| *limit > 0);
    let end = limit.map_or(count, |limit| start.saturating_add(limit).min(count));
    start..end
}

/// The task that the path names, if it exists and the caller may see it.
fn named<'w>(
    call: &MethodCall<'_>,
    world: &'w World,
    privilege: &str,
) -> Result<&'w Task, ErrorResponse> {
    let upid = call.params().text("upid").unwrap_or_default();
    if !is_upid(upid) {
        return Err(ErrorResponse::parameter(
            "upid",
            "unable to parse worker upid",
        ));
    }
    let task = world
        .tasks
        .find(upid)
        .filter(|task| task.node == call.node)
        .ok_or_else(|| ErrorResponse::parameter("upid", "no such task"))?;
    if !own(call, task) {
        let path = format!("/nodes/{}", call.node);
        world.access.check(call.authid(), &path, &[privilege])?;
    }
    Ok(task)
}

/// `GET /nodes/{node}/tasks/{upid}`.
pub(super) fn index(_: &MethodCall<'_>) -> HandlerResult {
    Ok(json!([{"name": "log"}, {"name": "status"}]).into())
}

/// `GET /nodes/{node}/tasks/{upid}/status`.
pub(super) fn status(call: &MethodCall<'_>) -> HandlerResult {
    let world = call.world();
    let task = named(call, &world, "Sys.Audit")?;
    let mut entry = describe(task);
    match &task.exit {
        Some(exit) => {
            entry["status"] = json!("stopped");
            entry["exitstatus"] = json!(exit);
        }
        None => entry["status"] = json!("running"),
    }
    Ok(entry.into())
}

/// `GET /nodes/{node}/tasks/{upid}/log`.
pub(super) fn log(call: &MethodCall<'_>) -> HandlerResult {
    let world = call.world();
    let task = named(call, &world, "Sys.Audit")?;
    let range = window(call, task.log.len());
    let first = range.start;
    let lines: Vec<Value> = task.log[range]
        .iter()
        .enumerate()
        .map(|(offset, line)| json!({"n": first + offset + 1, "t": line}))
        .collect();
    if task.log.is_empty() {
        return Ok(DataResponse {
            data: json!([{"n": 1, "t": "no content"}]),
            total: Some(1),
        });
    }
    Ok(DataResponse {
        data: lines.into(),
        total: Some(task.log.len()),
    })
}

/// `DELETE /nodes/{node}/tasks/{upid}`: tells the worker to end.
pub(super) fn abort(call: &MethodCall<'_>) -> HandlerResult {
    let world = call.world();
    let task = named(call, &world, "Sys.Modify")?;
    if task.exit.is_none() {
        task.abort.notify_one();
    }
    Ok(Value::Null.into())
}

//! The operation of a request, and the faults that can happen to it.

use http::Method;

use crate::faults::{FaultKind, Operation};

/// The operation of a request, if it is one that has a name.
pub(super) fn classify(method: &Method, segments: &[String]) -> Option<Operation> {
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    let operation = match (method.as_str(), &parts[..]) {
        ("POST", ["nodes", _, "lxc"]) => Operation::Create,
        ("GET", ["nodes", _, "lxc"]) => Operation::List,
        ("DELETE", ["nodes", _, "lxc", _]) => Operation::Destroy,
        ("GET", ["nodes", _, "lxc", _, "config"]) => Operation::Config,
        ("PUT", ["nodes", _, "lxc", _, "config"]) => Operation::UpdateConfig,
        ("GET", ["nodes", _, "lxc", _, "interfaces"]) => Operation::Interfaces,
        ("POST", ["nodes", _, "lxc", _, "termproxy"]) => Operation::Termproxy,
        ("GET", ["nodes", _, "lxc", _, "vncwebsocket"]) => Operation::Websocket,
        ("GET", ["nodes", _, "lxc", _, "status", "current"]) => Operation::Status,
        ("POST", ["nodes", _, "lxc", _, "status", verb]) => match *verb {
            "start" => Operation::Start,
            "stop" => Operation::Stop,
            "shutdown" => Operation::Shutdown,
            "reboot" => Operation::Reboot,
            _ => return None,
        },
        ("GET", ["cluster", "resources"]) => Operation::Resources,
        ("GET", ["cluster", "nextid"]) => Operation::NextId,
        ("GET", ["nodes", _, "status"]) => Operation::NodeStatus,
        ("GET", ["nodes", _, "tasks", _, "status"]) => Operation::TaskStatus,
        ("GET", ["nodes", _, "tasks", _, "log"]) => Operation::TaskLog,
        _ => return None,
    };
    Some(operation)
}

/// Whether a kind of fault can happen to a request.
pub(super) fn fits(
    kind: &FaultKind,
    operation: Option<&Operation>,
    method: &Method,
    segments: &[String],
) -> bool {
    use Operation::{Create, Destroy, Reboot, Shutdown, Start, Stop, UpdateConfig, Websocket};
    let forks = matches!(
        operation,
        Some(Create | Start | Stop | Shutdown | Reboot | Destroy)
    );
    match kind {
        FaultKind::VmidTaken | FaultKind::StorageFull | FaultKind::MissingTemplate => {
            operation == Some(&Create)
        }
        FaultKind::TaskFailure(_)
        | FaultKind::TaskUnexpectedStatus
        | FaultKind::SlowTask(_)
        | FaultKind::Warnings => forks,
        FaultKind::LockTimeout => forks || operation == Some(&UpdateConfig),
        FaultKind::NoQuorum => {
            method != Method::GET && segments.first().is_some_and(|first| first != "access")
        }
        FaultKind::NodeOffline(node) => {
            segments.first().is_some_and(|first| first == "nodes") && segments.get(1) == Some(node)
        }
        FaultKind::CutAfter(_) | FaultKind::BusySession | FaultKind::LoginPrompt => {
            operation == Some(&Websocket)
        }
        _ => true,
    }
}

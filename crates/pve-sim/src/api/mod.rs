//! The API tree below `/api2/json`: which method of which path exists, who may call it and what it takes. A request goes through
//! the same steps as on the real node: known path, parameters repeated in body and path, token allowed, permission, node
//! reachable, parameters valid, handler.

mod access;
mod administration;
mod backup;
mod call;
mod cluster;
mod firewall;
mod ha;
mod index;
mod lxc;
mod node;
mod packages;
mod pools;
mod route;
mod routes;
mod sdn;
mod storage;
mod tasks;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::access::{Caller, Means, ROOT};
use crate::cluster::Cluster;
use crate::faults::FaultKind;
use crate::refusal::{Outcome, Refusal};
use crate::schema::{self, Kind, Param, Params, format, required};
pub(crate) use call::Call;
pub(crate) use route::{Permission, Route};

/// A request after authentication.
pub(crate) struct Request {
    pub(crate) method: http::Method,
    /// Decoded path segments below `/api2/json`.
    pub(crate) segments: Vec<String>,
    pub(crate) params: BTreeMap<String, Value>,
    pub(crate) fault: Option<FaultKind>,
}

impl Request {
    /// The path as Proxmox writes it in its messages.
    pub(crate) fn path(&self) -> String {
        format!("/{}", self.segments.join("/"))
    }
}

/// Whether a path is open to everybody.
pub(crate) fn is_open(method: &http::Method, segments: &[String]) -> bool {
    routes::find(method.as_str(), segments)
        .is_some_and(|(route, _)| matches!(route.permission, Permission::Open))
}

/// Answers a request.
pub(crate) fn dispatch(cluster: &Arc<Cluster>, caller: &Caller, request: Request) -> Outcome {
    let path = request.path();
    let Some((route, uri)) = routes::find(request.method.as_str(), &request.segments) else {
        return Err(Refusal::not_implemented(request.method.as_str(), &path));
    };
    let mut params = request.params;
    for (name, value) in &uri {
        let same = match params.get(*name) {
            None => true,
            Some(Value::String(given)) => given == value,
            Some(Value::Number(given)) => given.as_u64() == value.parse().ok(),
            Some(_) => false,
        };
        if !same {
            return Err(Refusal::parameter(
                name,
                "duplicate parameter (already defined in URI) with conflicting values!",
            ));
        }
        params.insert((*name).to_owned(), json!(value));
    }
    if caller.means == Means::Token && !route.tokens {
        return Err(Refusal::forbidden_with(&format!(
            "URI '{path}' not available with API token, need proper ticket."
        )));
    }
    permitted(cluster, caller, route, &params)?;
    let node = reachable(cluster, uri.get("node"))?;

    let schema: Vec<Param> = uri
        .keys()
        .map(|name| path_param(name))
        .chain(route.params.iter().flat_map(|part| part.iter().copied()))
        .collect();
    let params = schema::check(&schema, params)?;
    if request.fault == Some(FaultKind::NoQuorum) {
        return Err(Refusal::died("cluster not ready - no quorum?"));
    }
    let call = Call {
        cluster,
        caller,
        node,
        params,
        fault: request.fault,
    };
    (route.handler)(&call)
}

fn permitted(
    cluster: &Cluster,
    caller: &Caller,
    route: &Route,
    params: &BTreeMap<String, Value>,
) -> Result<(), Refusal> {
    let fill = |template: &str| {
        let texts = params
            .iter()
            .filter_map(|(name, value)| Some((name, value.as_str()?)));
        texts.fold(template.to_owned(), |path, (name, text)| {
            path.replace(&format!("{{{name}}}"), text)
        })
    };
    let world = cluster.world();
    match route.permission {
        Permission::Open | Permission::Anyone => Ok(()),
        Permission::All(path, privileges) => {
            world.access.check(&caller.authid, &fill(path), privileges)
        }
        Permission::Any(path, privileges) => {
            world
                .access
                .check_any(&caller.authid, &fill(path), privileges)
        }
        Permission::Root if caller.authid == ROOT => Ok(()),
        Permission::Root => Err(Refusal::forbidden("user != root@pam")),
    }
}

/// The node that a path names, or how the node that answers fails to reach it.
fn reachable(cluster: &Cluster, name: Option<&String>) -> Result<String, Refusal> {
    let world = cluster.world();
    let Some(name) = name else {
        return Ok(cluster.config.nodes.first().cloned().unwrap_or_default());
    };
    match world.node(name) {
        Some(node) if node.online => Ok(node.name.clone()),
        Some(_) => Err(Refusal::bare(595, "No route to host")),
        // A full name resolves, but the certificate is for the short one.
        None if name.contains('.') => Err(Refusal::bare(
            596,
            "tls_process_server_certificate: certificate verify failed",
        )),
        None => Err(Refusal::died(format!(
            "hostname lookup '{name}' failed - failed to get address info for: {name}: Name or service not known"
        ))),
    }
}

fn path_param(name: &'static str) -> Param {
    match name {
        "node" => required(name, Kind::Format(255, format::node)),
        "vmid" => required(name, Kind::Int(100, 999_999_999)),
        "storage" => required(name, Kind::Format(255, format::storage)),
        "snapname" => required(name, Kind::Text(2, 40)),
        "poolid" => required(name, Kind::Format(255, format::pool)),
        _ => required(name, Kind::Text(1, 255)),
    }
}

impl Call<'_> {
    /// Checked parameters.
    pub(crate) fn params(&self) -> &Params {
        &self.params
    }
}

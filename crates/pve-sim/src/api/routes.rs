//! The table of methods. Everything that is not in it is answered with 501.

use std::collections::BTreeMap;

use super::administration;
use super::route::Permission::{All, Any, Anyone, Open, Root};
use super::route::{Permission, Route, no_tokens, route};
use super::{access, cluster, firewall, index, lxc, node, packages, pools, sdn, storage, tasks};

const AUDIT_GUEST: Permission = All("/vms/{vmid}", &["VM.Audit"]);
const POWER: Permission = All("/vms/{vmid}", &["VM.PowerMgmt"]);
const CONSOLE: Permission = All("/vms/{vmid}", &["VM.Console"]);
const AUDIT_NODE: Permission = All("/nodes/{node}", &["Sys.Audit"]);
const AUDIT_STORE: Permission = Any(
    "/storage/{storage}",
    &["Datastore.Audit", "Datastore.AllocateSpace"],
);

static ROUTES: &[Route] = &[
    route("GET", "/", Anyone, &[], index::root),
    route("GET", "/version", Anyone, &[], index::version),
    no_tokens(route(
        "POST",
        "/access/ticket",
        Open,
        &[access::TICKET],
        access::ticket,
    )),
    route("GET", "/access/ticket", Open, &[], access::ticket_form),
    route(
        "POST",
        "/access/vncticket",
        Open,
        &[access::TERMINAL_TICKET],
        access::terminal_ticket,
    ),
    route("GET", "/access/domains", Open, &[], access::domains),
    route(
        "GET",
        "/access/permissions",
        Anyone,
        &[access::PERMISSIONS],
        access::permissions,
    ),
    route("GET", "/access/acl", Anyone, &[], access::acl),
    route(
        "GET",
        "/access/users",
        Anyone,
        &[access::USERS],
        access::users,
    ),
    route(
        "GET",
        "/cluster/nextid",
        Anyone,
        &[cluster::NEXT_ID],
        cluster::next_id,
    ),
    route(
        "GET",
        "/cluster/resources",
        Anyone,
        &[cluster::RESOURCES],
        cluster::resources,
    ),
    route(
        "GET",
        "/cluster/status",
        All("/", &["Sys.Audit"]),
        &[],
        cluster::status,
    ),
    route("GET", "/cluster/tasks", Anyone, &[], tasks::cluster_wide),
    route(
        "GET",
        "/cluster/sdn/vnets",
        Anyone,
        &[sdn::LIST],
        sdn::vnets,
    ),
    route(
        "GET",
        "/cluster/sdn/zones",
        Anyone,
        &[sdn::LIST],
        sdn::zones,
    ),
    route("GET", "/pools", Anyone, &[pools::LIST], pools::list),
    route(
        "GET",
        "/pools/{poolid}",
        All("/pool/{poolid}", &["Pool.Audit"]),
        &[pools::ONE],
        pools::one,
    ),
    route("GET", "/storage", Anyone, &[], storage::definitions),
    route("GET", "/nodes", Anyone, &[], node::list),
    route("GET", "/nodes/{node}", Anyone, &[], index::node),
    route("GET", "/nodes/{node}/status", AUDIT_NODE, &[], node::status),
    route("GET", "/nodes/{node}/version", Anyone, &[], index::version),
    route(
        "GET",
        "/nodes/{node}/aplinfo",
        Anyone,
        &[],
        storage::appliances,
    ),
    route(
        "GET",
        "/nodes/{node}/apt/versions",
        AUDIT_NODE,
        &[],
        packages::versions,
    ),
    route("POST", "/nodes/{node}/execute", Root, &[], index::refuse),
    route(
        "GET",
        "/nodes/{node}/network",
        Anyone,
        &[node::NETWORK],
        node::network,
    ),
    route(
        "GET",
        "/nodes/{node}/storage",
        Anyone,
        &[storage::LIST],
        storage::list,
    ),
    route(
        "GET",
        "/nodes/{node}/storage/{storage}/status",
        AUDIT_STORE,
        &[],
        storage::status,
    ),
    route(
        "GET",
        "/nodes/{node}/storage/{storage}/content",
        AUDIT_STORE,
        &[storage::CONTENT],
        storage::content,
    ),
    route(
        "GET",
        "/nodes/{node}/tasks",
        Anyone,
        &[tasks::LIST],
        tasks::list,
    ),
    route(
        "GET",
        "/nodes/{node}/tasks/{upid}",
        Anyone,
        &[],
        tasks::index,
    ),
    route(
        "DELETE",
        "/nodes/{node}/tasks/{upid}",
        Anyone,
        &[],
        tasks::abort,
    ),
    route(
        "GET",
        "/nodes/{node}/tasks/{upid}/status",
        Anyone,
        &[],
        tasks::status,
    ),
    route(
        "GET",
        "/nodes/{node}/tasks/{upid}/log",
        Anyone,
        &[tasks::LOG],
        tasks::log,
    ),
    route("GET", "/nodes/{node}/lxc", Anyone, &[], lxc::list),
    route(
        "POST",
        "/nodes/{node}/lxc",
        Anyone,
        &[lxc::CREATE, lxc::OPTIONS],
        lxc::create,
    ),
    route(
        "GET",
        "/nodes/{node}/lxc/{vmid}",
        Anyone,
        &[],
        index::container,
    ),
    route(
        "DELETE",
        "/nodes/{node}/lxc/{vmid}",
        All("/vms/{vmid}", &["VM.Allocate"]),
        &[lxc::DESTROY],
        lxc::destroy,
    ),
    route(
        "GET",
        "/nodes/{node}/lxc/{vmid}/config",
        AUDIT_GUEST,
        &[lxc::READ_CONFIG],
        lxc::config,
    ),
    route(
        "PUT",
        "/nodes/{node}/lxc/{vmid}/config",
        Any("/vms/{vmid}", lxc::CONFIG_PRIVILEGES),
        &[lxc::UPDATE, lxc::OPTIONS],
        lxc::update,
    ),
    route(
        "GET",
        "/nodes/{node}/lxc/{vmid}/status",
        Anyone,
        &[],
        index::container_status,
    ),
    route(
        "GET",
        "/nodes/{node}/lxc/{vmid}/status/current",
        AUDIT_GUEST,
        &[],
        lxc::current,
    ),
    route(
        "POST",
        "/nodes/{node}/lxc/{vmid}/status/start",
        POWER,
        &[lxc::START],
        lxc::start,
    ),
    route(
        "POST",
        "/nodes/{node}/lxc/{vmid}/status/stop",
        POWER,
        &[lxc::STOP],
        lxc::stop,
    ),
    route(
        "POST",
        "/nodes/{node}/lxc/{vmid}/status/shutdown",
        POWER,
        &[lxc::SHUTDOWN],
        lxc::shutdown,
    ),
    route(
        "POST",
        "/nodes/{node}/lxc/{vmid}/status/reboot",
        POWER,
        &[lxc::REBOOT],
        lxc::reboot,
    ),
    route(
        "POST",
        "/nodes/{node}/lxc/{vmid}/termproxy",
        CONSOLE,
        &[],
        lxc::termproxy,
    ),
    route(
        "GET",
        "/nodes/{node}/lxc/{vmid}/vncwebsocket",
        CONSOLE,
        &[lxc::SOCKET],
        lxc::vncwebsocket,
    ),
    route(
        "GET",
        "/nodes/{node}/lxc/{vmid}/interfaces",
        AUDIT_GUEST,
        &[],
        lxc::interfaces,
    ),
    route(
        "GET",
        "/nodes/{node}/lxc/{vmid}/rrddata",
        AUDIT_GUEST,
        &[lxc::RRD],
        lxc::rrd,
    ),
];

/// The method for a path, with the variables of the path.
pub(super) fn find(
    method: &str,
    segments: &[String],
) -> Option<(&'static Route, BTreeMap<&'static str, String>)> {
    ROUTES
        .iter()
        .chain(administration::ROUTES)
        .chain(firewall::ROUTES)
        .filter(|route| route.method == method)
        .find_map(|route| Some((route, bind(route.path, segments)?)))
}

fn bind(template: &'static str, segments: &[String]) -> Option<BTreeMap<&'static str, String>> {
    let wanted: Vec<&'static str> = template
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    if wanted.len() != segments.len() {
        return None;
    }
    let mut variables = BTreeMap::new();
    for (part, segment) in wanted.into_iter().zip(segments) {
        let variable = part
            .strip_prefix('{')
            .and_then(|part| part.strip_suffix('}'));
        match variable {
            Some(name) => {
                variables.insert(name, segment.clone());
            }
            None if part == segment => {}
            None => return None,
        }
    }
    Some(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_found_with_its_variables_and_an_unknown_one_is_not() {
        let segments = ["nodes", "pve", "lxc", "101", "config"].map(String::from);
        let (route, variables) = find("GET", &segments).unwrap();
        assert_eq!(route.path, "/nodes/{node}/lxc/{vmid}/config");
        assert_eq!(variables["vmid"], "101");
        let exec = ["nodes", "pve", "lxc", "101", "exec"].map(String::from);
        assert!(find("POST", &exec).is_none());
    }
}

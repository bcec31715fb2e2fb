//! The methods by which an administrator runs a cluster, and which the service itself never calls.

use super::route::Permission::{All, Anyone};
use super::route::{Permission, Route, route};
use super::{backup, ha, lxc, node, pools};

const SNAPSHOTS: Permission = All("/vms/{vmid}", &["VM.Snapshot"]);
const HA_AUDIT: Permission = All("/", &["Sys.Audit"]);
const HA_CHANGE: Permission = All("/", &["Sys.Console"]);
const POOL: Permission = All("/pool/{poolid}", &["Pool.Allocate"]);

pub(super) static ROUTES: &[Route] = &[
    route(
        "POST",
        "/nodes/{node}/lxc/{vmid}/migrate",
        All("/vms/{vmid}", &["VM.Migrate"]),
        &[lxc::MIGRATE],
        lxc::migrate,
    ),
    route(
        "POST",
        "/nodes/{node}/lxc/{vmid}/clone",
        All("/vms/{vmid}", &["VM.Clone"]),
        &[lxc::CLONE],
        lxc::clone,
    ),
    route(
        "POST",
        "/nodes/{node}/lxc/{vmid}/template",
        All("/vms/{vmid}", &["VM.Allocate"]),
        &[],
        lxc::template,
    ),
    route(
        "GET",
        "/nodes/{node}/lxc/{vmid}/snapshot",
        All("/vms/{vmid}", &["VM.Audit"]),
        &[],
        lxc::snapshots,
    ),
    route(
        "POST",
        "/nodes/{node}/lxc/{vmid}/snapshot",
        SNAPSHOTS,
        &[lxc::SNAPSHOT],
        lxc::snapshot,
    ),
    route(
        "DELETE",
        "/nodes/{node}/lxc/{vmid}/snapshot/{snapname}",
        SNAPSHOTS,
        &[lxc::REMOVE_SNAPSHOT],
        lxc::remove_snapshot,
    ),
    route(
        "POST",
        "/nodes/{node}/vzdump",
        Anyone,
        &[backup::VZDUMP],
        backup::vzdump,
    ),
    route(
        "POST",
        "/nodes/{node}/status",
        All("/nodes/{node}", &["Sys.PowerMgmt"]),
        &[node::COMMAND],
        node::command,
    ),
    route("POST", "/pools", POOL, &[pools::CREATE], pools::create),
    route(
        "PUT",
        "/pools",
        POOL,
        &[pools::WHICH, pools::UPDATE],
        pools::update,
    ),
    route("DELETE", "/pools", POOL, &[pools::WHICH], pools::remove),
    route(
        "PUT",
        "/pools/{poolid}",
        POOL,
        &[pools::UPDATE],
        pools::update,
    ),
    route("DELETE", "/pools/{poolid}", POOL, &[], pools::remove),
    route("GET", "/cluster/ha/resources", HA_AUDIT, &[], ha::list),
    route(
        "POST",
        "/cluster/ha/resources",
        HA_CHANGE,
        &[ha::CREATE],
        ha::create,
    ),
    route("GET", "/cluster/ha/resources/{sid}", HA_AUDIT, &[], ha::one),
    route(
        "PUT",
        "/cluster/ha/resources/{sid}",
        HA_CHANGE,
        &[ha::CHANGE],
        ha::change,
    ),
    route(
        "DELETE",
        "/cluster/ha/resources/{sid}",
        HA_CHANGE,
        &[ha::REMOVE],
        ha::remove,
    ),
    route(
        "POST",
        "/cluster/ha/resources/{sid}/migrate",
        HA_CHANGE,
        &[ha::RELOCATE],
        ha::relocate,
    ),
    route(
        "POST",
        "/cluster/ha/resources/{sid}/relocate",
        HA_CHANGE,
        &[ha::RELOCATE],
        ha::relocate,
    ),
];

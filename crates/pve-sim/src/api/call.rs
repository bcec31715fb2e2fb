//! One call of an API method, as its handler gets it.

use std::sync::{Arc, MutexGuard};

use crate::access::{Caller, ROOT};
use crate::cluster::Cluster;
use crate::faults::FaultKind;
use crate::response::ErrorResponse;
use crate::schema::Params;
use crate::worker::TaskOrder;
use crate::world::container::Container;
use crate::world::{self, World};

/// One call.
pub(crate) struct MethodCall<'a> {
    pub(crate) cluster: &'a Arc<Cluster>,
    pub(crate) caller: &'a Caller,
    /// The node that the path names, or the one that answers.
    pub(crate) node: String,
    pub(super) params: Params,
    pub(crate) fault: Option<FaultKind>,
}

impl MethodCall<'_> {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.cluster.world()
    }

    pub(crate) fn authid(&self) -> &str {
        &self.caller.authid
    }

    pub(crate) fn is_root(&self) -> bool {
        self.caller.authid == ROOT
    }

    /// The container id from path or parameters.
    pub(crate) fn vmid(&self) -> u32 {
        self.params
            .int("vmid")
            .and_then(|vmid| u32::try_from(vmid).ok())
            .expect("the schema requires a VMID within bounds")
    }

    /// The container that the path names, on the node that the path names.
    pub(crate) fn container<'w>(&self, world: &'w World) -> Result<&'w Container, ErrorResponse> {
        let vmid = self.vmid();
        world
            .containers
            .get(&vmid)
            .filter(|container| container.node == self.node)
            .ok_or_else(|| ErrorResponse::died(world::missing(&self.node, vmid)))
    }

    /// The task of a worker on the container that the path names.
    pub(crate) fn task_order(&self, kind: &'static str) -> TaskOrder<'_> {
        TaskOrder {
            node: &self.node,
            kind,
            id: self.vmid().to_string(),
            user: self.authid(),
            fault: self.fault.clone(),
        }
    }

    /// Refuses options that only root may use.
    pub(crate) fn root_only(&self, names: &[&str]) -> Result<(), ErrorResponse> {
        match names.iter().find(|name| self.params.has(name)) {
            Some(name) if !self.is_root() => Err(ErrorResponse::parameter(
                name,
                "Only root may use this option.",
            )),
            _ => Ok(()),
        }
    }
}

//! High availability: containers that the cluster's manager starts, stops and relocates.

use serde::{Deserialize, Serialize};

/// One container that high availability manages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HaResource {
    /// The requested state: `started`, `stopped`, `disabled` or `ignored`.
    pub(crate) requested: String,
    /// The state that the manager shows: `started`, `stopped`, `request_stop`, …
    pub(crate) state: String,
    /// Number of the last request, so that an older one is not executed.
    #[serde(default)]
    pub(crate) request: u32,
}

impl HaResource {
    pub(crate) fn new(running: bool) -> Self {
        let state = if running { "started" } else { "stopped" };
        Self {
            requested: state.into(),
            state: state.into(),
            request: 0,
        }
    }

    /// Whether the manager starts the container after its node has come back.
    pub(crate) fn wants_start(&self) -> bool {
        self.requested == "started"
    }

    /// Whether start and stop are requests to the manager.
    pub(crate) fn managed(&self) -> bool {
        self.requested != "ignored"
    }
}

//! The list of a container's published ports, and the requests that change it.

use api_types::{PortAccess, PortList, PortView};
use leptos::{prelude::*, task::spawn_local};

use crate::{
    engine::{Engine, use_engine},
    http::RequestError,
    state::remote::Remote,
    text::ports,
};

/// The published ports of one container.
#[derive(Clone, Copy)]
pub struct PublishedPorts {
    engine: Engine,
    lease: StoredValue<String>,
    list: Remote<PortList>,
    /// A request that changes a port is under way.
    pub busy: RwSignal<bool>,
    /// Why the last one failed.
    pub problem: RwSignal<Option<String>>,
    /// What was done last.
    pub done: RwSignal<Option<String>>,
}

impl PublishedPorts {
    /// Requests the list.
    pub fn new(lease: String) -> Self {
        let ports = Self {
            engine: use_engine(),
            lease: StoredValue::new(lease),
            list: Remote::new(),
            busy: RwSignal::new(false),
            problem: RwSignal::new(None),
            done: RwSignal::new(None),
        };
        ports.reload();
        ports
    }

    /// The lease.
    pub fn lease_id(self) -> String {
        self.lease.get_value()
    }

    /// The ports, once they are known.
    pub fn list(self) -> Signal<Option<PortList>> {
        self.list.value()
    }

    /// Why they are not known.
    pub fn error(self) -> Signal<Option<RequestError>> {
        self.list.error()
    }

    /// Requests the list again.
    pub fn reload(self) {
        let (api, lease) = (self.engine.lease, self.lease_id());
        self.list.request(async move { api.ports(&lease).await });
    }

    /// Publishes a port, or changes who may open it.
    pub fn publish(self, port: u16, access: PortAccess) {
        let (api, lease) = (self.engine.lease, self.lease_id());
        self.run(async move {
            let view = api.publish_port(&lease, port, access).await?;
            let done = ports::changed(port, view.access);
            self.change(|list| insert(list, view));
            Ok(done)
        });
    }

    /// Ends the publication of a port.
    pub fn close(self, port: u16, closed: impl FnOnce() + 'static) {
        let (api, lease) = (self.engine.lease, self.lease_id());
        self.run(async move {
            api.close_port(&lease, port).await?;
            self.change(|list| list.ports.retain(|view| view.port != port));
            closed();
            Ok(ports::closed(port))
        });
    }

    fn run(self, request: impl Future<Output = Result<String, RequestError>> + 'static) {
        if self.busy.get_untracked() {
            return;
        }
        self.busy.set(true);
        self.problem.set(None);
        self.done.set(None);
        spawn_local(async move {
            // The panel may have left the page.
            match request.await {
                Ok(done) => self.done.try_set(Some(done)),
                Err(error) => self.problem.try_set(Some(error.to_string())),
            };
            self.busy.try_set(false);
        });
    }

    fn change(self, change: impl FnOnce(&mut PortList)) {
        if self.lease.try_get_value().is_some() {
            self.list.change(change);
        }
    }
}

/// Adds a port in its place, or replaces its older state.
fn insert(list: &mut PortList, view: PortView) {
    list.ports.retain(|known| known.port != view.port);
    let place = list.ports.partition_point(|known| known.port < view.port);
    list.ports.insert(place, view);
}

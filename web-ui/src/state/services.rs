//! The two services: what they offer, and whether they respond. They are asked at the start and
//! then regularly, more often while one of them does not respond, so that the page recovers by
//! itself.

use std::time::Duration;

use api_types::{AgentInfo, Catalog};
use leptos::prelude::*;

use super::{now::every, remote::Remote};
use crate::{
    engine::Engine,
    http::{RequestError, fetch::UNREACHABLE},
};

/// The interval at which services are asked while one does not respond.
const RETRY_INTERVAL: Duration = Duration::from_secs(8);
/// The interval at which services are asked while both respond.
const REFRESH_INTERVAL: Duration = Duration::from_secs(24);

/// What is known of the services.
#[derive(Clone, Copy)]
pub struct Services {
    engine: Engine,
    catalog: Remote<Catalog>,
    agent: Remote<AgentInfo>,
    online: RwSignal<bool>,
}

impl Services {
    /// Asks both services regularly, for the whole application.
    pub fn provide(engine: Engine) {
        let services = Self {
            engine,
            catalog: Remote::new(),
            agent: Remote::new(),
            online: RwSignal::new(window().navigator().on_line()),
        };
        services.ask();
        every(RETRY_INTERVAL, move || {
            if services.has_error_untracked() {
                services.ask();
            }
        });
        every(REFRESH_INTERVAL, move || {
            if !services.has_error_untracked() {
                services.ask();
            }
        });
        for name in ["online", "offline", UNREACHABLE] {
            let listener = window_event_listener_untyped(name, move |_| {
                services.online.set(window().navigator().on_line());
                // A service that does not respond is asked regularly anyway.
                if name != UNREACHABLE || !services.has_error_untracked() {
                    services.ask();
                }
            });
            on_cleanup(move || listener.remove());
        }
        provide_context(services);
    }

    /// The application's services.
    pub fn get() -> Self {
        expect_context()
    }

    /// Asks both services again.
    pub fn ask(self) {
        let engine = self.engine;
        self.catalog.request(async move { engine.catalog().await });
        self.agent.request(async move { engine.agent.info().await });
    }

    /// What the lease API offers.
    pub fn catalog(self) -> Signal<Option<Catalog>> {
        self.catalog.value()
    }

    /// Which model the agent uses.
    pub fn agent(self) -> Signal<Option<AgentInfo>> {
        self.agent.value()
    }

    /// Why the lease API does not respond.
    pub fn catalog_error(self) -> Signal<Option<RequestError>> {
        self.catalog.error()
    }

    /// Why the agent does not respond.
    pub fn agent_error(self) -> Signal<Option<RequestError>> {
        self.agent.error()
    }

    /// Whether the browser is online.
    pub fn online(self) -> Signal<bool> {
        self.online.into()
    }

    /// The parts of the deployment that are simulated.
    pub fn simulated(self) -> Signal<Vec<String>> {
        let (catalog, agent) = (self.catalog(), self.agent());
        Signal::derive(move || {
            let mut parts = catalog
                .get()
                .map(|catalog| catalog.simulated)
                .unwrap_or_default();
            if agent.get().is_some_and(|agent| agent.provider == "offline") {
                parts.push("model".to_owned());
            }
            parts
        })
    }

    /// A notice about commands in simulated containers.
    pub fn simulator_notice(self) -> Signal<Option<String>> {
        let catalog = self.catalog();
        Signal::derive(move || catalog.get().and_then(|catalog| catalog.simulator_notice))
    }

    /// Whether payments are simulated on the demo's ledger.
    pub fn demo_money(self) -> Signal<bool> {
        let catalog = self.catalog();
        Signal::derive(move || {
            catalog.with(|catalog| {
                let simulated = catalog.as_ref().map(|catalog| &catalog.simulated);
                simulated.is_some_and(|parts| parts.iter().any(|part| part == "payments"))
            })
        })
    }

    fn has_error_untracked(self) -> bool {
        self.catalog.error().get_untracked().is_some()
            || self.agent.error().get_untracked().is_some()
    }
}

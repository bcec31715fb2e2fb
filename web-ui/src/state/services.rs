//! The two services, seen from here: what they offer, and whether they answer. They are asked at the start and now and
//! then, and more often while one of them does not answer, so that the page recovers by itself.

use std::time::Duration;

use api_types::{AgentInfo, Catalog};
use leptos::prelude::*;

use super::{now::every, remote::Remote};
use crate::{
    api::{ApiError, fetch::UNREACHABLE},
    engine::Engine,
};

/// How long until a service that did not answer is asked again.
const AGAIN: Duration = Duration::from_secs(8);
/// How long until a service that answered is asked again.
const STILL: Duration = Duration::from_secs(24);

/// What is known of the services.
#[derive(Clone, Copy)]
pub struct Services {
    engine: Engine,
    catalog: Remote<Catalog>,
    agent: Remote<AgentInfo>,
    online: RwSignal<bool>,
}

impl Services {
    /// Asks both services, for the whole application.
    pub fn provide(engine: Engine) {
        let services = Self {
            engine,
            catalog: Remote::new(),
            agent: Remote::new(),
            online: RwSignal::new(window().navigator().on_line()),
        };
        services.ask();
        every(AGAIN, move || {
            if services.trouble_untracked() {
                services.ask();
            }
        });
        every(STILL, move || {
            if !services.trouble_untracked() {
                services.ask();
            }
        });
        for name in ["online", "offline", UNREACHABLE] {
            let listener = window_event_listener_untyped(name, move |_| {
                services.online.set(window().navigator().on_line());
                // What does not answer is asked now and then already.
                if name != UNREACHABLE || !services.trouble_untracked() {
                    services.ask();
                }
            });
            on_cleanup(move || listener.remove());
        }
        provide_context(services);
    }

    /// The application's view of its services.
    pub fn get() -> Self {
        expect_context()
    }

    /// Asks both services again.
    pub fn ask(self) {
        let engine = self.engine;
        self.catalog.ask(async move { engine.catalog().await });
        self.agent.ask(async move { engine.agent.info().await });
    }

    /// What the lease API offers.
    pub fn catalog(self) -> Signal<Option<Catalog>> {
        self.catalog.value()
    }

    /// Which model the agent asks.
    pub fn agent(self) -> Signal<Option<AgentInfo>> {
        self.agent.value()
    }

    /// Why the lease API does not answer.
    pub fn catalog_error(self) -> Signal<Option<ApiError>> {
        self.catalog.error()
    }

    /// Why the agent does not answer.
    pub fn agent_error(self) -> Signal<Option<ApiError>> {
        self.agent.error()
    }

    /// Whether the browser has a network at all.
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

    /// What to know of the commands that simulated machines run.
    pub fn simulator_notice(self) -> Signal<Option<String>> {
        let catalog = self.catalog();
        Signal::derive(move || catalog.get().and_then(|catalog| catalog.simulator_notice))
    }

    /// Whether payments are play money of the demo ledger.
    pub fn demo_money(self) -> Signal<bool> {
        let catalog = self.catalog();
        Signal::derive(move || {
            catalog.with(|catalog| {
                let simulated = catalog.as_ref().map(|catalog| &catalog.simulated);
                simulated.is_some_and(|parts| parts.iter().any(|part| part == "payments"))
            })
        })
    }

    fn trouble_untracked(self) -> bool {
        self.catalog.error().get_untracked().is_some()
            || self.agent.error().get_untracked().is_some()
    }
}

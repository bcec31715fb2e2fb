//! The page on the screen, and the way to another.

use leptos::prelude::*;

use super::focus::focus_content;
use crate::state::route::{PendingAction, Route};

/// The page on the screen, and an action that is to be carried out there.
#[derive(Clone, Copy)]
pub struct Navigation {
    routes: StoredValue<Vec<Route>>,
    route: RwSignal<Option<Route>>,
    pending_action: RwSignal<Option<PendingAction>>,
}

impl Navigation {
    /// Follows the address among these pages, for the whole application.
    pub fn provide(routes: Vec<Route>) {
        let navigation = Self {
            routes: StoredValue::new(routes),
            route: RwSignal::new(None),
            pending_action: RwSignal::new(None),
        };
        navigation.route.set(navigation.current());
        let changed = window_event_listener_untyped("hashchange", move |_| {
            navigation.route.set(navigation.current());
            focus_content();
        });
        on_cleanup(move || changed.remove());
        provide_context(navigation);
    }

    /// The application's navigation.
    pub fn get() -> Self {
        expect_context()
    }

    /// The page of the address; none if it leads nowhere.
    pub fn current(self) -> Option<Route> {
        let hash = window().location().hash().unwrap_or_default();
        self.routes
            .with_value(|routes| Route::from_hash(&hash, routes.iter().copied()))
    }

    /// The page on the screen; none if the address leads nowhere.
    pub fn route() -> Signal<Option<Route>> {
        Self::get().route.into()
    }

    /// The action that is to be carried out on the board. The component that carries it out takes
    /// it.
    pub fn pending_action() -> RwSignal<Option<PendingAction>> {
        Self::get().pending_action
    }

    /// Goes to the board for an action.
    pub fn go_for(self, action: PendingAction) {
        self.pending_action.set(Some(action));
        Self::go(Route::LEASES);
    }

    /// Goes to a page.
    pub fn go(route: Route) {
        let (window, href) = (window(), route.href());
        let state = window.history().and_then(|history| history.state());
        // An open dialog has its own history entry, which the page replaces. The browser cannot
        // refuse an address of our own.
        let _ = if state.is_ok_and(|state| state.is_truthy()) {
            window.location().replace(href)
        } else {
            window.location().set_hash(href)
        };
    }
}

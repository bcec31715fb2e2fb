//! Which page is on the screen, and the links between them.

use leptos::prelude::*;
use wasm_bindgen::JsCast;

use crate::{
    components::{Glyph, Icon},
    state::route::{Errand, Route},
    text::shell,
};

/// The page on the screen, and what somebody went there for.
#[derive(Clone, Copy)]
pub struct Navigation {
    route: RwSignal<Route>,
    errand: RwSignal<Option<Errand>>,
}

impl Navigation {
    /// The page that the address names.
    pub fn current() -> Route {
        Route::read(&window().location().hash().unwrap_or_default())
    }

    /// Follows the address, for the whole application.
    pub fn provide() {
        let route = RwSignal::new(Self::current());
        let changed = window_event_listener_untyped("hashchange", move |_| {
            route.set(Self::current());
            focus_content();
        });
        on_cleanup(move || changed.remove());
        Effect::new(move || document().set_title(&title(route.get())));
        provide_context(Self {
            route,
            errand: RwSignal::new(None),
        });
    }

    /// The application's.
    pub fn get() -> Self {
        expect_context()
    }

    /// The page on the screen.
    pub fn route() -> Signal<Route> {
        Self::get().route.into()
    }

    /// What somebody came to the board for; whoever does it takes it out.
    pub fn errand() -> RwSignal<Option<Errand>> {
        Self::get().errand
    }

    /// Goes to the board for something.
    pub fn go_for(self, errand: Errand) {
        self.errand.set(Some(errand));
        Self::go(Route::Leases);
    }

    /// Goes to a page.
    pub fn go(route: Route) {
        let (window, href) = (window(), route.href());
        let state = window.history().and_then(|history| history.state());
        // A dialog that is left for the page has an entry of its own, in whose place the page comes. The address is one of our own,
        // which the browser cannot refuse.
        let _ = if state.is_ok_and(|state| state.is_truthy()) {
            window.location().replace(href)
        } else {
            window.location().set_hash(href)
        };
    }
}

/// Moves the focus to the content, as a new page would.
pub fn focus_content() {
    focus_on("content");
}

/// Moves the focus to an element of the page by its id.
pub fn focus_on(id: &str) {
    let element = document().get_element_by_id(id);
    if let Some(element) =
        element.and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok())
    {
        // An element that cannot take the focus leaves it where it is.
        let _ = element.focus();
    }
}

/// Moves the focus to where the next message is written; on a touch screen that would open the keyboard over the answer, so there it
/// is the conversation.
pub fn focus_conversation() {
    let touched = window().navigator().max_touch_points() > 0;
    focus_on(if touched { "log" } else { "message" });
}

fn name(route: Route) -> &'static str {
    match route {
        Route::Chat => shell::CHAT,
        Route::Leases => shell::LEASES,
        Route::Receipts => shell::RECEIPTS,
        Route::Settings => shell::SETTINGS,
        Route::Unknown => shell::UNKNOWN,
    }
}

fn title(route: Route) -> String {
    format!("{} · {}", name(route), shell::NAME)
}

/// The links to the pages.
#[component]
pub fn Tabs() -> impl IntoView {
    let route = Navigation::route();
    let link = move |to: Route, glyph: Glyph| {
        let current = move || (route.get() == to).then_some("page");
        view! {
            <a class="tab" href=to.href() aria-current=current><Icon glyph=glyph /><span>{name(to)}</span></a>
        }
    };
    view! {
        <nav class="tabs" aria-label=shell::NAVIGATION>
            {link(Route::Chat, Glyph::Chat)}
            {link(Route::Leases, Glyph::Server)}
            {link(Route::Receipts, Glyph::Receipt)}
            {link(Route::Settings, Glyph::Sliders)}
        </nav>
    }
}

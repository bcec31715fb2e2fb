//! Which page is on the screen, and the links between them.

use leptos::prelude::*;
use wasm_bindgen::JsCast;

use crate::{
    components::{Glyph, Icon},
    state::route::Route,
    text::shell,
};

/// The page on the screen.
#[derive(Clone, Copy)]
pub struct Navigation(RwSignal<Route>);

fn current() -> Route {
    Route::read(&window().location().hash().unwrap_or_default())
}

impl Navigation {
    /// Follows the address, for the whole application.
    pub fn provide() {
        let route = RwSignal::new(current());
        let changed = window_event_listener_untyped("hashchange", move |_| {
            route.set(current());
            focus_content();
        });
        on_cleanup(move || changed.remove());
        Effect::new(move || document().set_title(&title(route.get())));
        provide_context(Self(route));
    }

    /// The page on the screen.
    pub fn route() -> Signal<Route> {
        expect_context::<Self>().0.into()
    }

    /// Goes to a page.
    pub fn go(route: Route) {
        // The address is one of our own, which the browser cannot refuse.
        let _ = window().location().set_hash(route.href());
    }
}

/// Moves the focus to the content, as a new page would.
pub fn focus_content() {
    let content = document().get_element_by_id("content");
    if let Some(content) =
        content.and_then(|content| content.dyn_into::<web_sys::HtmlElement>().ok())
    {
        // An element that cannot take the focus leaves it where it is.
        let _ = content.focus();
    }
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

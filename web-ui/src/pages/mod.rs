//! The pages, and the one table of them. A new page needs its module below `pages`, with `mod` and
//! `use` here; its row in [`PAGES`], whose length is in its type; a field of [`LazyPages`] and its
//! value in [`lazy_pages`]; and its texts in `text`. docs/ARCHITECTURE.md lists the tests as well.

pub(crate) mod chat;
pub(crate) mod leases;
mod receipts;
mod settings;
mod unknown;

use leptos::prelude::*;

use chat::ChatPage;
pub use leases::LeaseWarnings;
use leases::LeasesPage;
use receipts::ReceiptsPage;
use settings::SettingsPage;
use unknown::UnknownPage;

use crate::{
    components::Glyph,
    lazy::{LazyChunk, LazyTable},
    state::route::Route,
    text::shell,
};

/// A page.
pub struct PageRow {
    /// Its address.
    pub route: Route,
    /// Its title.
    pub title: &'static str,
    /// Its icon in the tabs and the command palette.
    pub icon: Glyph,
    /// The key that opens it together with Alt.
    pub key: &'static str,
    /// Its view.
    pub view: fn() -> AnyView,
}

/// The pages, in the order of the tabs.
pub static PAGES: [PageRow; 4] = [
    PageRow {
        route: Route::CHAT,
        title: shell::CHAT,
        icon: Glyph::Chat,
        key: "1",
        view: || view! { <ChatPage /> }.into_any(),
    },
    PageRow {
        route: Route::LEASES,
        title: shell::LEASES,
        icon: Glyph::Server,
        key: "2",
        view: || LAZY_PAGES.show(|pages| (pages.leases)()),
    },
    PageRow {
        route: Route::RECEIPTS,
        title: shell::RECEIPTS,
        icon: Glyph::Receipt,
        key: "3",
        view: || LAZY_PAGES.show(|pages| (pages.receipts)()),
    },
    PageRow {
        route: Route::SETTINGS,
        title: shell::SETTINGS,
        icon: Glyph::Sliders,
        key: "4",
        view: || LAZY_PAGES.show(|pages| (pages.settings)()),
    },
];

/// The pages that are loaded lazily: all but the chat.
#[derive(Clone, Copy)]
pub(crate) struct LazyPages {
    leases: fn() -> AnyView,
    receipts: fn() -> AnyView,
    settings: fn() -> AnyView,
    unknown: fn() -> AnyView,
}

pub(crate) static LAZY_PAGES: LazyTable<LazyPages> = LazyTable::new(LazyChunk::Pages);

/// The entries of the chunk.
pub(crate) fn lazy_pages() -> LazyPages {
    LazyPages {
        leases: || view! { <LeasesPage /> }.into_any(),
        receipts: || view! { <ReceiptsPage /> }.into_any(),
        settings: || view! { <SettingsPage /> }.into_any(),
        unknown: || view! { <UnknownPage /> }.into_any(),
    }
}

/// The row of a page.
pub fn find(route: Route) -> Option<&'static PageRow> {
    PAGES.iter().find(|page| page.route == route)
}

/// The view of the page at an address; none if the address leads nowhere.
pub fn show(route: Option<Route>) -> AnyView {
    match route.and_then(find) {
        Some(page) => (page.view)(),
        None => LAZY_PAGES.show(|pages| (pages.unknown)()),
    }
}

/// The title of the page at an address.
pub fn title(route: Option<Route>) -> &'static str {
    route
        .and_then(find)
        .map_or(shell::UNKNOWN, |page| page.title)
}

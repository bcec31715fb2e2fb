//! The pages. All but the chat are a part that is loaded when one of them is opened.

mod chat;
mod leases;
mod receipts;
mod settings;
mod unknown;

use leptos::prelude::*;
use wasm_split_helpers::wasm_split;

pub use chat::{ChatPage, TURN};
pub use leases::LeaseWarnings;
use leases::LeasesPage;
use receipts::ReceiptsPage;
use settings::SettingsPage;
use unknown::UnknownPage;

use crate::part::{NotLoaded, Part};

/// The pages that come on demand.
#[derive(Clone, Copy)]
pub struct Pages {
    /// The board of leases.
    pub leases: fn() -> AnyView,
    /// The payments.
    pub receipts: fn() -> AnyView,
    /// The customer's choices.
    pub settings: fn() -> AnyView,
    /// No page at all.
    pub unknown: fn() -> AnyView,
}

/// The pages that come on demand.
pub static PAGES: Part<Pages> = Part::new(|| Box::pin(pages()));

#[wasm_split(pages, fallible)]
fn pages() -> Result<Pages, NotLoaded> {
    Ok(Pages {
        leases: || view! { <LeasesPage /> }.into_any(),
        receipts: || view! { <ReceiptsPage /> }.into_any(),
        settings: || view! { <SettingsPage /> }.into_any(),
        unknown: || view! { <UnknownPage /> }.into_any(),
    })
}

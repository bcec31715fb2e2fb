//! What customers with leases see on every page. It is loaded once leases are known, so that a
//! first visit does without it.

use leptos::prelude::*;

use crate::{
    lazy::{LazyChunk, LazyTable},
    state::lease::board::Board,
};

/// The views for customers with leases.
#[derive(Clone, Copy)]
pub(crate) struct LeaseHolderViews {
    pub(crate) warnings: fn() -> AnyView,
    pub(crate) mobile_sheet: fn() -> AnyView,
}

pub(crate) static LEASE_HOLDER: LazyTable<LeaseHolderViews> = LazyTable::new(LazyChunk::Pages);

/// Warnings before a lease expires.
#[component]
pub fn LeaseWarnings() -> impl IntoView {
    once_leases_are_known(|views| (views.warnings)())
}

/// The leases beside a conversation on a phone.
#[component]
pub fn MobileLeases() -> impl IntoView {
    once_leases_are_known(|views| (views.mobile_sheet)())
}

fn once_leases_are_known(view: fn(LeaseHolderViews) -> AnyView) -> impl IntoView {
    let leases = Board::get().leases();
    let known = Memo::new(move |_| leases.with(Option::is_some));
    move || known.get().then(|| LEASE_HOLDER.show_once_loaded(view))
}

//! What those have on every page who have leases. It comes with them: a first visit has nothing of it.

use leptos::prelude::*;
use wasm_split_helpers::wasm_split;

use super::{reach::Reach, warnings::ExpiryWatch};
use crate::{
    part::{NotLoaded, Part},
    state::board::Board,
};

#[derive(Clone, Copy)]
struct Owner {
    warnings: fn() -> AnyView,
    reach: fn() -> AnyView,
}

static OWNER: Part<Owner> = Part::new(|| Box::pin(owner()));

#[wasm_split(pages, fallible)]
fn owner() -> Result<Owner, NotLoaded> {
    Ok(Owner {
        warnings: || view! { <ExpiryWatch /> }.into_any(),
        reach: || view! { <Reach /> }.into_any(),
    })
}

/// Warnings before a lease ends.
#[component]
pub fn LeaseWarnings() -> impl IntoView {
    for_owners(|owner| (owner.warnings)())
}

/// The leases, in reach of a conversation on a phone.
#[component]
pub fn LeasesInReach() -> impl IntoView {
    for_owners(|owner| (owner.reach)())
}

/// Shows something as soon as leases are known.
fn for_owners(view: fn(Owner) -> AnyView) -> impl IntoView {
    let leases = Board::get().leases();
    let known = Memo::new(move |_| leases.with(Option::is_some));
    move || known.get().then(|| OWNER.show_once_here(view))
}

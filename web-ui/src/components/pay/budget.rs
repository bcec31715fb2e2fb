//! What has been spent in this session, and of how much.

use leptos::prelude::*;

use crate::{
    components::{Glyph, Icon},
    engine::use_engine,
    format::decimal_amount,
    state::route::Route,
    text::money,
};

/// The session's spending in the header; it leads to the settings.
#[component]
pub fn BudgetChip() -> impl IntoView {
    let engine = use_engine();
    let (budget, spent) = (engine.pay.budget(), engine.pay.spent());
    let amount = move || decimal_amount(spent.get());
    let cap = move || {
        let cap = budget.get().per_session?;
        Some(view! { <span class="budget-cap">{format!(" / {}", decimal_amount(cap))}</span> })
    };
    view! {
        <a class="chip budget-chip" href=Route::Settings.href() title=money::SPENT>
            <Icon glyph=Glyph::Receipt /><span class="hidden">{money::SPENT}</span><span class="number">{amount}{cap}</span>
        </a>
    }
}

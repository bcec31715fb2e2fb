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
    let amount = move || {
        let spent = decimal_amount(spent.get());
        match budget.get().per_session {
            Some(cap) => format!("{spent} / {}", decimal_amount(cap)),
            None => spent,
        }
    };
    view! {
        <a class="chip budget-chip" href=Route::Settings.href() title=money::SPENT>
            <Icon glyph=Glyph::Receipt /><span class="hidden">{money::SPENT}</span><span class="number">{amount}</span>
        </a>
    }
}

//! The spent sum of this session in the header, and the limits behind it.

use leptos::prelude::*;

use super::limits::BudgetLimits;
use crate::{
    components::{Glyph, Icon},
    engine::use_engine,
    format::decimal_amount,
    lazy::{LazyChunk, LazyTable},
    text::{money, shell},
};

pub(crate) static BUDGET_LIMITS: LazyTable<fn() -> AnyView> = LazyTable::new(LazyChunk::Pay);

/// The spent sum of the session. A press shows the limits.
#[component]
pub fn BudgetChip() -> impl IntoView {
    let engine = use_engine();
    let (budget, spent) = (engine.pay.budget(), engine.pay.spent());
    let amount = move || decimal_amount(spent.get());
    let cap = move || {
        let cap = budget.get().per_session;
        cap.map_or_else(String::new, |cap| format!(" / {}", decimal_amount(cap)))
    };
    // The browser opens the popover. Its content is created at the first press.
    let wanted = RwSignal::new(false);
    view! {
        <button type="button" class="chip budget-chip" popovertarget="budget" title=money::SPENT on:click=move |_| wanted.set(true)>
            <Icon glyph=Glyph::Receipt /><span class="budget-word">{money::SPENT_WORD}</span><span class="number notranslate"><span prop:textContent=amount></span><span class="budget-cap" prop:textContent=cap></span></span>
        </button>
        <section id="budget" class="popover" popover="auto" aria-label=shell::BUDGET>
            {move || wanted.get().then(|| BUDGET_LIMITS.show(|content| content()))}
        </section>
    }
}

/// The content of the popover.
#[component]
pub(crate) fn LimitsPopover() -> impl IntoView {
    view! { <h2>{shell::BUDGET}</h2> <BudgetLimits place="header" /> }
}

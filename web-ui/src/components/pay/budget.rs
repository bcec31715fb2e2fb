//! What has been spent in this session, and of how much; behind it, the limits.

use leptos::prelude::*;
use wasm_split_helpers::wasm_split;

use super::limits::Limits;
use crate::{
    components::{Glyph, Icon},
    engine::use_engine,
    format::decimal_amount,
    part::{NotLoaded, Part},
    text::{money, shell},
};

/// The session's spending in the header; a press shows the limits.
#[component]
pub fn BudgetChip() -> impl IntoView {
    let engine = use_engine();
    let (budget, spent) = (engine.pay.budget(), engine.pay.spent());
    let amount = move || decimal_amount(spent.get());
    let cap = move || {
        let cap = budget.get().per_session;
        cap.map_or_else(String::new, |cap| format!(" / {}", decimal_amount(cap)))
    };
    // The browser opens it; what is in it comes with the first press.
    let wanted = RwSignal::new(false);
    view! {
        <button type="button" class="chip budget-chip" popovertarget="budget" title=money::SPENT on:click=move |_| wanted.set(true)>
            <Icon glyph=Glyph::Receipt /><span class="budget-word">{money::SPENT_WORD}</span><span class="number notranslate"><span prop:textContent=amount></span><span class="budget-cap" prop:textContent=cap></span></span>
        </button>
        <section id="budget" class="popover" popover="auto" aria-label=shell::BUDGET>
            {move || wanted.get().then(|| LIMITS.show(|limits| limits()))}
        </section>
    }
}

/// What the popover shows.
static LIMITS: Part<fn() -> AnyView> = Part::new(|| Box::pin(limits()));

#[wasm_split(pay, fallible)]
fn limits() -> Result<fn() -> AnyView, NotLoaded> {
    Ok(|| view! { <h2>{shell::BUDGET}</h2> <Limits place="header" /> }.into_any())
}

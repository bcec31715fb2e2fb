//! The customer's limits: for one payment, for the session, and for payments without a question.

use api_types::Usdc;
use leptos::prelude::*;

use crate::{
    components::{Fact, figure},
    engine::use_engine,
    format::{decimal_amount, parse_amount, usdc},
    pay::CustomerBudget,
    text::{money, shell},
};

/// The limit for automatic payments when they are turned on: the price of a command.
const AUTOMATIC_DEFAULT: Usdc = Usdc(1_000);

/// The spent sum, what is left, and the fields for the limits. Changes take effect at once.
#[component]
pub fn BudgetLimits(
    /// Distinguishes its fields from those in another place.
    place: &'static str,
) -> impl IntoView {
    let engine = use_engine();
    let (budget, spent) = (engine.pay.budget(), engine.pay.spent());
    let left = move || {
        let cap = budget.get().per_session;
        cap.map_or_else(
            || shell::NO_LIMIT.to_owned(),
            |cap| usdc(cap.checked_sub(spent.get()).unwrap_or_default()),
        )
    };
    let auto = Memo::new(move |_| budget.get().auto_below.is_some());
    let ask = move |above: bool, label: &'static str| {
        let choose =
            move |_| budget.update(|budget| budget.auto_below = above.then_some(AUTOMATIC_DEFAULT));
        view! {
            <label class="segment">
                <input type="radio" name=format!("ask-{place}") prop:checked=move || auto.get() == above on:change=choose />
                <span>{label}</span>
            </label>
        }
    };
    view! {
        <dl class="facts">
            <Fact name=shell::SPENT>{figure(move || usdc(spent.get()))}</Fact>
            <Fact name=money::BUDGET_LEFT>{figure(left)}</Fact>
        </dl>
        <AmountField label=shell::BUDGET_PAYMENT budget=budget read=|budget| budget.per_payment write=|budget, amount| budget.per_payment = amount />
        <AmountField label=shell::BUDGET_SESSION budget=budget read=|budget| budget.per_session write=|budget, amount| budget.per_session = amount />
        <p class="fine">{shell::BUDGET_HELP}</p>
        <fieldset class="ask">
            <legend>{shell::ASK}</legend>
            <div class="segments">{ask(false, shell::ASK_ALWAYS)} {ask(true, shell::ASK_ABOVE)}</div>
        </fieldset>
        {move || auto.get().then(|| view! {
            <AmountField label=shell::ASK_LIMIT budget=budget read=|budget| budget.auto_below write=|budget, amount| budget.auto_below = amount.or(Some(Usdc(0))) />
            <p class="fine">{shell::ASK_HELP}</p>
        })}
    }
}

/// A field for an amount of the budget. A text that is not an amount changes nothing.
#[component]
fn AmountField(
    label: &'static str,
    budget: RwSignal<CustomerBudget>,
    read: fn(&CustomerBudget) -> Option<Usdc>,
    write: fn(&mut CustomerBudget, Option<Usdc>),
) -> impl IntoView {
    let start = budget.with_untracked(read).map(decimal_amount);
    let text = RwSignal::new(start.unwrap_or_default());
    let wrong = Memo::new(move |_| {
        text.with(|text| !text.trim().is_empty() && parse_amount(text).is_none())
    });
    // The same limit may be changed by another field.
    Effect::new(move || {
        let now = budget.with(read);
        let shown = text.with_untracked(|text| parse_amount(text));
        if shown.unwrap_or_default() != now.unwrap_or_default() && !wrong.get_untracked() {
            text.set(now.map(decimal_amount).unwrap_or_default());
        }
    });
    let typed = move |event: web_sys::Event| {
        text.set(event_target_value(&event));
        if !wrong.get_untracked() {
            let amount = text.with_untracked(|text| parse_amount(text));
            budget.update(|budget| write(budget, amount));
        }
    };
    view! {
        <label class="field amount">
            <span>{label}</span>
            <span class="field-row">
                <input type="text" inputmode="decimal" autocomplete="off" class="number" prop:value=text on:input=typed aria-invalid=move || wrong.get().to_string() />
                <span class="unit">"USDC"</span>
            </span>
        </label>
        <p class="field-problem" role="status">{move || wrong.get().then_some(shell::BAD_AMOUNT)}</p>
    }
}

//! Theme, budget, what is kept in this browser, and what the page is connected to.

use api_types::Usdc;
use leptos::prelude::*;

use crate::{
    components::{
        Fact, Glyph, Icon, Toasts, Tone,
        shell::{KeyHelp, ThemeChoice},
    },
    engine::use_engine,
    format::{decimal_amount, parse_amount, short_address, usdc},
    pay::Budget,
    state::{chat::Chat, services::Services},
    text::shell,
};

/// The settings.
#[component]
pub fn SettingsPage() -> impl IntoView {
    view! {
        <div class="page settings">
            <header class="page-head"><h1>{shell::SETTINGS}</h1></header>
            <section class="panel"><h2>{shell::THEME}</h2><ThemeChoice /></section>
            <BudgetSettings />
            <Data />
            <About />
            <section class="panel"><h2>{shell::KEYS}</h2><KeyHelp /></section>
        </div>
    }
}

#[component]
fn BudgetSettings() -> impl IntoView {
    let engine = use_engine();
    let (budget, spent) = (engine.pay.budget(), engine.pay.spent());
    let auto = Memo::new(move |_| budget.get().auto_below.is_some());
    let set_auto = move |event: web_sys::Event| {
        let on = event_target_checked(&event);
        budget.update(|budget| budget.auto_below = on.then_some(AUTO_START));
    };
    view! {
        <section class="panel">
            <h2>{shell::BUDGET}</h2>
            <p class="muted">{shell::BUDGET_HELP}</p>
            <AmountField label=shell::BUDGET_PAYMENT budget=budget read=|budget| budget.per_payment write=|budget, amount| budget.per_payment = amount />
            <AmountField label=shell::BUDGET_SESSION budget=budget read=|budget| budget.per_session write=|budget, amount| budget.per_session = amount />
            <p class="muted">{shell::SPENT} " " <strong class="number">{move || usdc(spent.get())}</strong></p>
            <label class="check">
                <input type="checkbox" prop:checked=auto on:change=set_auto />
                <span>{shell::AUTO}</span>
            </label>
            <p class="fine">{shell::AUTO_HELP}</p>
            {move || auto.get().then(|| view! {
                <AmountField label=shell::AUTO_LIMIT budget=budget read=|budget| budget.auto_below write=|budget, amount| budget.auto_below = amount />
            })}
        </section>
    }
}

/// Where automatic payment begins once it is turned on: the price of a call.
const AUTO_START: Usdc = Usdc(1_000);

/// An amount of the budget. What cannot be read is not taken over.
#[component]
fn AmountField(
    label: &'static str,
    budget: RwSignal<Budget>,
    read: fn(&Budget) -> Option<Usdc>,
    write: fn(&mut Budget, Option<Usdc>),
) -> impl IntoView {
    let start = budget.with_untracked(read).map(decimal_amount);
    let text = RwSignal::new(start.unwrap_or_default());
    let wrong = Memo::new(move |_| {
        text.with(|text| !text.trim().is_empty() && parse_amount(text).is_none())
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

#[component]
fn Data() -> impl IntoView {
    let chat = Chat::get();
    let toasts = Toasts::get();
    let forget = move |_| {
        chat.forget_all();
        toasts.say(Tone::Info, shell::DELETED_ALL);
    };
    view! {
        <section class="panel">
            <h2>{shell::DATA}</h2>
            <p class="muted">{shell::DATA_HELP}</p>
            <button type="button" class="button small quiet-danger" on:click=forget><Icon glyph=Glyph::Bin />{shell::DELETE_ALL}</button>
        </section>
    }
}

#[component]
fn About() -> impl IntoView {
    let engine = use_engine();
    let services = Services::get();
    let (catalog, agent) = (services.catalog(), services.agent());
    let network = engine.wallet.network();
    let (lease_base, chat_base) = engine.settings.with_value(|settings| {
        (
            settings.lease_api_base.clone(),
            settings.chat_api_base.clone(),
        )
    });
    let unknown = || shell::NOT_KNOWN.to_owned();
    let model = move || {
        agent.get().map_or_else(unknown, |agent| {
            format!("{} · {}", agent.provider, agent.model_name)
        })
    };
    let payee = move || {
        catalog
            .get()
            .map_or_else(unknown, |catalog| short_address(&catalog.pay_to))
    };
    view! {
        <section class="panel">
            <h2>{shell::ABOUT}</h2>
            <dl class="facts roomy">
                <Fact name=shell::LEASE_SERVICE><code>{lease_base}</code></Fact>
                <Fact name=shell::AGENT_SERVICE><code>{chat_base}</code></Fact>
                <Fact name=shell::MODEL>{model}</Fact>
                <Fact name=shell::NETWORK>{move || network.get().map_or(shell::NOT_KNOWN, |network| network.display_name)}</Fact>
                <Fact name=shell::PAYEE><code>{payee}</code></Fact>
            </dl>
        </section>
    }
}

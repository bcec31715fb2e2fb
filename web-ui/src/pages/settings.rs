//! The settings: theme, budget, the data in this browser, and the connected services.

use leptos::prelude::*;

use crate::{
    components::{Fact, Glyph, Icon, KeyList, ThemeChoice, Toasts, Tone, pay::BudgetLimits},
    engine::use_engine,
    format::short_address,
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
            <section class="panel"><h2>{shell::KEYS}</h2><KeyList /></section>
        </div>
    }
}

#[component]
fn BudgetSettings() -> impl IntoView {
    view! {
        <section class="panel">
            <h2>{shell::BUDGET}</h2>
            <BudgetLimits place="settings" />
        </section>
    }
}

#[component]
fn Data() -> impl IntoView {
    let chat = Chat::get();
    let toasts = Toasts::get();
    let delete = move |_| {
        chat.delete_all();
        toasts.show(Tone::Info, shell::DELETED_ALL);
    };
    view! {
        <section class="panel">
            <h2>{shell::DATA}</h2>
            <p class="muted">{shell::DATA_HELP}</p>
            <button type="button" class="button small quiet-danger" on:click=delete><Icon glyph=Glyph::Bin />{shell::DELETE_ALL}</button>
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

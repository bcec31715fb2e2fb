//! The dialog: the wallets that there are, or the one that is connected.

use leptos::{prelude::*, task::spawn_local};
use wasm_split_helpers::wasm_split;

use super::{
    account::AccountPanel,
    burner::BurnerPanel,
    button::{WalletDoor, WalletIcon},
};
use crate::{
    components::{Dialog, Notice, Tone},
    engine::use_engine,
    part::{NotLoaded, Part},
    text::{shell, wallet},
    wallet::{Patience, WalletError, WalletInfo, WalletKind},
};

/// The wallet's dialog.
#[component]
pub fn WalletDialog() -> impl IntoView {
    let door = WalletDoor::get();
    view! {
        <Dialog open=door.state() title=wallet::TITLE class="wallet-dialog">{WALLET.show(|content| content())}</Dialog>
    }
}

/// What the dialog shows.
pub static WALLET: Part<fn() -> AnyView> = Part::new(|| Box::pin(content()));

#[wasm_split(pay, fallible)]
fn content() -> Result<fn() -> AnyView, NotLoaded> {
    Ok(|| view! { <Content /> }.into_any())
}

#[component]
fn Content() -> impl IntoView {
    let account = use_engine().wallet.account();
    view! {
        {move || match account.get() {
            Some(account) => view! { <AccountPanel account=account /> }.into_any(),
            None => view! { <WalletList /> }.into_any(),
        }}
        <BurnerPanel />
    }
}

#[component]
fn WalletList() -> impl IntoView {
    let engine = use_engine();
    let door = WalletDoor::get();
    let asked = RwSignal::new(None::<String>);
    let problem = RwSignal::new(None::<String>);
    let patience = StoredValue::new_local(Patience::default());
    // What is answered after the dialog is left, or after another wallet is asked, connects nothing.
    on_cleanup(move || patience.with_value(Patience::stop));
    let connect = move |wallet: WalletInfo| {
        patience.with_value(Patience::stop);
        let own = Patience::default();
        patience.set_value(own.clone());
        asked.set(Some(wallet.name));
        problem.set(None);
        spawn_local(async move {
            let outcome = engine.wallet.connect(&wallet.id, &own).await;
            if own.is_stopped() {
                return;
            }
            match outcome {
                Ok(_) => door.state().set(false),
                Err(error) => drop(problem.try_set(Some(error.to_string()))),
            }
            asked.try_set(None);
        });
    };
    let stop = move |_| {
        patience.with_value(Patience::stop);
        asked.set(None);
        problem.set(Some(WalletError::Stopped.to_string()));
    };
    let found = engine.wallet.found();
    let injected = Memo::new(move |_| {
        let mut wallets = found.get();
        wallets.retain(|wallet| wallet.kind == WalletKind::Injected);
        wallets
    });
    let row = move |wallet: WalletInfo| {
        let (icon, name) = (wallet.icon.clone(), wallet.name.clone());
        view! {
            <li>
                <button type="button" class="wallet-row" on:click=move |_| connect(wallet.clone())>
                    <WalletIcon icon=icon />
                    <span translate="no">{name}</span>
                </button>
            </li>
        }
    };
    let list = move || {
        if injected.with(Vec::is_empty) {
            return view! { <p class="muted">{wallet::NONE_FOUND}</p> }.into_any();
        }
        view! {
            <h3 class="eyebrow">{wallet::FOUND}</h3>
            <ul class="wallet-list">{injected.get().into_iter().map(row).collect_view()}</ul>
        }
        .into_any()
    };
    view! {
        <p class="muted">{wallet::HELP}</p>
        {list}
        <div role="status" aria-live="polite">
            {move || asked.get().map(|name| view! {
                <Notice tone=Tone::Info>
                    <p>{wallet::asking(&name)}</p>
                    <div class="actions">
                        <button type="button" class="button small" on:click=move |_| patience.with_value(Patience::ask_again)>{wallet::ASK_AGAIN}</button>
                        <button type="button" class="button small" on:click=stop>{wallet::STOP_WAITING}</button>
                    </div>
                </Notice>
            })}
            {move || problem.get().map(|text| view! {
                <Notice tone=Tone::Warning>
                    <p>{text}</p>
                    <button type="button" class="button small" on:click=move |_| problem.set(None)>{shell::DISMISS}</button>
                </Notice>
            })}
        </div>
    }
}

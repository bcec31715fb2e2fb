//! The wallet's dialog: the wallets that were found, or the connected one.

use leptos::{prelude::*, task::spawn_local};

use super::{
    account::AccountPanel,
    burner::BurnerPanel,
    button::{WalletIcon, WalletOverlay},
};
use crate::{
    components::{Dialog, Notice, Tone},
    engine::use_engine,
    lazy::{LazyChunk, LazyTable},
    text::{shell, wallet},
    wallet::{WalletError, WalletInfo, WalletKind, WalletWait},
};

/// The wallet's dialog.
#[component]
pub fn WalletDialog() -> impl IntoView {
    let overlay = WalletOverlay::get();
    view! {
        <Dialog open=overlay.is_open() title=wallet::TITLE class="wallet-dialog">{WALLET_CONTENT.show(|content| content())}</Dialog>
    }
}

pub(crate) static WALLET_CONTENT: LazyTable<fn() -> AnyView> = LazyTable::new(LazyChunk::Pay);

/// The content of the dialog.
#[component]
pub(crate) fn WalletContent() -> impl IntoView {
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
    let overlay = WalletOverlay::get();
    let asked = RwSignal::new(None::<String>);
    let problem = RwSignal::new(None::<String>);
    let wait = StoredValue::new_local(WalletWait::default());
    // An answer that comes after the dialog was left, or after another wallet was asked, connects
    // nothing.
    on_cleanup(move || wait.with_value(WalletWait::stop));
    let connect = move |wallet: WalletInfo| {
        wait.with_value(WalletWait::stop);
        let own = WalletWait::default();
        wait.set_value(own.clone());
        asked.set(Some(wallet.name));
        problem.set(None);
        spawn_local(async move {
            let outcome = engine.wallet.connect(&wallet.id, &own).await;
            if own.is_stopped() {
                return;
            }
            match outcome {
                Ok(_) => overlay.is_open().set(false),
                Err(error) => drop(problem.try_set(Some(error.to_string()))),
            }
            asked.try_set(None);
        });
    };
    let stop = move |_| {
        wait.with_value(WalletWait::stop);
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
                        <button type="button" class="button small" on:click=move |_| wait.with_value(WalletWait::ask_again)>{wallet::ASK_AGAIN}</button>
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

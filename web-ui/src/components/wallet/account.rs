//! The connected account: its address and balance, signing in and out.

use leptos::{prelude::*, task::spawn_local};

use super::{button::WalletIcon, sign_in::SignInButton};
use crate::{
    components::{Copyable, Fact, Glyph, Icon, Toasts, Tone, figure},
    engine::use_engine,
    format::{short_address, usdc},
    state::services::Services,
    text::{money, shell, wallet},
    wallet::Account,
};

/// The account.
#[component]
pub fn AccountPanel(
    /// The account.
    account: Account,
) -> impl IntoView {
    let engine = use_engine();
    let balance = engine.wallet.balance();
    let network = engine.wallet.network();
    engine.wallet.refresh_balance();
    let has = move || {
        balance
            .get()
            .map_or_else(|| wallet::BALANCE_UNKNOWN.to_owned(), usdc)
    };
    let signed_in = engine.session.token();
    let session = move || {
        if signed_in.with(Option::is_some) {
            view! {
                <p class="muted">{wallet::SIGNED_IN}</p>
                <button type="button" class="button small" on:click=move |_| engine.session.remove()>{wallet::SIGN_OUT}</button>
            }
            .into_any()
        } else {
            view! { <p class="muted">{wallet::SIGN_IN_HELP}</p> <SignInButton /> }.into_any()
        }
    };
    view! {
        <dl class="facts roomy">
            <Fact name=wallet::VIA><WalletIcon icon=account.wallet.icon />{account.wallet.name}</Fact>
            <Fact name=wallet::ACCOUNT>
                    <Copyable name=wallet::ACCOUNT short=short_address(&account.address) value=account.address />
                </Fact>
            <Fact name=money::NETWORK>{move || network.get().map_or(shell::NOT_KNOWN, |network| network.display_name)}</Fact>
            <Fact name=wallet::BALANCE>
                    {figure(has)}
                    <button type="button" class="icon-button" aria-label=wallet::REFRESH title=wallet::REFRESH on:click=move |_| engine.wallet.refresh_balance()>
                        <Icon glyph=Glyph::Refresh />
                    </button>
                </Fact>
        </dl>
        <FaucetButton />
        <div class="divided">{session}</div>
        <div class="actions">
            <button type="button" class="button" on:click=move |_| engine.wallet.disconnect()>{wallet::DISCONNECT}</button>
        </div>
    }
}

/// The button of the demo's faucet, or on test networks a hint where test money comes from.
#[component]
pub fn FaucetButton() -> impl IntoView {
    let engine = use_engine();
    let demo = Services::get().demo_money();
    let toasts = Toasts::get();
    let busy = RwSignal::new(false);
    let fill = move |_| {
        busy.set(true);
        spawn_local(async move {
            match engine.faucet().await {
                Ok(()) => toasts.show(Tone::Success, wallet::FAUCET_DONE),
                Err(error) => toasts.show(Tone::Danger, error.to_string()),
            }
            // The button may be gone by now.
            busy.try_set(false);
        });
    };
    let network = engine.wallet.network();
    move || {
        if demo.get() {
            view! {
                <button type="button" class="button small" disabled=move || busy.get() on:click=fill>
                    <Icon glyph=Glyph::Plus />{wallet::FAUCET}
                </button>
            }
            .into_any()
        } else if network.get().is_some_and(|network| network.testnet) {
            view! { <p class="fine">{money::FAUCET_HINT}</p> }.into_any()
        } else {
            ().into_any()
        }
    }
}

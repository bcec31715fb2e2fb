//! Signing in: a signature that moves no money proves whose leases to show.

use leptos::{prelude::*, task::spawn_local};

use super::WalletOverlay;
use crate::{
    components::{Empty, Glyph, Icon, Toasts, Tone, words},
    engine::use_engine,
    text::wallet,
    wallet::WalletWait,
};

/// The button that asks the wallet for the signature.
#[component]
pub fn SignInButton() -> impl IntoView {
    let engine = use_engine();
    let toasts = Toasts::get();
    let wait = StoredValue::new_local(None::<WalletWait>);
    let busy = RwSignal::new(false);
    let sign_in = move |_| {
        let own = WalletWait::default();
        wait.set_value(Some(own.clone()));
        busy.set(true);
        spawn_local(async move {
            if let Err(error) = engine.sign_in(&own).await {
                toasts.show(Tone::Warning, error.to_string());
            }
            busy.try_set(false);
        });
    };
    let on_wait = move |act: fn(&WalletWait)| wait.with_value(|own| own.iter().for_each(act));
    let says = move || {
        if busy.get() {
            wallet::SIGNING_IN
        } else {
            wallet::SIGN_IN
        }
    };
    view! {
        <div class="actions">
            <button type="button" class="button primary" disabled=move || busy.get() on:click=sign_in><Icon glyph=Glyph::Key />{words(move || says().to_owned())}</button>
            {move || busy.get().then(|| view! {
                <button type="button" class="button" on:click=move |_| on_wait(WalletWait::ask_again)>{wallet::ASK_AGAIN}</button>
                <button type="button" class="button" on:click=move |_| on_wait(WalletWait::stop)>{wallet::STOP_WAITING}</button>
            })}
        </div>
    }
}

/// Shows its content to a signed-in wallet, and otherwise what is to be done first.
#[component]
pub fn SignInGate(
    /// The content.
    children: ChildrenFn,
) -> impl IntoView {
    let engine = use_engine();
    let overlay = WalletOverlay::get();
    let (account, token) = (engine.wallet.account(), engine.session.token());
    let progress = Memo::new(move |_| (account.with(Option::is_some), token.with(Option::is_some)));
    move || {
        match progress.get() {
        (true, true) => children().into_any(),
        (true, false) => view! {
            <Empty glyph=Glyph::Key title=wallet::SIGN_IN_TITLE help=wallet::SIGN_IN_HELP><SignInButton /></Empty>
        }
        .into_any(),
        (false, _) => view! {
            <Empty glyph=Glyph::Wallet title=wallet::CONNECT_TITLE help=wallet::CONNECT_FIRST>
                <button type="button" class="button primary" on:click=move |_| overlay.open()><Icon glyph=Glyph::Wallet />{wallet::CONNECT}</button>
            </Empty>
        }
        .into_any(),
    }
    }
}

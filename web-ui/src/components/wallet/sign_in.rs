//! Signing in: a signature that moves no money shows whose leases to show.

use leptos::{prelude::*, task::spawn_local};

use super::WalletDoor;
use crate::{
    components::{Empty, Glyph, Icon, Toasts, Tone, words},
    engine::use_engine,
    text::wallet,
    wallet::Patience,
};

/// Asks the wallet for the signature.
#[component]
pub fn SignInButton() -> impl IntoView {
    let engine = use_engine();
    let toasts = Toasts::get();
    let patience = StoredValue::new_local(None::<Patience>);
    let busy = RwSignal::new(false);
    let sign_in = move |_| {
        let own = Patience::default();
        patience.set_value(Some(own.clone()));
        busy.set(true);
        spawn_local(async move {
            if let Err(error) = engine.sign_in(&own).await {
                toasts.say(Tone::Warning, error.to_string());
            }
            busy.try_set(false);
        });
    };
    let tell = move |what: fn(&Patience)| patience.with_value(|own| own.iter().for_each(what));
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
                <button type="button" class="button" on:click=move |_| tell(Patience::ask_again)>{wallet::ASK_AGAIN}</button>
                <button type="button" class="button" on:click=move |_| tell(Patience::stop)>{wallet::STOP_WAITING}</button>
            })}
        </div>
    }
}

/// Shows its content to a signed-in wallet, and the way there to everybody else.
#[component]
pub fn SignInGate(
    /// What is shown to a signed-in wallet.
    children: ChildrenFn,
) -> impl IntoView {
    let engine = use_engine();
    let door = WalletDoor::get();
    let (account, token) = (engine.wallet.account(), engine.session.token());
    let place = Memo::new(move |_| (account.with(Option::is_some), token.with(Option::is_some)));
    move || {
        match place.get() {
        (true, true) => children().into_any(),
        (true, false) => view! {
            <Empty glyph=Glyph::Key title=wallet::SIGN_IN_TITLE help=wallet::SIGN_IN_HELP><SignInButton /></Empty>
        }
        .into_any(),
        (false, _) => view! {
            <Empty glyph=Glyph::Wallet title=wallet::CONNECT_TITLE help=wallet::CONNECT_FIRST>
                <button type="button" class="button primary" on:click=move |_| door.open()><Icon glyph=Glyph::Wallet />{wallet::CONNECT}</button>
            </Empty>
        }
        .into_any(),
    }
    }
}

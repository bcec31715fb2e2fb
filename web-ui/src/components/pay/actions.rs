//! What can be done with a payment now, and why not more.

use leptos::{html, prelude::*};

use super::{
    Sheet,
    card::{is_agent, is_open},
    credential::CredentialForm,
    end::SheetEnd,
};
use crate::{
    components::{
        Glyph, Icon,
        shell::Navigation,
        wallet::{FaucetButton, WalletDoor},
    },
    engine::use_engine,
    format::short_address,
    pay::{CardId, PayCard, Phase},
    state::{
        now::Now,
        pay_bar::{self, Around, Bar},
        route::Route,
    },
    text::{money, shell},
    wallet::WalletKind,
};

/// What can be done.
#[component]
pub(super) fn Actions(
    /// Which payment.
    id: CardId,
    /// Its card.
    card: Signal<Option<PayCard>>,
    /// How the owner of a new container logs in.
    form: CredentialForm,
    /// Where it is said how the payment goes on.
    told: NodeRef<html::Div>,
    /// Whether the customer's limits are shown.
    limits: RwSignal<bool>,
    /// The customer gives it up.
    on_cancel: Callback<()>,
    /// The customer wants another offer.
    on_again: Callback<()>,
) -> impl IntoView {
    let engine = use_engine();
    let door = WalletDoor::get();
    let account = engine.wallet.account();
    let phase = Memo::new(move |_| card.with(|card| card.as_ref().map(|card| card.phase.clone())));
    let open = is_open(card);
    let agent = is_agent(card);
    let bar = hindrance(card, form);
    // The button is gone; the focus goes where the payment is followed, and not to the top of the page.
    let follow = move || {
        if let Some(told) = told.get_untracked() {
            request_animation_frame(move || drop(told.focus()));
        }
    };
    let approve = move |_| {
        let needed =
            card.with_untracked(|card| card.as_ref().is_some_and(|card| card.needs_credential));
        let Some(credential) = form.credential(needed) else {
            return;
        };
        engine.pay.approve(id, credential);
        follow();
    };
    let burner = move || {
        let account = account.get();
        account.is_some_and(|account| account.wallet.kind == WalletKind::Burner)
    };
    let stop_waiting = move || {
        engine.pay.stop_waiting(id);
        follow();
    };
    let sheet = Sheet::get();
    let to_receipts = move |event: web_sys::MouseEvent| {
        if !agent {
            event.prevent_default();
            if sheet.close() {
                Navigation::go(Route::Receipts);
            }
        }
    };
    let again = move |says: &'static str| {
        view! { <button type="button" class="button primary" on:click=move |_| on_again.run(())><Icon glyph=Glyph::Refresh />{says}</button> }
    };
    let pay_button = move || {
        match bar.get() {
            Some(Bar::OtherAccount) => return again(money::ASK_AGAIN).into_any(),
            Some(Bar::Expired) => return again(money::NEW_PRICE).into_any(),
            _ => {}
        }
        if account.with(Option::is_none) {
            return view! {
                <button type="button" class="button primary" on:click=move |_| door.open()>
                    <Icon glyph=Glyph::Wallet />{money::CONNECT_TO_PAY}
                </button>
            }
            .into_any();
        }
        let says = match phase.get() {
            Some(Phase::WrongChain { .. }) => money::SWITCH_CHAIN.to_owned(),
            Some(Phase::Unanswered { .. }) => money::ASK_WALLET.to_owned(),
            Some(Phase::Declined | Phase::Failed { .. }) => money::PAY_AGAIN.to_owned(),
            _ => card.with(|card| {
                let offer = card.as_ref().and_then(|card| card.offer.as_ref());
                offer.map_or_else(String::new, |offer| money::pay(offer.amount))
            }),
        };
        view! {
            <button type="button" class="button primary" aria-describedby=hints_id(id) disabled=move || bar.with(Option::is_some) on:click=approve prop:textContent=says></button>
        }
        .into_any()
    };
    let cancel = move || {
        view! { <button type="button" class="button" on:click=move |_| on_cancel.run(())>{shell::CANCEL}</button> }
    };
    let buttons = move || {
        match phase.get() {
        Some(Phase::OverBudget { .. }) => view! {
            <button type="button" class="button primary" aria-expanded=move || limits.get().to_string() on:click=move |_| limits.update(|shown| *shown = !*shown)>
                {money::CHANGE_BUDGET}
            </button>
            {cancel()}
        }
        .into_any(),
        Some(Phase::Quoting) => cancel().into_any(),
        Some(Phase::WalletOpen | Phase::SwitchingChain) if !burner() => view! {
            <button type="button" class="button" on:click=move |_| engine.pay.ask_wallet_again(id)>{money::ASK_WALLET}</button>
            <button type="button" class="button" on:click=move |_| stop_waiting()>{money::STOP_WAITING}</button>
        }
        .into_any(),
        Some(Phase::Doubtful { expired, .. }) => view! {
            <button type="button" class="button primary" on:click=move |_| engine.pay.check_again(id)><Icon glyph=Glyph::Refresh />{money::LOOK_AGAIN}</button>
            <a class="button" href=Route::Receipts.href() on:click=to_receipts>{money::TO_RECEIPTS}</a>
            {expired.then(|| view! { <button type="button" class="button" on:click=move |_| engine.pay.set_aside(id)>{money::SET_ASIDE}</button> })}
        }
        .into_any(),
        Some(Phase::Unknown { .. }) => view! {
            <button type="button" class="button" on:click=move |_| engine.pay.check_again(id)>{money::CHECK_AGAIN}</button>
        }
        .into_any(),
        Some(Phase::Undelivered { .. }) => view! {
            <button type="button" class="button primary" on:click=move |_| engine.pay.check_again(id)>{money::GET_NOW}</button>
        }
        .into_any(),
        _ if open.get() => view! { {pay_button} {cancel()} }.into_any(),
        Some(Phase::Refused { .. } | Phase::Failed { .. }) if !agent => view! {
            {again(shell::RETRY)}
            <button type="button" class="button" on:click=move |_| on_cancel.run(())>{shell::CLOSE}</button>
        }
        .into_any(),
        Some(Phase::Settled(_) | Phase::Owed(_)) if !agent => view! { <SheetEnd /> }.into_any(),
        _ => ().into_any(),
    }
    };
    view! {
        <Hints id=id card=card bar=bar open=open />
        <div class="actions">{buttons}</div>
    }
}

fn hints_id(id: CardId) -> String {
    format!("slip-hints-{id}")
}

/// What stands in the way of paying now.
fn hindrance(card: Signal<Option<PayCard>>, form: CredentialForm) -> Memo<Option<Bar>> {
    let engine = use_engine();
    let now = Now::get();
    let (account, balance) = (engine.wallet.account(), engine.wallet.balance());
    let (busy, elsewhere) = (engine.pay.busy(), engine.pay.elsewhere());
    Memo::new(move |_| {
        let around = Around {
            account: account.with(|account| Some(account.as_ref()?.address.clone())),
            now: now.get(),
            balance: balance.get(),
            busy: busy.get(),
            elsewhere: elsewhere.get(),
            credential: form.is_good(),
        };
        card.with(|card| card.as_ref().and_then(|card| pay_bar::bar(card, &around)))
    })
}

/// Why the payment before was not taken, why this one cannot be made now, and what can be done about it.
#[component]
fn Hints(
    id: CardId,
    card: Signal<Option<PayCard>>,
    bar: Memo<Option<Bar>>,
    open: Memo<bool>,
) -> impl IntoView {
    let engine = use_engine();
    let account = engine.wallet.account();
    let refusal = Memo::new(move |_| {
        let refused = card.with(|card| card.as_ref()?.refused_before.clone());
        refused.filter(|_| open.get())
    });
    let bar = Memo::new(move |_| bar.get().filter(|_| open.get()));
    // A refusal for want of money is mended like the want of money itself.
    let poor = Memo::new(move |_| {
        let refused = card.with(|card| match card.as_ref().map(|card| &card.phase) {
            Some(Phase::Refused { too_little, .. }) => *too_little,
            _ => false,
        });
        let before = refusal.with(|refusal| refusal.as_ref().is_some_and(|one| one.too_little));
        bar.get() == Some(Bar::TooLittle) || refused || (before && bar.get().is_none())
    });
    let why = move || {
        let made_for = || card.with(|card| card.as_ref()?.made_for.as_deref().map(short_address));
        Some(match bar.get()? {
            Bar::OtherAccount => money::made_for(&made_for().unwrap_or_default()),
            Bar::Expired => money::OFFER_EXPIRED.to_owned(),
            Bar::TooLittle => money::TOO_LITTLE.to_owned(),
            Bar::Busy => money::BUSY.to_owned(),
            Bar::BusyElsewhere => money::BUSY_ELSEWHERE.to_owned(),
            Bar::Credential => money::NO_CREDENTIAL.to_owned(),
        })
    };
    view! {
        <div class="slip-hints" id=hints_id(id) role="status">
            {move || refusal.get().map(|refusal| view! { <p class="slip-changed">{refusal.words} " " {money::phase::NOTHING_CHARGED}</p> })}
            {move || why().map(|why| view! { <p class="fine">{why}</p> })}
            {move || (poor.get() && account.with(Option::is_some)).then(|| view! {
                <FaucetButton />
                <button type="button" class="button small" on:click=move |_| engine.wallet.refresh_balance()>
                    <Icon glyph=Glyph::Refresh />{money::CHECK_BALANCE}
                </button>
            })}
        </div>
    }
}

//! The buttons of a pay card, and the hints why it cannot be paid now.

use leptos::{html, prelude::*};

use super::{
    Sheet,
    card_state::{is_agent, is_open},
    credential::CredentialForm,
    leave_question::SheetEnd,
};
use crate::{
    components::{
        Glyph, Icon, Navigation,
        wallet::{FaucetButton, WalletOverlay},
    },
    engine::use_engine,
    format::short_address,
    pay::{CardId, PayCard, PaymentPhase},
    state::{
        now::Now,
        payment::obstacle::{PayContext, PayObstacle, find_obstacle},
        route::Route,
    },
    text::{money, shell},
    wallet::WalletKind,
};

/// The buttons and hints of a pay card.
#[component]
pub(super) fn Actions(
    /// The card's number.
    id: CardId,
    /// Its card.
    card: Signal<Option<PayCard>>,
    /// The credential of a new container.
    form: CredentialForm,
    /// The element with the status of the payment.
    status_node: NodeRef<html::Div>,
    /// Whether the limits are shown.
    limits: RwSignal<bool>,
    /// Called when the customer cancels.
    on_cancel: Callback<()>,
    /// Called when the customer wants a new offer.
    on_new_offer: Callback<()>,
) -> impl IntoView {
    let engine = use_engine();
    let overlay = WalletOverlay::get();
    let account = engine.wallet.account();
    let phase = Memo::new(move |_| card.with(|card| card.as_ref().map(|card| card.phase.clone())));
    let open = is_open(card);
    let agent = is_agent(card);
    let obstacle = obstacle(card, form);
    // The button is gone. The focus goes to the status of the payment instead of the top of the
    // page.
    let follow = move || {
        if let Some(status) = status_node.get_untracked() {
            request_animation_frame(move || drop(status.focus()));
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
                Navigation::go(Route::RECEIPTS);
            }
        }
    };
    let again = move |label: &'static str| {
        view! { <button type="button" class="button primary" on:click=move |_| on_new_offer.run(())><Icon glyph=Glyph::Refresh />{label}</button> }
    };
    let pay_button = move || {
        match obstacle.get() {
            Some(PayObstacle::OtherAccount) => return again(money::ASK_AGAIN).into_any(),
            Some(PayObstacle::Expired) => return again(money::NEW_PRICE).into_any(),
            _ => {}
        }
        if account.with(Option::is_none) {
            return view! {
                <button type="button" class="button primary" on:click=move |_| overlay.open()>
                    <Icon glyph=Glyph::Wallet />{money::CONNECT_TO_PAY}
                </button>
            }
            .into_any();
        }
        let label = match phase.get() {
            Some(PaymentPhase::WrongChain { .. }) => money::SWITCH_CHAIN.to_owned(),
            Some(PaymentPhase::Unanswered { .. }) => money::ASK_WALLET.to_owned(),
            Some(PaymentPhase::Declined | PaymentPhase::Failed { .. }) => {
                money::PAY_AGAIN.to_owned()
            }
            _ => card.with(|card| {
                let offer = card.as_ref().and_then(|card| card.offer.as_ref());
                offer.map_or_else(String::new, |offer| money::pay(offer.amount))
            }),
        };
        view! {
            <button type="button" class="button primary" aria-describedby=hints_id(id) disabled=move || obstacle.with(Option::is_some) on:click=approve prop:textContent=label></button>
        }
        .into_any()
    };
    let cancel = move || {
        view! { <button type="button" class="button" on:click=move |_| on_cancel.run(())>{shell::CANCEL}</button> }
    };
    let buttons = move || {
        match phase.get() {
        Some(PaymentPhase::OverBudget { .. }) => view! {
            <button type="button" class="button primary" aria-expanded=move || limits.get().to_string() on:click=move |_| limits.update(|shown| *shown = !*shown)>
                {money::CHANGE_BUDGET}
            </button>
            {cancel()}
        }
        .into_any(),
        Some(PaymentPhase::Quoting) => cancel().into_any(),
        Some(PaymentPhase::WalletOpen | PaymentPhase::SwitchingChain) if !burner() => view! {
            <button type="button" class="button" on:click=move |_| engine.pay.ask_wallet_again(id)>{money::ASK_WALLET}</button>
            <button type="button" class="button" on:click=move |_| stop_waiting()>{money::STOP_WAITING}</button>
        }
        .into_any(),
        Some(PaymentPhase::Unconfirmed { expired, .. }) => view! {
            <button type="button" class="button primary" on:click=move |_| engine.pay.check_again(id)><Icon glyph=Glyph::Refresh />{money::LOOK_AGAIN}</button>
            <a class="button" href=Route::RECEIPTS.href() on:click=to_receipts>{money::TO_RECEIPTS}</a>
            {expired.then(|| view! { <button type="button" class="button" on:click=move |_| engine.pay.set_aside(id)>{money::SET_ASIDE}</button> })}
        }
        .into_any(),
        Some(PaymentPhase::Unknown { .. }) => view! {
            <button type="button" class="button" on:click=move |_| engine.pay.check_again(id)>{money::CHECK_AGAIN}</button>
        }
        .into_any(),
        Some(PaymentPhase::Undelivered { .. }) => view! {
            <button type="button" class="button primary" on:click=move |_| engine.pay.check_again(id)>{money::GET_NOW}</button>
        }
        .into_any(),
        _ if open.get() => view! { {pay_button} {cancel()} }.into_any(),
        Some(PaymentPhase::Refused { .. } | PaymentPhase::Failed { .. }) if !agent => view! {
            {again(shell::RETRY)}
            <button type="button" class="button" on:click=move |_| on_cancel.run(())>{shell::CLOSE}</button>
        }
        .into_any(),
        Some(PaymentPhase::Settled(_) | PaymentPhase::Owed(_)) if !agent => view! { <SheetEnd /> }.into_any(),
        _ => ().into_any(),
    }
    };
    view! {
        <Hints id=id card=card obstacle=obstacle open=open />
        <div class="actions">{buttons}</div>
    }
}

fn hints_id(id: CardId) -> String {
    format!("slip-hints-{id}")
}

/// What prevents the payment now.
fn obstacle(card: Signal<Option<PayCard>>, form: CredentialForm) -> Memo<Option<PayObstacle>> {
    let engine = use_engine();
    let now = Now::get();
    let (account, balance) = (engine.wallet.account(), engine.wallet.balance());
    let (busy, other_tab_pays) = (engine.pay.busy(), engine.pay.other_tab_pays());
    Memo::new(move |_| {
        let context = PayContext {
            account: account.with(|account| Some(account.as_ref()?.address.clone())),
            now: now.get(),
            balance: balance.get(),
            busy: busy.get(),
            other_tab_pays: other_tab_pays.get(),
            credential: form.is_good(),
        };
        card.with(|card| card.as_ref().and_then(|card| find_obstacle(card, &context)))
    })
}

/// Why the previous payment was refused, why this one cannot be paid now, and what the customer can
/// do.
#[component]
fn Hints(
    id: CardId,
    card: Signal<Option<PayCard>>,
    obstacle: Memo<Option<PayObstacle>>,
    open: Memo<bool>,
) -> impl IntoView {
    let engine = use_engine();
    let account = engine.wallet.account();
    let refusal = Memo::new(move |_| {
        let refused = card.with(|card| card.as_ref()?.refused_before.clone());
        refused.filter(|_| open.get())
    });
    let obstacle = Memo::new(move |_| obstacle.get().filter(|_| open.get()));
    // After a refusal for a low balance, the same buttons help as with a low balance itself.
    let needs_money = Memo::new(move |_| {
        let refused = card.with(|card| match card.as_ref().map(|card| &card.phase) {
            Some(PaymentPhase::Refused { too_little, .. }) => *too_little,
            _ => false,
        });
        let before = refusal.with(|refusal| refusal.as_ref().is_some_and(|one| one.too_little));
        obstacle.get() == Some(PayObstacle::TooLittle)
            || refused
            || (before && obstacle.get().is_none())
    });
    let why = move || {
        let made_for = || card.with(|card| card.as_ref()?.made_for.as_deref().map(short_address));
        Some(match obstacle.get()? {
            PayObstacle::OtherAccount => money::made_for(&made_for().unwrap_or_default()),
            PayObstacle::Expired => money::OFFER_EXPIRED.to_owned(),
            PayObstacle::TooLittle => money::TOO_LITTLE.to_owned(),
            PayObstacle::Busy => money::BUSY.to_owned(),
            PayObstacle::BusyElsewhere => money::BUSY_ELSEWHERE.to_owned(),
            PayObstacle::LoginCredential => money::NO_CREDENTIAL.to_owned(),
        })
    };
    view! {
        <div class="slip-hints" id=hints_id(id) role="status">
            {move || refusal.get().map(|refusal| view! { <p class="slip-changed">{refusal.message} " " {money::phase::NOTHING_CHARGED}</p> })}
            {move || why().map(|why| view! { <p class="fine">{why}</p> })}
            {move || (needs_money.get() && account.with(Option::is_some)).then(|| view! {
                <FaucetButton />
                <button type="button" class="button small" on:click=move |_| engine.wallet.refresh_balance()>
                    <Icon glyph=Glyph::Refresh />{money::CHECK_BALANCE}
                </button>
            })}
        </div>
    }
}

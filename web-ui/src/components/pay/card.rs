//! The pay card: what is bought, what it costs, on which terms, where the payment is, and what can be done now.

use leptos::prelude::*;
use wasm_split_helpers::wasm_split;

use super::{
    credential::{CredentialFields, CredentialForm},
    facts::{Facts, PriceLines},
    outcome::Outcome,
};
use crate::{
    components::{
        Glyph, Icon,
        shell::Navigation,
        wallet::{FaucetButton, WalletDoor},
    },
    engine::use_engine,
    format::usdc,
    part::{NotLoaded, Part},
    pay::{CardId, PayCard, Phase, Via},
    state::{
        now::Now,
        pay_steps::{Step, is_busy, status, steps},
        route::Route,
    },
    text::{money, shell},
};

/// Shows a payment's card, by the payment and what is done when the customer gives it up.
pub type Slip = fn(CardId, Callback<()>) -> AnyView;

/// A payment's card.
pub static SLIP: Part<Slip> = Part::new(|| Box::pin(slip()));

#[wasm_split(pay, fallible)]
fn slip() -> Result<Slip, NotLoaded> {
    Ok(|id, on_cancel| view! { <PaySlip id=id on_cancel=on_cancel /> }.into_any())
}

/// A payment's card. Whoever shows it says what a cancelled payment means for them.
#[component]
fn PaySlip(
    /// Which payment.
    id: CardId,
    /// The customer gave it up.
    on_cancel: Callback<()>,
) -> impl IntoView {
    let engine = use_engine();
    let card = engine.pay.card(id);
    let form = CredentialForm::new();
    let phase = Memo::new(move |_| card.with(|card| card.as_ref().map(|card| card.phase.clone())));
    let open = is_open(card);
    let head = Memo::new(move |_| card.with(|card| card.as_ref().map(Head::of)));
    view! {
        <section class="slip" aria-label=money::PAYMENT>
            {move || head.get().map(|head| view! { <SlipHead head=head /> })}
            {move || {
                let asks = head.with(|head| head.as_ref().is_some_and(|head| head.needs_credential));
                (asks && open.get()).then(|| view! { <CredentialFields form=form /> })
            }}
            <StepStrip phase=phase />
            <Status card=card />
            {move || {
                let settled = phase.with(|phase| match phase {
                    Some(Phase::Settled(receipt)) => Some(receipt.clone()),
                    _ => None,
                });
                settled.map(|receipt| view! { <Outcome receipt=receipt agent=is_agent(card) /> })
            }}
            <Actions id=id card=card form=form on_cancel=on_cancel />
        </section>
    }
}

/// Whether the customer still decides.
fn is_open(card: Signal<Option<PayCard>>) -> Memo<bool> {
    Memo::new(move |_| {
        card.with(|card| {
            let offered = card.as_ref().filter(|card| card.offer.is_some());
            offered.is_some_and(|card| card.can_pay() || card.can_cancel())
        })
    })
}

fn is_agent(card: Signal<Option<PayCard>>) -> bool {
    card.with_untracked(|card| {
        card.as_ref()
            .is_some_and(|card| matches!(card.via, Via::Agent { .. }))
    })
}

/// What of a card stays as it is while its payment goes on.
#[derive(Clone, PartialEq)]
struct Head {
    card: PayCard,
    needs_credential: bool,
}

impl Head {
    fn of(card: &PayCard) -> Self {
        let needs_credential = card.needs_credential;
        // The phase changes often and is shown elsewhere.
        let card = PayCard {
            phase: Phase::Quoting,
            ..card.clone()
        };
        Self {
            card,
            needs_credential,
        }
    }
}

#[component]
fn SlipHead(head: Head) -> impl IntoView {
    let card = head.card;
    let total = card.offer.as_ref().map(|offer| usdc(offer.amount));
    view! {
        <header class="slip-head">
            <h3 class="slip-what">{card.summary}</h3>
            {total.map(|total| view! { <p class="slip-total">{total}</p> })}
        </header>
        {card.price_changed.then(|| view! { <p class="slip-changed">{money::PRICE_CHANGED}</p> })}
        {card.price.map(|price| view! { <PriceLines price=price /> })}
        {card.offer.map(|offer| view! { <Facts offer=offer /> })}
        {card.needs_credential.then(|| view! { <p class="fine">{money::PROMISE}</p> })}
    }
}

#[component]
fn StepStrip(phase: Memo<Option<Phase>>) -> impl IntoView {
    let strip = Memo::new(move |_| phase.with(|phase| phase.as_ref().map(steps)));
    let step = |(name, step): (&'static str, Step)| {
        let current = (step == Step::Current).then_some("step");
        view! { <li data-step=step.name() aria-current=current>{name}</li> }
    };
    move || {
        let steps = strip.get()?;
        let all = money::STEPS.into_iter().zip(steps);
        Some(view! { <ol class="steps">{all.map(step).collect_view()}</ol> })
    }
}

#[component]
fn Status(card: Signal<Option<PayCard>>) -> impl IntoView {
    let said = Memo::new(move |_| card.with(|card| card.as_ref().and_then(status)));
    let busy = Memo::new(move |_| {
        card.with(|card| card.as_ref().is_some_and(|card| is_busy(&card.phase)))
    });
    let share = Memo::new(move |_| {
        card.with(|card| match &card.as_ref()?.phase {
            Phase::Sent {
                progress: Some(progress),
                ..
            } => Some((progress.done, progress.of)),
            _ => None,
        })
    });
    view! {
        <div class="slip-status" role="status" aria-live="polite">
            {move || busy.get().then(|| view! { <span class="spinner" aria-hidden="true"></span> })}
            <span>{move || said.get()}</span>
        </div>
        {move || share.get().map(|(done, of)| view! {
            <progress class="slip-progress" aria-label=money::STEPS[2] max=of.to_string() value=(done + 1).to_string()></progress>
        })}
    }
}

#[component]
fn Actions(
    id: CardId,
    card: Signal<Option<PayCard>>,
    form: CredentialForm,
    on_cancel: Callback<()>,
) -> impl IntoView {
    let engine = use_engine();
    let door = WalletDoor::get();
    let now = Now::get();
    let account = engine.wallet.account();
    let balance = engine.wallet.balance();
    let phase = Memo::new(move |_| card.with(|card| card.as_ref().map(|card| card.phase.clone())));
    let offer =
        Memo::new(move |_| card.with(|card| card.as_ref().and_then(|card| card.offer.clone())));
    let open = is_open(card);
    let expired = Memo::new(move |_| {
        offer.with(|offer| {
            offer
                .as_ref()
                .is_some_and(|offer| offer.valid_until.unix() <= now.get())
        })
    });
    let too_little = Memo::new(move |_| {
        let have = balance.get();
        offer.with(|offer| {
            offer
                .as_ref()
                .is_some_and(|offer| have.is_some_and(|have| have < offer.amount))
        })
    });
    let needs_credential = Memo::new(move |_| {
        card.with(|card| card.as_ref().is_some_and(|card| card.needs_credential))
    });
    let approve = move |_| {
        let Some(credential) = form.credential(needs_credential.get_untracked()) else {
            return;
        };
        engine.pay.approve(id, credential);
    };
    let barred = Memo::new(move |_| {
        let elsewhere = engine.pay.busy().get();
        let credential = needs_credential.get() && !form.is_good();
        elsewhere || credential || expired.get() || too_little.get()
    });
    let pay_button = move || {
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
            Some(Phase::Declined | Phase::Failed { .. }) => money::PAY_AGAIN.to_owned(),
            _ => offer.with(|offer| {
                offer
                    .as_ref()
                    .map_or_else(String::new, |offer| money::pay(offer.amount))
            }),
        };
        view! {
            <button type="button" class="button primary" disabled=move || barred.get() on:click=approve>{says}</button>
        }
        .into_any()
    };
    let cancel = move || {
        view! { <button type="button" class="button" on:click=move |_| on_cancel.run(())>{shell::CANCEL}</button> }
    };
    let buttons = move || {
        match phase.get() {
        Some(Phase::OverBudget { .. }) => view! {
            <button type="button" class="button primary" on:click=move |_| Navigation::go(Route::Settings)>{money::OPEN_SETTINGS}</button>
            {cancel()}
        }
        .into_any(),
        Some(Phase::Quoting) => cancel().into_any(),
        Some(Phase::Unknown { .. }) => view! {
            <button type="button" class="button" on:click=move |_| engine.pay.check_again(id)>{money::CHECK_AGAIN}</button>
        }
        .into_any(),
        Some(Phase::Undelivered { .. }) => view! {
            <button type="button" class="button primary" on:click=move |_| engine.pay.check_again(id)>{money::GET_NOW}</button>
        }
        .into_any(),
        _ if open.get() => view! { {pay_button} {cancel()} }.into_any(),
        _ => ().into_any(),
    }
    };
    let hints = move || {
        if !open.get() {
            return ().into_any();
        }
        if expired.get() {
            return view! { <p class="fine" role="status">{money::OFFER_EXPIRED}</p> }.into_any();
        }
        if too_little.get() && account.with(Option::is_some) {
            return view! { <p class="fine" role="status">{money::TOO_LITTLE}</p> <FaucetButton /> }.into_any();
        }
        ().into_any()
    };
    view! {
        <div class="slip-hints">{hints}</div>
        <div class="actions">{buttons}</div>
    }
}

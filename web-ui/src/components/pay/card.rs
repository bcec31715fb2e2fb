//! The pay card: what is bought, what it costs, on which terms, where the payment is, and what can be done now.

use leptos::{html, prelude::*};
use wasm_split_helpers::wasm_split;

use super::{
    actions::Actions,
    credential::{CredentialFields, CredentialForm},
    facts::{Facts, PriceLines},
    item::item,
    limits::Limits,
    outcome::{Outcome, OwedFacts},
    sends::SendsBlock,
};
use crate::{
    components::InSight,
    engine::use_engine,
    format::{one_line, usdc},
    part::{NotLoaded, Part},
    pay::{Call, CardId, Item, PayCard, Phase, Via},
    state::{
        board::Board,
        pay_steps::{Step, is_busy, status, steps},
        services::Services,
    },
    text::money,
};

/// What comes with the first payment's card.
#[derive(Clone, Copy)]
pub struct Slip {
    /// Shows it, by the payment, what is done when the customer gives it up, and how another offer is asked for.
    pub show: fn(CardId, Callback<()>, Callback<()>) -> AnyView,
    /// A call with what the page knows of it.
    pub item: fn(Call, Board, Services) -> Item,
}

/// A payment's card.
pub static SLIP: Part<Slip> = Part::new(|| Box::pin(slip()));

#[wasm_split(pay, fallible)]
fn slip() -> Result<Slip, NotLoaded> {
    Ok(Slip {
        show: |id, on_cancel, on_again| {
            view! { <PaySlip id=id on_cancel=on_cancel on_again=on_again /> }.into_any()
        },
        item,
    })
}

/// A payment's card. Whoever shows it says what a cancelled payment means for them.
#[component]
fn PaySlip(
    /// Which payment.
    id: CardId,
    /// The customer gave it up.
    on_cancel: Callback<()>,
    /// The customer wants another offer for the same.
    on_again: Callback<()>,
) -> impl IntoView {
    let engine = use_engine();
    let card = engine.pay.card(id);
    let form = CredentialForm::new();
    let phase = Memo::new(move |_| card.with(|card| card.as_ref().map(|card| card.phase.clone())));
    let open = is_open(card);
    let head = Memo::new(move |_| card.with(|card| card.as_ref().map(Head::of)));
    let told = NodeRef::<html::Div>::new();
    // They stay while a limit is typed, though its first figures may be enough.
    let limits = RwSignal::new(false);
    view! {
        <section class="slip" aria-label=money::PAYMENT>
            {move || head.get().map(|head| view! { <SlipHead head=head open=open /> })}
            {move || {
                let asks = head.with(|head| head.as_ref().is_some_and(|head| head.needs_credential));
                (asks && open.get()).then(|| view! { <CredentialFields form=form /> })
            }}
            <StepStrip phase=phase />
            {move || {
                let settled = phase.with(|phase| match phase {
                    Some(Phase::Settled(receipt)) => Some(receipt.clone()),
                    _ => None,
                });
                settled.map(|receipt| view! { <Outcome receipt=receipt agent=is_agent(card) /> })
            }}
            {move || (limits.get() && open.get()).then(|| view! { <InSight><div class="slip-limits"><Limits place="slip" /></div></InSight> })}
            <div class="slip-foot">
                <SendsBlock id=id card=card open=open />
                {move || {
                    let owed = phase.with(|phase| match phase {
                        Some(Phase::Owed(owed)) => Some(owed.clone()),
                        _ => None,
                    });
                    owed.map(|owed| view! { <OwedFacts owed=owed /> })
                }}
                <Status card=card node=told />
                <Actions id=id card=card form=form told=told limits=limits on_cancel=on_cancel on_again=on_again />
            </div>
        </section>
    }
}

/// Whether the customer still decides.
pub(super) fn is_open(card: Signal<Option<PayCard>>) -> Memo<bool> {
    Memo::new(move |_| {
        card.with(|card| {
            let offered = card.as_ref().filter(|card| card.offer.is_some());
            offered.is_some_and(|card| card.can_pay() || card.can_cancel())
        })
    })
}

pub(super) fn is_agent(card: Signal<Option<PayCard>>) -> bool {
    card.with_untracked(|card| {
        card.as_ref()
            .is_some_and(|card| matches!(card.via, Via::Agent { .. }))
    })
}

/// The longest summary that is shown whole; all that is sent is shown below it.
const LONGEST_SUMMARY: usize = 160;

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
            by_itself: false,
            ..card.clone()
        };
        Self {
            card,
            needs_credential,
        }
    }
}

#[component]
fn SlipHead(head: Head, open: Memo<bool>) -> impl IntoView {
    let card = head.card;
    let total = card.offer.as_ref().map(|offer| usdc(offer.amount));
    let summary = one_line(&card.summary, LONGEST_SUMMARY);
    view! {
        <header class="slip-head">
            <h3 class="slip-what" prop:textContent=summary></h3>
            {total.map(|total| view! { <p class="slip-total" translate="no" prop:textContent=total></p> })}
        </header>
        {card.price_changed.then(|| view! { <p class="slip-changed">{money::PRICE_CHANGED}</p> })}
        {card.price.map(|price| view! { <PriceLines price=price /> })}
        {card.offer.map(|offer| view! { <Facts offer=offer open=open /> })}
        {move || (card.needs_credential && open.get()).then(|| view! { <p class="fine">{money::PROMISE}</p> })}
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
fn Status(card: Signal<Option<PayCard>>, node: NodeRef<html::Div>) -> impl IntoView {
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
        <div class="slip-status" role="status" aria-live="polite" tabindex="-1" node_ref=node>
            {move || busy.get().then(|| view! { <span class="spinner" aria-hidden="true"></span> })}
            <span prop:textContent=move || said.get().unwrap_or_default()></span>
        </div>
        {move || share.get().map(|(done, of)| view! {
            <progress class="slip-progress" aria-label=money::STEPS[2] max=of.to_string() value=(done + 1).to_string()></progress>
        })}
    }
}

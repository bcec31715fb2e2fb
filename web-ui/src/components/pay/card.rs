//! The pay card: what is bought, its price and terms, the state of the payment, and the buttons.

use leptos::{html, prelude::*};

use super::{
    actions::Actions,
    card_state::{is_agent, is_open},
    credential::{CredentialFields, CredentialForm},
    facts::{Facts, PriceLines},
    limits::BudgetLimits,
    outcome::{OwedFacts, PurchaseResult},
    request_view::RequestBlock,
};
use crate::{
    components::ScrollIntoView,
    engine::use_engine,
    format::{one_line, usdc},
    lazy::{LazyChunk, LazyTable},
    pay::{CardId, PaidOperation, PayCard, PaymentPhase, PurchaseItem},
    state::{
        lease::board::Board,
        payment::steps::{StepState, is_busy, status, steps},
        services::Services,
    },
    text::money,
};

/// What panels and the conversation need of the pay card.
#[derive(Clone, Copy)]
pub(crate) struct PayCardEntries {
    /// The view of a card. The callbacks cancel the purchase, and ask for a new offer.
    pub(crate) view: fn(CardId, Callback<()>, Callback<()>) -> AnyView,
    /// Describes an operation by what the page knows of it.
    pub(crate) describe: fn(PaidOperation, Board, Services) -> PurchaseItem,
}

pub(crate) static PAY_CARD: LazyTable<PayCardEntries> = LazyTable::new(LazyChunk::Pay);

/// A pay card.
#[component]
pub(crate) fn PayCardView(
    /// The card.
    id: CardId,
    /// Called when the customer cancels.
    on_cancel: Callback<()>,
    /// Called when the customer wants a new offer for the same.
    on_new_offer: Callback<()>,
) -> impl IntoView {
    let engine = use_engine();
    let card = engine.pay.card(id);
    let form = CredentialForm::new();
    let phase = Memo::new(move |_| card.with(|card| card.as_ref().map(|card| card.phase.clone())));
    let open = is_open(card);
    let head = Memo::new(move |_| card.with(|card| card.as_ref().map(CardHead::new)));
    let status_node = NodeRef::<html::Div>::new();
    // The limits stay open while one is typed, even if its first digits are high enough.
    let limits = RwSignal::new(false);
    view! {
        <section class="slip" aria-label=money::PAYMENT>
            {move || head.get().map(|head| view! { <CardHeadView head=head open=open /> })}
            {move || {
                let needed = head.with(|head| head.as_ref().is_some_and(|head| head.needs_credential));
                (needed && open.get()).then(|| view! { <CredentialFields form=form /> })
            }}
            <StepStrip phase=phase />
            {move || {
                let settled = phase.with(|phase| match phase {
                    Some(PaymentPhase::Settled(receipt)) => Some(receipt.clone()),
                    _ => None,
                });
                settled.map(|receipt| view! { <PurchaseResult receipt=receipt agent=is_agent(card) /> })
            }}
            {move || (limits.get() && open.get()).then(|| view! { <ScrollIntoView><div class="slip-limits"><BudgetLimits place="slip" /></div></ScrollIntoView> })}
            <div class="slip-foot">
                <RequestBlock id=id card=card open=open />
                {move || {
                    let owed = phase.with(|phase| match phase {
                        Some(PaymentPhase::Owed(owed)) => Some(owed.clone()),
                        _ => None,
                    });
                    owed.map(|owed| view! { <OwedFacts owed=owed /> })
                }}
                <Status card=card node=status_node />
                <Actions id=id card=card form=form status_node=status_node limits=limits on_cancel=on_cancel on_new_offer=on_new_offer />
            </div>
        </section>
    }
}

/// The longest summary that is shown in full. The whole request is shown below it.
const LONGEST_SUMMARY: usize = 160;

/// The parts of a card that do not change while its payment goes on.
#[derive(Clone, PartialEq)]
struct CardHead {
    card: PayCard,
    needs_credential: bool,
}

impl CardHead {
    fn new(card: &PayCard) -> Self {
        let needs_credential = card.needs_credential;
        // The phase changes often and is shown by other components.
        let card = PayCard {
            phase: PaymentPhase::Quoting,
            automatic: false,
            ..card.clone()
        };
        Self {
            card,
            needs_credential,
        }
    }
}

#[component]
fn CardHeadView(head: CardHead, open: Memo<bool>) -> impl IntoView {
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
fn StepStrip(phase: Memo<Option<PaymentPhase>>) -> impl IntoView {
    let strip = Memo::new(move |_| phase.with(|phase| phase.as_ref().map(steps)));
    let step = |(name, step): (&'static str, StepState)| {
        let current = (step == StepState::Current).then_some("step");
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
    let text = Memo::new(move |_| card.with(|card| card.as_ref().and_then(status)));
    let busy = Memo::new(move |_| {
        card.with(|card| card.as_ref().is_some_and(|card| is_busy(&card.phase)))
    });
    let share = Memo::new(move |_| {
        card.with(|card| match &card.as_ref()?.phase {
            PaymentPhase::Sent {
                progress: Some(progress),
                ..
            } => Some((progress.done, progress.of)),
            _ => None,
        })
    });
    view! {
        <div class="slip-status" role="status" aria-live="polite" tabindex="-1" node_ref=node>
            {move || busy.get().then(|| view! { <span class="spinner" aria-hidden="true"></span> })}
            <span prop:textContent=move || text.get().unwrap_or_default()></span>
        </div>
        {move || share.get().map(|(done, of)| view! {
            <progress class="slip-progress" aria-label=money::STEPS[2] max=of.to_string() value=(done + 1).to_string()></progress>
        })}
    }
}

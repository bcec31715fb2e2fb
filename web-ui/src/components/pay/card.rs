//! The pay card: what is bought, what it costs, on which terms, where the payment is, and what can be done now.

use leptos::{html, prelude::*};
use wasm_split_helpers::wasm_split;

use super::{
    credential::{CredentialFields, CredentialForm},
    end::SheetEnd,
    facts::{Facts, PriceLines},
    item::item,
    limits::Limits,
    outcome::Outcome,
};
use crate::{
    components::{
        Glyph, Icon, InSight,
        wallet::{FaucetButton, WalletDoor},
    },
    engine::use_engine,
    format::{short_address, usdc},
    part::{NotLoaded, Part},
    pay::{Call, CardId, Item, PayCard, Phase, Via},
    state::{
        board::Board,
        now::Now,
        pay_bar::{self, Around, Bar},
        pay_steps::{Step, is_busy, status, steps},
        services::Services,
    },
    text::{money, shell},
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
                <Status card=card node=told />
                <Actions id=id card=card form=form told=told limits=limits on_cancel=on_cancel on_again=on_again />
            </div>
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
fn SlipHead(head: Head, open: Memo<bool>) -> impl IntoView {
    let card = head.card;
    let total = card.offer.as_ref().map(|offer| usdc(offer.amount));
    view! {
        <header class="slip-head">
            <h3 class="slip-what">{card.summary}</h3>
            {total.map(|total| view! { <p class="slip-total">{total}</p> })}
        </header>
        {card.price_changed.then(|| view! { <p class="slip-changed">{money::PRICE_CHANGED}</p> })}
        {card.price.map(|price| view! { <PriceLines price=price /> })}
        {card.offer.map(|offer| view! { <Facts offer=offer open=open /> })}
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
    /// Where it is said how the payment goes on.
    told: NodeRef<html::Div>,
    /// Whether the customer's limits are shown.
    limits: RwSignal<bool>,
    on_cancel: Callback<()>,
    on_again: Callback<()>,
) -> impl IntoView {
    let engine = use_engine();
    let door = WalletDoor::get();
    let account = engine.wallet.account();
    let phase = Memo::new(move |_| card.with(|card| card.as_ref().map(|card| card.phase.clone())));
    let open = is_open(card);
    let agent = is_agent(card);
    let bar = hindrance(card, form);
    let approve = move |_| {
        let needed =
            card.with_untracked(|card| card.as_ref().is_some_and(|card| card.needs_credential));
        let Some(credential) = form.credential(needed) else {
            return;
        };
        engine.pay.approve(id, credential);
        // The button is gone; the focus goes where the payment is followed, and not to the top of the page.
        if let Some(told) = told.get_untracked() {
            request_animation_frame(move || drop(told.focus()));
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
            Some(Phase::Declined | Phase::Failed { .. }) => money::PAY_AGAIN.to_owned(),
            _ => card.with(|card| {
                let offer = card.as_ref().and_then(|card| card.offer.as_ref());
                offer.map_or_else(String::new, |offer| money::pay(offer.amount))
            }),
        };
        view! {
            <button type="button" class="button primary" aria-describedby=hints_id(id) disabled=move || bar.with(Option::is_some) on:click=approve>{says}</button>
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
        Some(Phase::Settled(_) | Phase::Lost { .. }) if !agent => view! { <SheetEnd /> }.into_any(),
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

//! Performs purchases in the browser. [`Pay`] is what the pages use; `begin` makes the card, `offer` asks for the price, `sign` opens the wallet, `send` sends
//! the signed request until its outcome is known, `kept` remembers it meanwhile, and `lock` keeps the tabs from paying at
//! the same time.

mod agent;
mod begin;
mod direct;
mod kept;
mod lock;
mod offer;
mod send;
mod sign;

use std::collections::{BTreeMap, BTreeSet};

use api_types::{ChatEvent, ChatMessage, LeaseResponse, PaymentRequest, Usdc};
use leptos::{prelude::*, task::spawn_local};
use wasm_split_helpers::wasm_split;
use x402::purchase::Chosen;

use super::{
    Budget, Call, CardId, Credential, Item, PayCard, Phase, Receipt, Request, Via,
    record::{self, Record},
};
use crate::{
    api::{Abort, AgentApi, ApiError, LeaseApi},
    engine::storage,
    part::{NotLoaded, Part},
    session::Session,
    wallet::Wallet,
};

const BUDGET: &str = "infra402.budget";
const SPENT: &str = "infra402.spent";

/// What comes with the first payment.
#[derive(Clone, Copy)]
pub struct Driver {
    start: fn(Pay, CardId, Item),
    ask: fn(Pay, CardId),
    start_agent: fn(Pay, CardId, Suspended),
    take_up: fn(Pay),
    lease: fn(&Receipt) -> Option<LeaseResponse>,
    /// Looks until no other tab pays any more.
    watch: fn(RwSignal<bool>),
}

/// What comes with the first payment. Everything after the offer is reached from the pay card, which comes with it.
pub static DRIVER: Part<Driver> = Part::new(|| Box::pin(driver()));

#[wasm_split(pay, fallible)]
fn driver() -> Result<Driver, NotLoaded> {
    Ok(Driver {
        start: Pay::begin_direct,
        ask: Pay::ask,
        start_agent: Pay::begin_agent,
        take_up: |pay| {
            let left = send::left_over(pay);
            spawn_local(send::take_up(pay, left));
        },
        lease: Receipt::read,
        watch: lock::watch,
    })
}

/// The lease in a receipt. Whoever has a receipt has paid, and thereby loaded what reads it.
pub fn leased(receipt: &Receipt) -> Option<LeaseResponse> {
    (DRIVER.here()?.lease)(receipt)
}

/// What becomes of an agent's turn that goes on after a payment.
#[derive(Clone, Debug)]
pub enum TurnNews {
    /// It begins, or begins anew after a cut: what came before of it is void.
    Begin,
    /// Something happened in it.
    Event(Box<ChatEvent>),
    /// It was cut, and what became of the payment is not known: nothing else may be offered in its place.
    Hold,
    /// It is over, or was cut.
    End(Result<(), ApiError>),
}

/// An agent's call that waits for its payment.
#[derive(Clone, Debug)]
pub struct Suspended {
    /// The conversation that it belongs to.
    pub conversation: String,
    /// What is asked for it.
    pub request: PaymentRequest,
    /// The call, sealed.
    pub pending: String,
    /// What was said before.
    pub history: Vec<ChatMessage>,
    /// The card that this one is in place of, whose payment was not taken.
    pub before: Option<CardId>,
    /// The account that it is bound to.
    pub made_for: Option<String>,
    /// Whether it has come just now: its time is then counted by this browser's clock, however wrong that is.
    pub fresh: bool,
}

/// How a card's purchase is performed, once it is signed.
#[derive(Clone, Debug)]
struct Work {
    source: Source,
    request: Request,
    chosen: Option<Chosen>,
}

#[derive(Clone, Debug)]
enum Source {
    Direct(Item),
    Agent {
        conversation: String,
        tool: String,
        pending: String,
        history: Vec<ChatMessage>,
    },
}

/// The customer's purchases.
#[derive(Clone, Copy, Debug)]
pub struct Pay {
    cards: RwSignal<Vec<PayCard>>,
    work: StoredValue<BTreeMap<CardId, Work>, LocalStorage>,
    next: StoredValue<CardId>,
    hurry: StoredValue<BTreeSet<CardId>>,
    nonces: StoredValue<BTreeMap<CardId, String>>,
    turns: StoredValue<BTreeMap<String, Abort>, LocalStorage>,
    budget: RwSignal<Budget>,
    spent: RwSignal<Usdc>,
    elsewhere: RwSignal<bool>,
    settled: StoredValue<Option<Callback<PayCard>>>,
    news: StoredValue<Option<Callback<(String, TurnNews)>>>,
    lease: LeaseApi,
    agent: AgentApi,
    session: Session,
    wallet: Wallet,
}

impl Pay {
    /// Whether an earlier page has left something under way. Then [`DRIVER`] has to be here before [`Self::start_up`].
    pub fn is_interrupted() -> bool {
        kept::any()
    }

    /// Shows what a reload has left under way, and goes on with it once the page is built and listens.
    pub fn start_up(lease: LeaseApi, agent: AgentApi, session: Session, wallet: Wallet) -> Self {
        let kept = |text: Option<String>| serde_json::from_str(&text?).ok();
        let spent = storage::read_tab(SPENT).and_then(|text| text.parse().ok());
        let pay = Self {
            cards: RwSignal::new(Vec::new()),
            work: StoredValue::new_local(BTreeMap::new()),
            next: StoredValue::new(1),
            hurry: StoredValue::new(BTreeSet::new()),
            nonces: StoredValue::new(BTreeMap::new()),
            turns: StoredValue::new_local(BTreeMap::new()),
            budget: RwSignal::new(kept(storage::read(BUDGET)).unwrap_or_default()),
            spent: RwSignal::new(Usdc(spent.unwrap_or(0))),
            elsewhere: RwSignal::new(false),
            settled: StoredValue::new(None),
            news: StoredValue::new(None),
            lease,
            agent,
            session,
            wallet,
        };
        Effect::new(move |_| pay.keep_budget());
        lock::hear_others(pay.elsewhere, move || pay.any_under_way());
        if let Some(driver) = DRIVER.here() {
            (driver.take_up)(pay);
        }
        pay
    }

    /// Every purchase on this page, the oldest first.
    pub fn cards(&self) -> Signal<Vec<PayCard>> {
        self.cards.into()
    }

    /// One purchase.
    pub fn card(&self, id: CardId) -> Signal<Option<PayCard>> {
        let cards = self.cards;
        Signal::derive(move || cards.with(|all| all.iter().find(|card| card.id == id).cloned()))
    }

    /// Whether a payment is under way on this page.
    pub fn busy(&self) -> Signal<bool> {
        let cards = self.cards;
        Signal::derive(move || cards.with(|all| all.iter().any(PayCard::under_way)))
    }

    /// Whether one is in another tab.
    pub fn elsewhere(&self) -> Signal<bool> {
        self.elsewhere.into()
    }

    /// The customer's limits; what is set here is kept.
    pub fn budget(&self) -> RwSignal<Budget> {
        self.budget
    }

    /// What has been spent since this tab was opened.
    pub fn spent(&self) -> Signal<Usdc> {
        self.spent.into()
    }

    /// Calls this for each purchase that is paid and done.
    pub fn on_settled(&self, callback: Callback<PayCard>) {
        self.settled.set_value(Some(callback));
    }

    /// Calls this with a conversation and what happens in its turn after a payment, also after a reload.
    pub fn on_turn(&self, callback: Callback<(String, TurnNews)>) {
        self.news.set_value(Some(callback));
    }

    /// Begins a purchase at the lease API: asks for its price.
    pub fn start(&self, item: Item) -> CardId {
        let id = self.new_id();
        self.drive(move |driver, pay| (driver.start)(pay, id, item));
        id
    }

    /// Begins a purchase that an agent's turn waits for.
    pub fn start_agent(&self, call: Suspended) -> CardId {
        let id = self.new_id();
        self.drive(move |driver, pay| (driver.start_agent)(pay, id, call));
        id
    }

    /// Does something with what comes with the first payment, as soon as it is here.
    fn drive(&self, act: impl FnOnce(Driver, Self) + 'static) {
        let pay = *self;
        if let Some(driver) = DRIVER.here() {
            return act(driver, pay);
        }
        spawn_local(async move {
            DRIVER.until_here().await;
            if let Some(driver) = DRIVER.here() {
                act(driver, pay);
            }
        });
    }

    fn ask(self, id: CardId) {
        spawn_local(offer::ask(self, id));
    }

    /// Asks for the price of a purchase at the lease API once more.
    pub fn ask_again(&self, id: CardId) {
        if self.change(id, PayCard::ask_again) {
            self.drive(move |driver, pay| (driver.ask)(pay, id));
        }
    }

    /// The customer agrees: opens the wallet. A second press does nothing.
    pub fn approve(&self, id: CardId, credential: Credential) {
        if self.any_under_way() || !self.change(id, PayCard::begin) {
            return;
        }
        let pay = *self;
        spawn_local(async move { sign::pay(pay, id, credential).await });
    }

    /// The customer gives it up, if nothing is signed yet.
    pub fn cancel(&self, id: CardId) {
        self.drive(move |_, pay| {
            pay.change(id, PayCard::cancel);
        });
    }

    /// The request that a card's payment is for, without what is secret in it; nothing where an earlier page has sent it.
    pub fn request(&self, id: CardId) -> Option<Request> {
        self.work
            .with_value(|all| all.get(&id).map(|work| work.request.clone()))
    }

    /// All of a card is on the screen: begins the payment, where the customer lets it be paid without a question.
    pub fn seen(&self, id: CardId) {
        if self.change(id, PayCard::seen) && self.wallet.account().with_untracked(Option::is_some) {
            self.approve(id, Credential::Made);
        }
    }

    /// Asks at once instead of at the next pause; or sends again what was paid and not delivered, or may have been paid.
    pub fn check_again(&self, id: CardId) {
        self.hurry.update_value(|hurry| hurry.extend([id]));
        if self.with(id, PayCard::needs_a_look) == Some(true) {
            spawn_local(send::redeem(*self, id));
        }
    }

    /// Takes a payment off the page that may have been charged, and cannot be any more: its receipt is all that is left to look for.
    pub fn set_aside(&self, id: CardId) {
        let is_expired =
            |card: &PayCard| matches!(card.phase, Phase::Doubtful { expired: true, .. });
        if self.with(id, is_expired) != Some(true) {
            return;
        }
        if let Some(nonce) = self.nonces.with_value(|all| all.get(&id).cloned()) {
            kept::forget(&nonce);
        }
        self.cards.update(|all| all.retain(|card| card.id != id));
    }

    /// Takes a card off the page, if it is over.
    pub fn dismiss(&self, id: CardId) {
        self.cards.update(|all| {
            all.retain(|card| card.id != id || card.under_way());
        });
    }

    /// Stops an agent's turn that goes on after its payment is done. Before that, it is not stopped.
    pub fn stop_turn(&self, conversation: &str) {
        if let Some(turn) = self.turns.with_value(|all| all.get(conversation).cloned()) {
            turn.abort();
        }
    }

    /// Whether a payment is under way that no later page will find, because the browser keeps nothing.
    pub fn is_lost_with_the_page(&self) -> bool {
        self.any_under_way() && untrack(storage::failed)
    }

    fn new_id(&self) -> CardId {
        let id = self.next.get_value();
        self.next.set_value(id + 1);
        id
    }

    fn any_under_way(&self) -> bool {
        self.cards
            .with_untracked(|all| all.iter().any(PayCard::under_way))
    }

    fn with<T>(&self, id: CardId, read: impl FnOnce(&PayCard) -> T) -> Option<T> {
        self.cards
            .with_untracked(|all| all.iter().find(|card| card.id == id).map(read))
    }

    /// Changes a card; what `change` says, or the default where the card is gone.
    fn change<T: Default>(&self, id: CardId, change: impl FnOnce(&mut PayCard) -> T) -> T {
        let was = self.any_under_way();
        let mut outcome = T::default();
        self.cards.update(|all| {
            if let Some(card) = all.iter_mut().find(|card| card.id == id) {
                outcome = change(card);
            }
        });
        let is = self.any_under_way();
        if was != is {
            lock::tell_others(is);
        }
        outcome
    }

    fn become_phase(&self, id: CardId, phase: Phase) {
        self.change(id, |card| card.phase = phase);
    }

    fn limit(&self, amount: Usdc) -> Result<(), super::OverBudget> {
        let spent = self.spent.get_untracked();
        self.budget
            .with_untracked(|budget| budget.check(amount, spent))
    }

    /// Counts what a payment has cost, once.
    fn count(&self, record: &mut Record) {
        if !record.counted {
            record.counted = true;
            let amount = record.offer.amount;
            let spent = Usdc(self.spent.get_untracked().0.saturating_add(amount.0));
            storage::write_tab(SPENT, &spent.0.to_string());
            self.spent.set(spent);
            self.wallet.spend(amount);
        }
    }

    /// Keeps the limits and applies them to what is not paid yet.
    fn keep_budget(&self) {
        let (budget, spent) = (self.budget.get(), self.spent.get());
        let text = serde_json::to_string(&budget).expect("limits are JSON");
        storage::write(BUDGET, &text);
        self.cards.update(|all| {
            for card in all {
                if let Some(amount) = card.offer.as_ref().map(|offer| offer.amount) {
                    card.limited(budget.check(amount, spent));
                }
            }
        });
    }
}

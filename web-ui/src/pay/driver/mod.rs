//! Performs purchases in the browser. [`Pay`] is what the pages use; `start` makes the card,
//! `offer` requests the price, `sign` opens the wallet, `send` sends the signed request until its
//! outcome is known, to the lease API (`direct`) or to the agent (`agent`); `stored` has it in the
//! browser's storage meanwhile, and `lock` keeps tabs from paying at the same time.

mod agent;
mod direct;
pub(crate) mod lock;
mod offer;
mod purchase;
mod send;
mod sign;
mod start;
mod stored;

use std::collections::{BTreeMap, BTreeSet};

use api_types::{LeaseResponse, Usdc};
use leptos::{prelude::*, task::spawn_local};

use purchase::{PendingPurchase, PurchaseSource};
pub use purchase::{SuspendedPurchase, TurnUpdate};

use super::{
    CardId, CustomerBudget, LoginCredential, OverBudget, PaidOperation, PayCard, PaymentPhase,
    PurchaseItem, PurchaseReceipt, PurchaseVia, RequestText, stored_payment::StoredPayment,
};
use crate::{
    api::{AgentApi, LeaseApi},
    browser::storage,
    http::AbortHandle,
    lazy::{LazyChunk, LazyTable},
    session::WalletSession,
    wallet::Wallet,
};

/// Where the customer's limits are stored.
const BUDGET_AT: &str = "infra402.budget";
/// Where the spent sum of this tab is stored.
const SPENT_AT: &str = "infra402.spent";

/// What is needed from the first payment on. Everything after the offer is reached from the pay
/// card, which is in the same chunk.
#[derive(Clone, Copy)]
pub(crate) struct PayDriver {
    pub(crate) start_direct: fn(Pay, CardId, PurchaseItem),
    pub(crate) request_offer: fn(Pay, CardId),
    pub(crate) start_agent: fn(Pay, CardId, SuspendedPurchase),
    pub(crate) resume_stored: fn(Pay),
    pub(crate) lease: fn(&PurchaseReceipt) -> Option<LeaseResponse>,
    pub(crate) watch_other_tabs: fn(RwSignal<bool>),
}

pub(crate) static PAY_DRIVER: LazyTable<PayDriver> = LazyTable::new(LazyChunk::Pay);

/// Shows the stored payments of an earlier page and resumes them.
pub(crate) fn resume_stored(pay: Pay) {
    let stored = send::show_stored(pay);
    spawn_local(send::resume(pay, stored));
}

/// The lease in a receipt. A receipt implies that the chunk is loaded.
pub fn leased(receipt: &PurchaseReceipt) -> Option<LeaseResponse> {
    (PAY_DRIVER.get()?.lease)(receipt)
}

/// The customer's purchases on this page.
#[derive(Clone, Copy, Debug)]
pub struct Pay {
    cards: RwSignal<Vec<PayCard>>,
    pending: StoredValue<BTreeMap<CardId, PendingPurchase>, LocalStorage>,
    next_id: StoredValue<CardId>,
    /// Cards whose next attempt starts without the rest of its backoff.
    retry_now: StoredValue<BTreeSet<CardId>>,
    nonces: StoredValue<BTreeMap<CardId, String>>,
    /// Turns that can be aborted because their payment is done, by conversation.
    turns: StoredValue<BTreeMap<String, AbortHandle>, LocalStorage>,
    budget: RwSignal<CustomerBudget>,
    spent: RwSignal<Usdc>,
    other_tab_pays: RwSignal<bool>,
    on_settled: StoredValue<Option<Callback<PayCard>>>,
    on_turn: StoredValue<Option<Callback<(String, TurnUpdate)>>>,
    lease: LeaseApi,
    agent: AgentApi,
    session: WalletSession,
    wallet: Wallet,
}

impl Pay {
    /// Whether an earlier page has left payments under way. [`LazyChunk::Pay`] must then be loaded
    /// before [`Self::start_up`].
    pub fn is_interrupted() -> bool {
        stored::any()
    }

    /// Reads the limits, and resumes payments that a reload has interrupted.
    pub fn start_up(
        lease: LeaseApi,
        agent: AgentApi,
        session: WalletSession,
        wallet: Wallet,
    ) -> Self {
        let parse = |text: Option<String>| serde_json::from_str(&text?).ok();
        let spent = storage::read_tab(SPENT_AT).and_then(|text| text.parse().ok());
        let pay = Self {
            cards: RwSignal::new(Vec::new()),
            pending: StoredValue::new_local(BTreeMap::new()),
            next_id: StoredValue::new(1),
            retry_now: StoredValue::new(BTreeSet::new()),
            nonces: StoredValue::new(BTreeMap::new()),
            turns: StoredValue::new_local(BTreeMap::new()),
            budget: RwSignal::new(parse(storage::read(BUDGET_AT)).unwrap_or_default()),
            spent: RwSignal::new(Usdc(spent.unwrap_or(0))),
            other_tab_pays: RwSignal::new(false),
            on_settled: StoredValue::new(None),
            on_turn: StoredValue::new(None),
            lease,
            agent,
            session,
            wallet,
        };
        Effect::new(move |_| pay.apply_budget());
        lock::listen_to_other_tabs(pay.other_tab_pays, move || pay.any_under_way());
        if let Some(driver) = PAY_DRIVER.get() {
            (driver.resume_stored)(pay);
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

    /// Whether a payment is under way in another tab.
    pub fn other_tab_pays(&self) -> Signal<bool> {
        self.other_tab_pays.into()
    }

    /// The customer's limits. Changes are stored.
    pub fn budget(&self) -> RwSignal<CustomerBudget> {
        self.budget
    }

    /// What has been spent since this tab was opened.
    pub fn spent(&self) -> Signal<Usdc> {
        self.spent.into()
    }

    /// Sets the callback for each purchase that is paid and delivered.
    pub fn on_settled(&self, callback: Callback<PayCard>) {
        self.on_settled.set_value(Some(callback));
    }

    /// Sets the callback for turns that go on after a payment, with the id of the conversation;
    /// also after a reload.
    pub fn on_turn(&self, callback: Callback<(String, TurnUpdate)>) {
        self.on_turn.set_value(Some(callback));
    }

    /// Starts a purchase at the lease API: requests its price.
    pub fn start(&self, item: PurchaseItem) -> CardId {
        let id = self.new_id();
        self.with_driver(move |driver, pay| (driver.start_direct)(pay, id, item));
        id
    }

    /// Starts a purchase that an agent's turn waits for.
    pub fn start_agent(&self, call: SuspendedPurchase) -> CardId {
        let id = self.new_id();
        self.with_driver(move |driver, pay| (driver.start_agent)(pay, id, call));
        id
    }

    /// Calls `act` with the driver as soon as its chunk is loaded.
    fn with_driver(&self, act: impl FnOnce(PayDriver, Self) + 'static) {
        let pay = *self;
        if let Some(driver) = PAY_DRIVER.get() {
            return act(driver, pay);
        }
        spawn_local(async move {
            LazyChunk::Pay.until_loaded().await;
            if let Some(driver) = PAY_DRIVER.get() {
                act(driver, pay);
            }
        });
    }

    pub(crate) fn request_offer(self, id: CardId) {
        spawn_local(offer::request(self, id));
    }

    /// Requests the price of a purchase at the lease API once more.
    pub fn renew_offer(&self, id: CardId) {
        if self.change(id, PayCard::renew_offer) {
            self.with_driver(move |driver, pay| (driver.request_offer)(pay, id));
        }
    }

    /// Pays, as the customer wants: opens the wallet. A second press does nothing.
    pub fn approve(&self, id: CardId, credential: LoginCredential) {
        if self.any_under_way() || !self.change(id, PayCard::start_payment) {
            return;
        }
        let pay = *self;
        spawn_local(async move { sign::pay(pay, id, credential).await });
    }

    /// Cancels a purchase, if nothing is signed yet.
    pub fn cancel(&self, id: CardId) {
        self.with_driver(move |_, pay| {
            pay.change(id, PayCard::cancel);
        });
    }

    /// The request that a card's payment is for, without secrets; none if an earlier page has sent
    /// it.
    pub fn request(&self, id: CardId) -> Option<RequestText> {
        self.pending
            .with_value(|all| all.get(&id).map(|pending| pending.request.clone()))
    }

    /// All of a card is on the screen: starts its payment, if it starts without a press of the
    /// button.
    pub fn viewed(&self, id: CardId) {
        if self.change(id, PayCard::viewed) && self.wallet.account().with_untracked(Option::is_some)
        {
            self.approve(id, LoginCredential::Generated);
        }
    }

    /// Sends the signed request again now, without the rest of its backoff.
    pub fn check_again(&self, id: CardId) {
        self.retry_now.update_value(|cards| cards.extend([id]));
        if self.with(id, PayCard::needs_attention) == Some(true) {
            spawn_local(send::retry_stored(*self, id));
        }
    }

    /// Removes an unconfirmed payment whose signature has expired. If it was charged before, the
    /// receipts show it.
    pub fn set_aside(&self, id: CardId) {
        let is_expired =
            |card: &PayCard| matches!(card.phase, PaymentPhase::Unconfirmed { expired: true, .. });
        if self.with(id, is_expired) != Some(true) {
            return;
        }
        if let Some(nonce) = self.nonces.with_value(|all| all.get(&id).cloned()) {
            stored::remove(&nonce);
        }
        self.cards.update(|all| all.retain(|card| card.id != id));
    }

    /// Removes a card from the page, unless its payment is under way.
    pub fn dismiss(&self, id: CardId) {
        self.cards.update(|all| {
            all.retain(|card| card.id != id || card.under_way());
        });
    }

    /// Aborts an agent's turn that goes on after its payment. Before the payment is done, it is not
    /// aborted.
    pub fn stop_turn(&self, conversation: &str) {
        if let Some(turn) = self.turns.with_value(|all| all.get(conversation).cloned()) {
            turn.abort();
        }
    }

    /// Whether a payment is under way that a reload would lose, because the browser stores nothing.
    pub fn is_lost_with_the_page(&self) -> bool {
        self.any_under_way() && untrack(storage::failed)
    }

    fn new_id(&self) -> CardId {
        let id = self.next_id.get_value();
        self.next_id.set_value(id + 1);
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

    /// Changes a card. Returns what `change` returns, or the default if the card is gone.
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
            lock::tell_other_tabs(is);
        }
        outcome
    }

    fn set_phase(&self, id: CardId, phase: PaymentPhase) {
        self.change(id, |card| card.phase = phase);
    }

    fn check_budget(&self, amount: Usdc) -> Result<(), OverBudget> {
        let spent = self.spent.get_untracked();
        self.budget
            .with_untracked(|budget| budget.check(amount, spent))
    }

    /// Adds a payment to the spent sum, once.
    fn count(&self, payment: &mut StoredPayment) {
        if !payment.counted {
            payment.counted = true;
            let amount = payment.offer.amount;
            let spent = Usdc(self.spent.get_untracked().0.saturating_add(amount.0));
            storage::write_tab(SPENT_AT, &spent.0.to_string());
            self.spent.set(spent);
            self.wallet.subtract(amount);
        }
    }

    /// Stores the limits and applies them to cards that are not paid yet.
    fn apply_budget(&self) {
        let (budget, spent) = (self.budget.get(), self.spent.get());
        let text = serde_json::to_string(&budget).expect("limits are JSON");
        storage::write(BUDGET_AT, &text);
        self.cards.update(|all| {
            for card in all {
                if let Some(amount) = card.offer.as_ref().map(|offer| offer.amount) {
                    card.apply_limit(budget.check(amount, spent));
                }
            }
        });
    }
}

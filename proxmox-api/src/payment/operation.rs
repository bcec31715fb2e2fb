//! What a paid operation says of itself: how a request is read and priced, what has to hold before money moves, how it is
//! performed, and how it is undone.

use std::{future::Future, net::IpAddr};

use api_types::{Price, Tariff};
use axum::http::Method;
use serde_json::{Value, json};

use super::Right;
use crate::{
    error::ApiError,
    ids::{LeaseId, PaymentId, Wallet},
    locks::LockGuard,
    payment_machine::{NewState, StoredAnswer, Transition},
    state::App,
    store::{Change, Payment, StoreError},
};
pub use crate::{payment_machine::RetryPolicy, progress::Progress};

/// When the money moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentFlow {
    /// Once what was ordered is there: [`Operation::prepare`], settlement, [`Operation::deliver`].
    DeliverThenSettle,
    /// Before it is done: settlement, [`Operation::deliver`]. Announced as `upfront`.
    SettleThenDeliver,
}

/// What is known of an operation without a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationInfo {
    /// Its name in the store.
    pub name: &'static str,
    /// The method of its route.
    pub method: Method,
    /// The path of its route.
    pub path: &'static str,
    /// For people.
    pub description: &'static str,
    /// When the money moves.
    pub flow: PaymentFlow,
    /// What becomes of a call that was paid and not delivered.
    pub repeat: RetryPolicy,
    /// Whether its price depends on the request.
    pub price_varies: bool,
    /// Whether it buys time, in which so much traffic is included.
    pub buys_time: bool,
}

impl OperationInfo {
    /// What an operation says of itself.
    pub const fn from_operation<O: Operation>() -> Self {
        Self {
            name: O::NAME,
            method: O::METHOD,
            path: O::PATH,
            description: O::DESCRIPTION,
            flow: O::FLOW,
            repeat: O::RETRY,
            price_varies: O::PRICE_VARIES,
            buys_time: O::BUYS_TIME,
        }
    }
}

/// A request as it came in.
#[derive(Debug, Clone, Copy)]
pub struct OperationRequest<'a> {
    /// The `{ctid}` of the path, where the route has one.
    pub ctid: Option<&'a str>,
    /// The `leaseId` of the query: which lease is meant by the number, since numbers are used again.
    pub lease_id: Option<&'a LeaseId>,
    /// The body, within the size that is read.
    pub body: &'a [u8],
}

/// A reserved payment that is being worked for. Only this folder makes one.
#[derive(Debug, Clone)]
pub struct PaymentJob {
    /// Row of the payment.
    pub payment_id: PaymentId,
    /// Who pays.
    pub payer: Wallet,
    /// Where the request came from, where that is known: not after a restart.
    pub client: Option<IpAddr>,
    /// What was signed for.
    pub price: Price,
    /// Unix seconds at which the payment was first seen.
    pub first_seen: i64,
    /// Unix seconds after which the authorization is worthless.
    pub valid_before: i64,
    /// Where to say how far the work is.
    pub progress: Progress,
    /// The move of its payment that is stored with a claim, where the payment can still make it.
    pub(super) claim: Option<Transition>,
}

impl PaymentJob {
    /// The job of a payment's row.
    pub(super) fn from_row(row: &Payment) -> Self {
        let arguments: Value = serde_json::from_str(&row.arguments).unwrap_or_default();
        let price = arguments
            .get("price")
            .and_then(|price| serde_json::from_value::<Price>(price.clone()).ok())
            .unwrap_or(Price {
                total: api_types::Usdc(row.amount),
                lines: Vec::new(),
            });
        Self {
            payment_id: row.payment_id.clone(),
            payer: row.payer.clone(),
            client: None,
            price,
            first_seen: row.created_at,
            valid_before: row.valid_before,
            progress: Progress::default(),
            claim: Transition::new(&Right, &row.payment_id, row.state, NewState::Verified),
        }
    }

    /// The move of the payment that [`Operation::admit`] stores together with what it claims.
    ///
    /// # Errors
    /// The payment has gone on.
    pub fn claim(&self) -> Result<Transition, ApiError> {
        self.claim.clone().ok_or_else(|| {
            tracing::error!(
                payment.id = self.payment_id.as_str(),
                "a payment is admitted twice"
            );
            let message = "The same payment is being worked on at this moment.";
            ApiError::new(api_types::ErrorCode::PaymentInProgress, message).retry_after(2)
        })
    }
}

/// The money moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledPayment {
    /// The transaction's hash.
    pub transaction: String,
    /// CAIP-2 id.
    pub network: String,
    /// The right to do what must not be done twice was taken with the settlement.
    pub begun: bool,
}

/// What was delivered: the answer, and what is stored in the same commit.
pub struct Delivery {
    /// The answer.
    pub answer: StoredAnswer,
    /// What is stored with it, or not at all.
    pub changes: Vec<Change>,
    /// Held until it is stored.
    pub lock: Option<LockGuard>,
}

impl From<StoredAnswer> for Delivery {
    fn from(answer: StoredAnswer) -> Self {
        Self {
            answer,
            changes: Vec::new(),
            lock: None,
        }
    }
}

/// Marks what is in the list of `operations`, which implements it; implement it nowhere else.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not in the list of operations that are sold",
    note = "add it to the list in `operations/mod.rs`"
)]
pub trait Registered {}

/// A paid operation. What has no default has to be decided for each one.
pub trait Operation: Registered + Sized + Send + Sync + 'static {
    /// Its name in the store, the log and the metrics.
    const NAME: &'static str;
    /// The method of its route.
    const METHOD: Method;
    /// Its route.
    const PATH: &'static str;
    /// For people, in the challenge.
    const DESCRIPTION: &'static str;
    /// When the money moves.
    const FLOW: PaymentFlow;
    /// Whether its price depends on the request.
    const PRICE_VARIES: bool;
    /// What becomes of a call that was paid and not delivered.
    const RETRY: RetryPolicy;
    /// Whether a paid request has to have a body. Losing the body on the paid request is a common fault of clients, and must
    /// not buy what the defaults say.
    const NEEDS_BODY: bool = false;
    /// Whether it buys time on a container, in which so much traffic is included.
    const BUYS_TIME: bool = false;
    /// Seconds of a payment's window that have to be left when it comes in.
    const MIN_SECONDS_LEFT: u64 = 20;

    /// Reads and validates a request, before anything is said of a price.
    ///
    /// # Errors
    /// Every field that is wrong, or what it is about does not exist.
    fn read(
        app: &App,
        call: OperationRequest<'_>,
    ) -> impl Future<Output = Result<Self, ApiError>> + Send;

    /// What the default request costs, for catalogues.
    ///
    /// # Errors
    /// The rates are too high for any payment.
    fn default_price(tariff: &Tariff) -> Result<Price, ApiError>;

    /// What it costs.
    ///
    /// # Errors
    /// The request has no price.
    fn price(&self, tariff: &Tariff) -> Result<Price, ApiError>;

    /// The lease it is about, where there is one already.
    fn lease_id(&self) -> Option<LeaseId> {
        None
    }

    /// What [`Operation::resume`] needs beside the rows; no secrets.
    fn arguments(&self) -> Value {
        json!({})
    }

    /// What has to hold before money moves: owner, state, capacity. Nothing is charged on an error. What is delivered before it
    /// is settled for ([`PaymentFlow::DeliverThenSettle`]) is claimed here, in one commit with [`PaymentJob::claim`].
    ///
    /// # Errors
    /// The customer cannot have this now.
    fn admit(
        &self,
        app: &App,
        job: &PaymentJob,
    ) -> impl Future<Output = Result<(), ApiError>> + Send;

    /// Makes what is settled for afterwards. On an error, nothing is charged and [`Operation::undo`] is called.
    ///
    /// # Errors
    /// It cannot be made.
    fn prepare(
        &self,
        _app: &App,
        _job: &PaymentJob,
    ) -> impl Future<Output = Result<(), ApiError>> + Send {
        async { Ok(()) }
    }

    /// The money moved: does what is left to do and says what is answered and stored. Has to bear being called again after a
    /// crash.
    ///
    /// # Errors
    /// It could not be done; the payment stays good for the same request.
    fn deliver(
        &self,
        app: &App,
        job: &PaymentJob,
        paid: &SettledPayment,
    ) -> impl Future<Output = Result<Delivery, ApiError>> + Send;

    /// The answer, and what belongs to it, are stored.
    fn delivered(&self, _app: &App) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Adds to a stored answer what is not stored: secrets that can be derived again, and what the rest of the answer says
    /// already. Called each time that the answer is given to who may see it.
    fn reveal(_app: &App, _payment_id: &PaymentId, answer: StoredAnswer) -> StoredAnswer {
        answer
    }

    /// It is not known whether the money moved: what was prepared is kept. The answer, where there is something to show.
    fn hold(
        _app: &App,
        _payment_id: &PaymentId,
    ) -> impl Future<Output = Option<StoredAnswer>> + Send {
        async { None }
    }

    /// The money did not move, and will not: takes back what was prepared.
    fn undo(&self, _app: &App) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// The operation of a payment that was left behind, if it can be finished, or has to be undone,
    /// without the payer. `None` for every payment is right only where [`Operation::prepare`] leaves
    /// nothing behind and [`Operation::RETRY`] is not [`RetryPolicy::Resumed`].
    ///
    /// # Errors
    /// The store failed.
    fn resume(
        app: &App,
        payment: &Payment,
    ) -> impl Future<Output = Result<Option<Self>, StoreError>> + Send;
}

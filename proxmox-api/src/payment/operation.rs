//! The trait of a paid operation: how a request is read and priced, what is checked before money
//! moves, how the operation is performed and undone.

use std::{future::Future, net::IpAddr};

use api_types::{KeyScope, Price, Tariff};
use axum::http::Method;
use serde_json::{Value, json};

use super::Right;
use crate::{
    error::ApiError,
    ids::{KeyId, LeaseId, PaymentId, Wallet},
    locks::LockGuard,
    payment_machine::{Funding, NewState, StoredAnswer, Transition},
    state::App,
    store::{Change, Payment, StoreError},
};
pub use crate::{payment_machine::RetryPolicy, progress::Progress};

/// When the money moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentFlow {
    /// After the preparation: [`Operation::prepare`], settlement, [`Operation::deliver`].
    DeliverThenSettle,
    /// Before the delivery: settlement, [`Operation::deliver`]. Announced as `upfront`.
    SettleThenDeliver,
}

/// The constants of an operation.
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
    /// What happens to a paid request that was not delivered.
    pub retry: RetryPolicy,
    /// Whether its price depends on the request.
    pub price_varies: bool,
    /// Whether it buys time, with which traffic is included.
    pub buys_time: bool,
    /// Whether it is sold only where customers may have credit.
    pub is_of_credit: bool,
}

impl OperationInfo {
    /// Takes them from the type.
    pub const fn from_operation<O: Operation>() -> Self {
        Self {
            name: O::NAME,
            method: O::METHOD,
            path: O::PATH,
            description: O::DESCRIPTION,
            flow: O::FLOW,
            retry: O::RETRY,
            price_varies: O::PRICE_VARIES,
            buys_time: O::BUYS_TIME,
            is_of_credit: O::IS_OF_CREDIT,
        }
    }
}

/// A request as it came in.
#[derive(Debug, Clone, Copy)]
pub struct OperationRequest<'a> {
    /// The `{ctid}` of the path, where the route has one.
    pub ctid: Option<&'a str>,
    /// The `leaseId` of the query, which tells leases with the same number apart: numbers are
    /// reused.
    pub lease_id: Option<&'a LeaseId>,
    /// The body, within the size that is read.
    pub body: &'a [u8],
}

/// The reserved payment that an operation works for. Only `payment` makes one.
#[derive(Debug, Clone)]
pub struct PaymentJob {
    /// The id of the payment.
    pub payment_id: PaymentId,
    /// The payer.
    pub payer: Wallet,
    /// The client's address, if it is known; unknown after a restart.
    pub client: Option<IpAddr>,
    /// The API key that pays.
    pub key_id: Option<KeyId>,
    /// The price that was signed, or held.
    pub price: Price,
    /// What moves, in atomic units: version 1 may sign for more than the price.
    pub amount: u64,
    /// Unix seconds at which the payment was first seen.
    pub first_seen: i64,
    /// Unix seconds after which the authorization is invalid.
    pub valid_before: i64,
    /// Sends progress events.
    pub progress: Progress,
    /// The transition of the payment that is stored with a claim, if the payment can still make it.
    pub(super) claim: Option<Transition>,
}

impl PaymentJob {
    /// Reads it from a payment's row.
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
            key_id: row.key_id(),
            price,
            amount: row.amount,
            first_seen: row.created_at,
            valid_before: row.valid_before,
            progress: Progress::default(),
            claim: Transition::new(&Right, &row.payment_id, row.state, NewState::Verified),
        }
    }

    /// The transition of the payment that [`Operation::admit`] stores together with its claim.
    ///
    /// # Errors
    /// The payment is in a later state.
    pub fn claim(&self) -> Result<Transition, ApiError> {
        self.claim.clone().ok_or_else(|| {
            tracing::error!(
                payment.id = self.payment_id.as_str(),
                "a payment was admitted twice"
            );
            let message = "The same payment is being worked on at this moment.";
            ApiError::new(api_types::ErrorCode::PaymentInProgress, message).retry_after(2)
        })
    }
}

/// A payment whose money moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledPayment {
    /// The transaction's hash.
    pub transaction: String,
    /// CAIP-2 id; `credit` where it is from credit.
    pub network: String,
    /// Where the money comes from. From credit nothing has moved yet: it is taken with the answer.
    pub funding: Funding,
    /// The operation was begun, in the commit of the settlement or by an earlier attempt.
    pub begun: bool,
}

/// The result of a delivery: the answer, and what is stored in the same commit.
pub struct Delivery {
    /// The answer.
    pub answer: StoredAnswer,
    /// Changes that are stored with the answer, or not at all.
    pub changes: Vec<Change>,
    /// A lock that is held until both are stored.
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

/// Marks the types in the list of `operations`, whose macro implements it; implement it nowhere
/// else.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not in the list of operations that are sold",
    note = "add it to the list in `operations/mod.rs`"
)]
pub trait Registered {}

/// A paid operation. Items without a default have to be decided for each one.
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
    /// What happens to a paid request that was not delivered.
    const RETRY: RetryPolicy;
    /// Whether a paid request must have a body. Clients often lose the body on the paid request,
    /// which must not buy the default.
    const NEEDS_BODY: bool = false;
    /// Whether it buys time on a container, with which traffic is included.
    const BUYS_TIME: bool = false;
    /// What an API key has to be allowed to do; `None` where credit cannot pay for it.
    const KEY_SCOPE: Option<KeyScope>;
    /// Whether it is sold only where customers may have credit.
    const IS_OF_CREDIT: bool = false;
    /// Seconds of a payment's window that must be left when it arrives.
    const MIN_SECONDS_LEFT: u64 = 20;

    /// [`Operation::RETRY`] for one request, where it depends on the request: `arguments` are those of
    /// [`Operation::arguments`], as the payment's row keeps them. Either all requests of an
    /// operation are [`RetryPolicy::Resumed`] or none is.
    fn retry(_arguments: &Value) -> RetryPolicy {
        Self::RETRY
    }

    /// Reads and validates a request, before a price is computed.
    ///
    /// # Errors
    /// Every invalid field, or the lease does not exist.
    fn read(
        app: &App,
        call: OperationRequest<'_>,
    ) -> impl Future<Output = Result<Self, ApiError>> + Send;

    /// The price of the default request, for catalogues.
    ///
    /// # Errors
    /// The rates are too high for any payment.
    fn default_price(tariff: &Tariff) -> Result<Price, ApiError>;

    /// The price of the request.
    ///
    /// # Errors
    /// The request has no price.
    fn price(&self, tariff: &Tariff) -> Result<Price, ApiError>;

    /// The lease of the request, if there is one already.
    fn lease_id(&self) -> Option<LeaseId> {
        None
    }

    /// What [`Operation::resume`] needs besides the rows; no secrets.
    fn arguments(&self) -> Value {
        json!({})
    }

    /// Checks what can be said of a payer before a challenge. [`Operation::admit`] checks it again.
    ///
    /// # Errors
    /// The payer cannot have this now.
    fn check_payer(
        &self,
        _app: &App,
        _payer: &Wallet,
    ) -> impl Future<Output = Result<(), ApiError>> + Send {
        async { Ok(()) }
    }

    /// Checks what must hold before money moves: owner, state, capacity. Nothing is charged on an
    /// error. What is delivered before the settlement ([`PaymentFlow::DeliverThenSettle`]) is
    /// claimed here, in one commit with [`PaymentJob::claim`].
    ///
    /// # Errors
    /// The customer cannot have this now.
    fn admit(
        &self,
        app: &App,
        job: &PaymentJob,
    ) -> impl Future<Output = Result<(), ApiError>> + Send;

    /// Makes what is settled for afterwards. After an error nothing is charged and
    /// [`Operation::undo`] is called.
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

    /// Does the rest after the money moved, and returns the answer and what is stored with it. It
    /// may be called again after a crash.
    ///
    /// # Errors
    /// The delivery failed; the payment stays valid for the same request.
    fn deliver(
        &self,
        app: &App,
        job: &PaymentJob,
        paid: &SettledPayment,
    ) -> impl Future<Output = Result<Delivery, ApiError>> + Send;

    /// Called after the answer and its changes were stored.
    fn delivered(&self, _app: &App) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Adds to a stored answer what is not stored: secrets that are derived again, and fields that
    /// repeat others. Called each time that the answer is sent to a client that may see it.
    fn reveal(_app: &App, _payment_id: &PaymentId, answer: StoredAnswer) -> StoredAnswer {
        answer
    }

    /// Keeps what was prepared while it is not known whether the money moved. Returns an answer, if
    /// there is something to show.
    fn hold(
        _app: &App,
        _payment_id: &PaymentId,
    ) -> impl Future<Output = Option<StoredAnswer>> + Send {
        async { None }
    }

    /// Undoes the preparation after the money did not move and cannot any more.
    fn undo(&self, _app: &App) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Restores the operation of an unfinished payment, if it can be finished or has to be undone
    /// without the payer. An operation may always return `None` only if [`Operation::prepare`]
    /// leaves nothing behind and [`Operation::RETRY`] is not [`RetryPolicy::Resumed`]. One that is
    /// restored although only the payer can repeat it finds out what was begun.
    ///
    /// # Errors
    /// The store failed.
    fn resume(
        app: &App,
        payment: &Payment,
    ) -> impl Future<Output = Result<Option<Self>, StoreError>> + Send;
}

//! Performs the effects that the state machine asks for, under the payment's lock. Requests, copies
//! requests, followers and the sweep all use it.

pub mod follow;
mod storing;
mod working;

use x402::facilitator::FacilitatorRequest;

use super::{
    operation::{Delivery, Operation, PaymentJob, Progress},
    outcome::PaymentOutcome,
    queries,
};
use crate::{
    payment_machine::{
        self, PaymentContext, PaymentEffect, PaymentEvent, PaymentState, PaymentWindow, Requester,
        RetryPolicy, SettlementResult,
    },
    state::App,
    store::Payment,
};

/// Seconds from the end of an authorization's window until the payment counts as over: a transfer
/// that was sent at the end of the window is mined by then.
pub const MARGIN: i64 = 60;
/// Seconds after the end of the window for which the service waits for a chain that does not
/// answer.
pub const WAIT_FOR_CHAIN: i64 = 3600;

/// A payment that is being processed.
pub(super) struct PaymentDriver<O> {
    row: Payment,
    operation: Option<O>,
    job: PaymentJob,
    request: Option<FacilitatorRequest>,
    /// What was delivered and is not stored yet.
    delivered: Option<Delivery>,
    /// A follower exists already.
    is_followed: bool,
    outcome: PaymentOutcome,
}

/// How the driver goes on after an effect.
enum AfterEffect {
    /// With the next effect.
    Continue,
    /// With an event for the state machine; the remaining effects are dropped.
    Event(PaymentEvent),
}

impl<O: Operation> PaymentDriver<O> {
    /// A payment whose row was just inserted.
    pub(super) fn new(
        row: Payment,
        operation: Option<O>,
        job: PaymentJob,
        request: FacilitatorRequest,
    ) -> Self {
        Self {
            row,
            operation,
            job,
            request: Some(request),
            delivered: None,
            is_followed: false,
            outcome: PaymentOutcome::Elsewhere,
        }
    }

    /// A payment whose row was just inserted, with its price held from credit.
    pub(super) fn from_credit(row: Payment, operation: O, job: PaymentJob) -> Self {
        Self {
            row,
            operation: Some(operation),
            job,
            request: None,
            delivered: None,
            is_followed: false,
            outcome: PaymentOutcome::Elsewhere,
        }
    }

    /// An unfinished payment, with its operation if the customer sent the request again.
    pub(super) fn from_row(row: Payment, operation: Option<O>, progress: Progress) -> Self {
        let request = serde_json::from_str(&row.request.0)
            .inspect_err(|error| {
                if row.state.is_open() {
                    tracing::error!(%error, payment.id = row.payment_id.as_str(), "the stored request of a payment cannot be read");
                }
            })
            .ok();
        let job = PaymentJob {
            progress,
            ..PaymentJob::from_row(&row)
        };
        Self {
            row,
            operation,
            job,
            request,
            delivered: None,
            is_followed: false,
            outcome: PaymentOutcome::Elsewhere,
        }
    }

    /// The same for a follower, which starts no second one.
    pub(super) fn for_follower(row: Payment) -> Self {
        Self {
            is_followed: true,
            ..Self::from_row(row, None, Progress::default())
        }
    }

    /// Whether the service has to go on by itself: the outcome is open, or a resumable operation is
    /// not delivered yet.
    pub(super) fn is_open(&self) -> bool {
        match self.row.state {
            PaymentState::Settling | PaymentState::Unknown => true,
            PaymentState::Settled => O::RETRY == RetryPolicy::Resumed,
            _ => false,
        }
    }

    /// What happens to this request if it is not delivered.
    fn retry(&self) -> RetryPolicy {
        O::retry(&serde_json::from_str(&self.row.arguments).unwrap_or_default())
    }

    /// Gives the state machine an event and performs its effects, until there are none left.
    pub(super) async fn run(&mut self, app: &App, first: PaymentEvent) -> PaymentOutcome {
        let terms = PaymentContext {
            funding: self.row.funding(),
            retry: self.retry(),
            has_chain: app.witness.is_some(),
            is_simulated: app.facilitator.describe().simulated,
        };
        let mut event = Some(first);
        while let Some(happened) = event.take() {
            let effects = payment_machine::step(terms, self.row.state, happened);
            let mut effects = effects.into_iter().peekable();
            while let Some(effect) = effects.next() {
                app.checkpoint.reached(&effect).await;
                let then_delivers = effects.peek() == Some(&PaymentEffect::Deliver);
                if let AfterEffect::Event(told) = self.perform(app, effect, then_delivers).await {
                    event = Some(told);
                    break;
                }
            }
        }
        std::mem::replace(&mut self.outcome, PaymentOutcome::Elsewhere)
    }

    async fn perform(
        &mut self,
        app: &App,
        effect: PaymentEffect,
        then_delivers: bool,
    ) -> AfterEffect {
        match effect {
            PaymentEffect::Verify => self.verify(app).await,
            PaymentEffect::Admit => self.admit(app).await,
            PaymentEffect::Prepare => self.prepare(app).await,
            PaymentEffect::Store(target) => return self.store(app, target, then_delivers).await,
            PaymentEffect::SettleFirst => {
                let (word, retry_after) =
                    queries::settle(app, &self.row, &self.job, self.request.as_ref()).await;
                if let SettlementResult::Unsent(_) = word {
                    self.outcome = PaymentOutcome::Failed(queries::unsent(retry_after));
                }
                AfterEffect::Event(PaymentEvent::FirstSettlement(word))
            }
            PaymentEffect::SettleAgain if self.request.is_none() => {
                AfterEffect::Event(PaymentEvent::Unreadable)
            }
            PaymentEffect::SettleAgain => {
                let (word, _) =
                    queries::settle(app, &self.row, &self.job, self.request.as_ref()).await;
                AfterEffect::Event(PaymentEvent::LaterSettlement(
                    word,
                    time_after_window(&self.row, app.now()),
                ))
            }
            PaymentEffect::AskChainAfterRefusal(reason) => {
                let evidence = queries::chain(app, &self.row, self.request.as_ref()).await;
                AfterEffect::Event(PaymentEvent::ChainAfterRefusal { reason, evidence })
            }
            PaymentEffect::AskChain => {
                let evidence = queries::chain(app, &self.row, self.request.as_ref()).await;
                AfterEffect::Event(PaymentEvent::ChainAnswered(
                    evidence,
                    time_after_window(&self.row, app.now()),
                ))
            }
            PaymentEffect::Deliver => AfterEffect::Event(self.deliver(app).await),
            PaymentEffect::Hold => {
                self.outcome = PaymentOutcome::Unknown(O::hold(app, &self.row.payment_id).await);
                AfterEffect::Continue
            }
            PaymentEffect::Undo => self.undo(app).await,
            PaymentEffect::Follow => {
                if !self.is_followed {
                    follow::start::<O>(app, &self.row.payment_id);
                }
                AfterEffect::Continue
            }
            PaymentEffect::Owe(reason) => self.owe(app, reason).await,
        }
    }

    fn transaction(&self) -> String {
        self.row.transaction.clone().unwrap_or_default()
    }
}

/// Resumes a payment for a requester. The caller holds its lock and has read the row under it.
pub async fn resume<O: Operation>(
    app: &App,
    row: Payment,
    operation: Option<O>,
    requester: Requester,
    progress: Progress,
) -> PaymentOutcome {
    let begun = row.performed_at.is_some();
    let mut work = PaymentDriver::from_row(row, operation, progress);
    work.run(app, PaymentEvent::Resume { requester, begun })
        .await
}

/// How much of the time after a payment's window has passed at `now`.
pub fn time_after_window(row: &Payment, now: i64) -> PaymentWindow {
    PaymentWindow {
        is_over: now > row.valid_before.saturating_add(MARGIN),
        is_long_over: now > row.valid_before.saturating_add(WAIT_FOR_CHAIN),
    }
}

//! Performs what the machine says, under the payment's lock. A request, a copy of it, the follower and the sweep all come here.

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
        self as machine, Funding, PaymentContext, PaymentEffect, PaymentEvent, PaymentState,
        PaymentWindow, Requester, RetryPolicy, SettlementResult,
    },
    state::App,
    store::Payment,
};

/// Seconds after the end of an authorization's window after which nothing is waited for any more. A transfer that was sent in
/// the last moment is mined by then, and a chain that can be asked has its word.
pub const MARGIN: i64 = 60;
/// Seconds after the end of the window for which a chain that does not answer is waited for.
pub const WAIT_FOR_CHAIN: i64 = 3600;

/// A payment that is being worked for.
pub(super) struct PaymentDriver<O> {
    row: Payment,
    operation: Option<O>,
    job: PaymentJob,
    request: Option<FacilitatorRequest>,
    /// What was delivered and is not stored yet.
    delivered: Option<Delivery>,
    /// Somebody follows it already.
    is_followed: bool,
    outcome: PaymentOutcome,
}

/// What one effect led to.
enum AfterEffect {
    /// The next effect.
    Go,
    /// An event, which the machine is told.
    Tell(PaymentEvent),
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

    /// A payment that was left behind, with its operation where the customer came again.
    pub(super) fn from_row(row: Payment, operation: Option<O>, progress: Progress) -> Self {
        let request = serde_json::from_str(&row.request.0)
            .inspect_err(|error| {
                if row.state.is_open() {
                    tracing::error!(%error, payment.id = row.payment_id.as_str(), "a stored payment cannot be read");
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

    /// The same for its follower, which needs no other one.
    pub(super) fn for_follower(row: Payment) -> Self {
        Self {
            is_followed: true,
            ..Self::from_row(row, None, Progress::default())
        }
    }

    /// Something is left to do for us by and by: the outcome is open, or what was paid for is to be delivered.
    pub(super) fn is_open(&self) -> bool {
        match self.row.state {
            PaymentState::Settling | PaymentState::Unknown => true,
            PaymentState::Settled => O::RETRY == RetryPolicy::Resumed,
            _ => false,
        }
    }

    /// Tells the machine what happened, and does what it says until there is nothing left to do.
    pub(super) async fn run(&mut self, app: &App, first: PaymentEvent) -> PaymentOutcome {
        let terms = PaymentContext {
            funding: Funding::X402,
            repeat: O::RETRY,
            has_chain: app.witness.is_some(),
            is_simulated: app.facilitator.describe().simulated,
        };
        let mut event = Some(first);
        while let Some(happened) = event.take() {
            let effects = machine::step(terms, self.row.state, happened);
            let mut effects = effects.into_iter().peekable();
            while let Some(effect) = effects.next() {
                app.checkpoint.reached(&effect).await;
                let then_delivers = effects.peek() == Some(&PaymentEffect::Deliver);
                if let AfterEffect::Tell(told) = self.perform(app, effect, then_delivers).await {
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
                AfterEffect::Tell(PaymentEvent::FirstSettlement(word))
            }
            PaymentEffect::SettleAgain if self.request.is_none() => {
                AfterEffect::Tell(PaymentEvent::Unreadable)
            }
            PaymentEffect::SettleAgain => {
                let (word, _) =
                    queries::settle(app, &self.row, &self.job, self.request.as_ref()).await;
                AfterEffect::Tell(PaymentEvent::LaterSettlement(
                    word,
                    window(&self.row, app.now()),
                ))
            }
            PaymentEffect::AskChainAfterRefusal(reason) => {
                let evidence = queries::chain(app, &self.row, self.request.as_ref()).await;
                AfterEffect::Tell(PaymentEvent::ChainAfterRefusal { reason, evidence })
            }
            PaymentEffect::AskChain => {
                let evidence = queries::chain(app, &self.row, self.request.as_ref()).await;
                AfterEffect::Tell(PaymentEvent::ChainAnswered(
                    evidence,
                    window(&self.row, app.now()),
                ))
            }
            PaymentEffect::Deliver => AfterEffect::Tell(self.deliver(app).await),
            PaymentEffect::Hold => {
                self.outcome = PaymentOutcome::Unknown(O::hold(app, &self.row.payment_id).await);
                AfterEffect::Go
            }
            PaymentEffect::Undo => self.undo(app).await,
            PaymentEffect::Follow => {
                if !self.is_followed {
                    follow::start::<O>(app, &self.row.payment_id);
                }
                AfterEffect::Go
            }
            PaymentEffect::Owe(reason) => self.owe(app, reason).await,
        }
    }

    fn transaction(&self) -> String {
        self.row.transaction.clone().unwrap_or_default()
    }
}

/// Looks at a payment that was seen before, for whom it is looked at. The caller has its lock, and read the row under it.
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

/// Where a payment's window is at `now`.
pub fn window(row: &Payment, now: i64) -> PaymentWindow {
    PaymentWindow {
        is_over: now > row.valid_before.saturating_add(MARGIN),
        is_long_over: now > row.valid_before.saturating_add(WAIT_FOR_CHAIN),
    }
}

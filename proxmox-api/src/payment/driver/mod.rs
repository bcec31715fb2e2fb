//! Performs what the machine says, under the payment's lock. A request, a copy of it, the follower and the sweep all come here.

pub mod follow;
mod storing;
mod working;

use x402::facilitator::FacilitatorRequest;

use super::{
    asks,
    operation::{Delivered, Job, Operation, Progress},
    outcome::Outcome,
};
use crate::{
    payment_machine::{
        self as machine, Asker, Effect, Event, Funding, PaymentState, Repeat, Terms, Window, Word,
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
pub(super) struct Work<O> {
    row: Payment,
    operation: Option<O>,
    job: Job,
    request: Option<FacilitatorRequest>,
    /// What was delivered and is not stored yet.
    delivered: Option<Delivered>,
    /// Somebody follows it already.
    is_followed: bool,
    outcome: Outcome,
}

/// What one effect led to.
enum Next {
    /// The next effect.
    Go,
    /// An event, which the machine is told.
    Tell(Event),
}

impl<O: Operation> Work<O> {
    /// A payment whose row was just inserted.
    pub(super) fn new(
        row: Payment,
        operation: Option<O>,
        job: Job,
        request: FacilitatorRequest,
    ) -> Self {
        Self {
            row,
            operation,
            job,
            request: Some(request),
            delivered: None,
            is_followed: false,
            outcome: Outcome::Elsewhere,
        }
    }

    /// A payment that was left behind, with its operation where the customer came again.
    pub(super) fn again(row: Payment, operation: Option<O>, progress: Progress) -> Self {
        let request = serde_json::from_str(&row.request.0)
            .inspect_err(|error| {
                if row.state.is_open() {
                    tracing::error!(%error, payment.id = row.payment_id.as_str(), "a stored payment cannot be read");
                }
            })
            .ok();
        let job = Job {
            progress,
            ..Job::of_row(&row)
        };
        Self {
            row,
            operation,
            job,
            request,
            delivered: None,
            is_followed: false,
            outcome: Outcome::Elsewhere,
        }
    }

    /// The same for its follower, which needs no other one.
    pub(super) fn followed(row: Payment) -> Self {
        Self {
            is_followed: true,
            ..Self::again(row, None, Progress::default())
        }
    }

    /// Something is left to do for us by and by: the outcome is open, or what was paid for is to be delivered.
    pub(super) fn is_open(&self) -> bool {
        match self.row.state {
            PaymentState::Settling | PaymentState::Unknown => true,
            PaymentState::Settled => O::REPEAT == Repeat::Resumed,
            _ => false,
        }
    }

    /// Tells the machine what happened, and does what it says until there is nothing left to do.
    pub(super) async fn run(&mut self, app: &App, first: Event) -> Outcome {
        let terms = Terms {
            funding: Funding::X402,
            repeat: O::REPEAT,
            has_chain: app.witness.is_some(),
            is_simulated: app.facilitator.describe().simulated,
        };
        let mut event = Some(first);
        while let Some(happened) = event.take() {
            let effects = machine::step(terms, self.row.state, happened);
            let mut effects = effects.into_iter().peekable();
            while let Some(effect) = effects.next() {
                app.checkpoint.reached(&effect).await;
                let then_delivers = effects.peek() == Some(&Effect::Deliver);
                if let Next::Tell(told) = self.perform(app, effect, then_delivers).await {
                    event = Some(told);
                    break;
                }
            }
        }
        std::mem::replace(&mut self.outcome, Outcome::Elsewhere)
    }

    async fn perform(&mut self, app: &App, effect: Effect, then_delivers: bool) -> Next {
        match effect {
            Effect::Verify => self.verify(app).await,
            Effect::Admit => self.admit(app).await,
            Effect::Prepare => self.prepare(app).await,
            Effect::Store(target) => return self.store(app, target, then_delivers).await,
            Effect::SettleFirst => {
                let (word, retry_after) =
                    asks::settle(app, &self.row, &self.job, self.request.as_ref()).await;
                if let Word::Unsent(_) = word {
                    self.outcome = Outcome::Failed(asks::unsent(retry_after));
                }
                Next::Tell(Event::FirstSettlement(word))
            }
            Effect::SettleAgain if self.request.is_none() => Next::Tell(Event::Unreadable),
            Effect::SettleAgain => {
                let (word, _) =
                    asks::settle(app, &self.row, &self.job, self.request.as_ref()).await;
                Next::Tell(Event::LaterSettlement(word, window(&self.row, app.now())))
            }
            Effect::AskChainAfterRefusal(reason) => {
                let evidence = asks::chain(app, &self.row, self.request.as_ref()).await;
                Next::Tell(Event::ChainAfterRefusal { reason, evidence })
            }
            Effect::AskChain => {
                let evidence = asks::chain(app, &self.row, self.request.as_ref()).await;
                Next::Tell(Event::Chain(evidence, window(&self.row, app.now())))
            }
            Effect::Deliver => Next::Tell(self.deliver(app).await),
            Effect::Hold => {
                self.outcome = Outcome::Unknown(O::hold(app, &self.row.payment_id).await);
                Next::Go
            }
            Effect::Undo => self.undo(app).await,
            Effect::Follow => {
                if !self.is_followed {
                    follow::start::<O>(app, &self.row.payment_id);
                }
                Next::Go
            }
            Effect::Owe(reason) => self.owe(app, reason).await,
        }
    }

    fn transaction(&self) -> String {
        self.row.transaction.clone().unwrap_or_default()
    }
}

/// Looks at a payment that was seen before, for whom it is looked at. The caller has its lock, and read the row under it.
pub async fn look<O: Operation>(
    app: &App,
    row: Payment,
    operation: Option<O>,
    asker: Asker,
    progress: Progress,
) -> Outcome {
    let begun = row.performed_at.is_some();
    let mut work = Work::again(row, operation, progress);
    work.run(app, Event::Look { asker, begun }).await
}

/// Where a payment's window is at `now`.
pub fn window(row: &Payment, now: i64) -> Window {
    Window {
        is_over: now > row.valid_before.saturating_add(MARGIN),
        is_long_over: now > row.valid_before.saturating_add(WAIT_FOR_CHAIN),
    }
}

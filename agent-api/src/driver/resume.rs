//! Resumes a suspended call: the customer has paid, confirmed or declined it.

use std::time::Instant;

use api_types::{ChatRequest, ErrorCode, Secret};
use tokio::sync::watch;
use tracing::Instrument as _;

use super::{Driver, ToolCallOutcome, TurnOutcome, call::ToolReport};
use crate::{
    error::ApiError,
    lease_api::{LeaseApiError, LeaseApiResponse, PaymentFate, RequestContext},
    payment::{PaymentTerms, SignedHeader},
    pending::{self, CustomerAction, Pending, PendingError, Reuse},
    tools::{self, RegisteredTool},
    turn::TurnEvent,
};

/// The longest reason that is passed to the model, in characters.
const MAX_REASON: usize = 500;

impl Driver<'_> {
    /// Opens the suspended call and pays, performs or declines it, as the customer decided.
    pub(super) async fn resume(
        mut self,
        request: &ChatRequest,
        sealed: &str,
        payment: Option<SignedHeader>,
    ) -> Result<TurnOutcome, ApiError> {
        let pending = self.open(sealed, payment.is_some())?;
        if let (Some(bound), Some(wallet)) = (&pending.wallet, &self.wallet)
            && bound != wallet
        {
            return Err(PendingError::OtherWallet.into());
        }
        self.wallet = self.wallet.take().or_else(|| pending.wallet.clone());
        let tool = tools::find(&pending.plan.tool).ok_or(PendingError::NotOurs)?;
        let called = match (&pending.wanted, payment, request.confirm, &request.cancel) {
            (_, _, _, Some(reason)) => return self.give_up(pending, request, reason).await,
            (CustomerAction::Payment(terms), Some(payment), _, None) => {
                self.pay_pending(&pending, tool, terms, &payment).await?
            }
            (CustomerAction::Confirmation, None, true, None) => {
                self.confirm(&pending, tool).await?
            }
            (CustomerAction::Confirmation, Some(_), _, None) => {
                let message = "The suspended call costs nothing. The payment was not sent, and nothing was charged.";
                return Err(ApiError::new(ErrorCode::PaymentInvalid, message));
            }
            (_, None, _, None) if !request.message.trim().is_empty() => {
                let reason = "the customer went on without it";
                return self.give_up(pending, request, reason).await;
            }
            (CustomerAction::Payment(_), None, ..) => {
                let message = "has to hold the signed payment for the suspended call, or cancel has to say why not";
                return Err(ApiError::field("payment_headers", message));
            }
            (CustomerAction::Confirmation, None, ..) => {
                let message = "has to be true for the suspended call, or cancel has to say why not";
                return Err(ApiError::field("confirm", message));
            }
        };
        let mut turn = pending.turn;
        match called {
            ToolCallOutcome::Answered(event) => self.run(turn, event).await,
            ToolCallOutcome::Suspended(asked) => {
                let mark = asked.plan.mark();
                turn.step(TurnEvent::Suspended(mark), &super::TurnBounds::default());
                self.suspend(&turn, Some(asked))
            }
        }
    }

    /// Opens a suspended call. One whose payment has an unknown outcome can be opened after its
    /// expiry too.
    fn open(&self, sealed: &str, paid: bool) -> Result<Pending, ApiError> {
        let pending = self.app.sealer.open_at_any_age(sealed)?;
        let late = pending.expires_at <= self.app.clock.unix_seconds();
        if !late || (paid && self.app.used.is_open(&pending.id)) {
            return Ok(pending);
        }
        let error = ApiError::from(PendingError::Expired);
        Err(match paid {
            true => error.advise("if this payment was sent before, look at your payments first"),
            false => error,
        })
    }

    async fn give_up(
        self,
        pending: Pending,
        request: &ChatRequest,
        reason: &str,
    ) -> Result<TurnOutcome, ApiError> {
        self.record_use(&pending, "given up")?;
        let message = Some(request.message.clone()).filter(|text| !text.trim().is_empty());
        let event = TurnEvent::GivenUp {
            reason: reason.chars().take(MAX_REASON).collect(),
            message,
        };
        self.run(pending.turn, event).await
    }

    async fn confirm(
        &mut self,
        pending: &Pending,
        tool: &'static RegisteredTool,
    ) -> Result<ToolCallOutcome, ApiError> {
        let start = Instant::now();
        let call = pending.turn.waiting().ok_or(PendingError::NotOurs)?;
        let Some(session) = self.session.clone() else {
            let message =
                "Sign in with the wallet first: only its owner may do this to a container.";
            return Err(ApiError::new(ErrorCode::Unauthorized, message));
        };
        // A confirmation counts as the same only within its session, so that another customer
        // cannot learn the outcome.
        let with = self
            .app
            .sealer
            .tag("use", &format!("confirmed\n{}", session.expose()));
        let now = self.app.clock.unix_seconds();
        let confirmed = self.app.used.confirm(pending, &with, now)?;
        self.report_start(call, tool.name, &pending.plan.title);
        if let Some(perform) = confirmed.perform {
            self.perform(pending, session, perform);
        }
        let mut outcome = confirmed.outcome;
        let answer = match outcome.wait_for(Option::is_some).await {
            Ok(answer) => answer.clone().unwrap_or(Err(LeaseApiError::Away)),
            Err(_) => Err(LeaseApiError::Away),
        };
        self.external_time += start.elapsed();
        let told = match answer {
            Ok(answer) => ToolReport::answer(tool, &answer),
            Err(error) => ToolReport::failed(error.to_string()),
        };
        Ok(self.report(call, told, start))
    }

    /// Sends a confirmed call in a task of its own, so that its outcome is recorded even if the
    /// customer hangs up.
    fn perform(
        &self,
        pending: &Pending,
        session: Secret,
        outcome: watch::Sender<Option<pending::LeaseApiResult>>,
    ) {
        let (app, pending, address) = (self.app.clone(), pending.clone(), self.address);
        let work = async move {
            let caller = RequestContext {
                id: pending.turn.id(),
                session: Some(session.expose()),
                address: Some(address),
            };
            let answer = app.lease_api.send(&pending.plan, caller).await;
            // A call with an expired session did nothing, so the customer can sign in and confirm
            // again.
            let code = answer.as_ref().ok().and_then(LeaseApiResponse::code);
            if code == Some(ErrorCode::Unauthorized) {
                app.used.forget(&pending);
            }
            outcome.send_replace(Some(answer));
        };
        tokio::spawn(work.instrument(tracing::Span::current()));
    }

    /// Sends a payment after all checks: it matches this call, the call was not used with another
    /// one, and the policy allows it.
    async fn pay_pending(
        &mut self,
        pending: &Pending,
        tool: &'static RegisteredTool,
        terms: &PaymentTerms,
        payment: &SignedHeader,
    ) -> Result<ToolCallOutcome, ApiError> {
        let start = Instant::now();
        let call = pending.turn.waiting().ok_or(PendingError::NotOurs)?;
        payment.fits(terms)?;
        let payer = payment.payer();
        if pending.wallet.as_ref().is_some_and(|bound| *bound != payer) {
            return Err(PendingError::OtherWallet.into());
        }
        let plan = pending.plan.clone();
        let body = self.body(&plan)?;
        let with = format!(
            "{}\n{}",
            payment.value(),
            body.as_deref().unwrap_or_default()
        );
        let reuse = self.record_use(pending, &with)?;
        if reuse == Reuse::First
            && let Err(over) = self.check_lease(&pending.turn, &plan).await
        {
            self.app.used.forget(pending);
            return Err(over);
        }
        let now = self.app.clock.unix_seconds();
        if reuse == Reuse::First
            && let Err(refused) =
                self.app
                    .spending
                    .reserve(&self.app.config.policy, terms, &payer, now)
        {
            self.app.used.forget(pending);
            return Err(refused.into());
        }
        self.report_start(call, tool.name, &plan.title);
        let key = pending.idempotency_key();
        let delivery = self
            .deliver(&pending.turn, &plan, body.as_deref(), payment, &key)
            .await;
        match (self.settle(&pending.id, &delivery), delivery.answer) {
            (PaymentFate::Open, _) | (_, Err(_)) => Err(still_open(pending.turn.id())),
            (fate, Ok(answer)) => {
                if matches!(fate, PaymentFate::Asked | PaymentFate::Refused) {
                    self.app.used.forget(pending);
                    self.app.spending.release(terms, &payer);
                }
                Ok(self.finish_paid(call, tool, plan, terms, &answer, start))
            }
        }
    }

    /// Records the payment or confirmation that the call is used with, as a digest.
    fn record_use(&self, pending: &Pending, with: &str) -> Result<Reuse, ApiError> {
        let digest = self.app.sealer.tag("use", with);
        let now = self.app.clock.unix_seconds();
        Ok(self.app.used.record(pending, &digest, now)?)
    }
}

/// The error if a payment was sent and its outcome is unknown. The customer must not sign again,
/// and can repeat the request with the same signature.
fn still_open(turn: &str) -> ApiError {
    let message = "The payment was sent, and it is not known yet what became of it. Do not pay again: send \
                   the same request again to learn it; it is not charged twice.";
    ApiError::new(ErrorCode::PaymentUnresolved, message)
        .advise("send the same request again, with the same pending and the same payment_headers")
        .in_turn(turn)
}

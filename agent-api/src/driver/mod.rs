//! Performs the effects of a [`Turn`]: asks the model, calls the lease API, and sends events to the
//! interface meanwhile. A call that costs something is sent without a payment first. Its 402
//! suspends the turn, and `resume` continues with exactly that call.

mod call;
mod event_sink;
mod lease;
mod pay;
mod resume;

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use api_types::{ChatEvent, ChatMessage, ChatRequest, PaymentRequest, Secret, SuspendedCall};
use service::crypto;

use crate::{
    conversation::{self, HistoryLimit},
    error::ApiError,
    lease_api::RequestContext,
    llm::ModelRequest,
    payment::SignedHeader,
    pending::{CustomerAction, Pending},
    state::App,
    tools::CallPlan,
    turn::{Turn, TurnBounds, TurnEffect, TurnEvent, TurnFailure},
};

pub use event_sink::EventSink;

/// The result of a request that ended without an error.
#[derive(Debug)]
pub struct TurnOutcome {
    /// The agent's text.
    pub reply: String,
    /// The action that the customer has to take before the turn goes on, if any.
    pub suspended: Option<Suspension>,
    /// The turn's id.
    pub turn_id: String,
}

/// The customer's action and the sealed call.
#[derive(Debug)]
pub enum Suspension {
    /// To pay.
    Payment(Box<PaymentRequest>, String),
    /// To confirm.
    Confirmation(Box<SuspendedCall>, String),
}

/// The outcome of a tool call.
enum ToolCallOutcome {
    /// The tool returned a result, of success or failure.
    Answered(TurnEvent),
    /// The customer has to pay or to confirm.
    Suspended(Box<CustomerRequest>),
}

/// A call that needs a payment or a confirmation of the customer.
struct CustomerRequest {
    plan: CallPlan,
    wanted: CustomerAction,
    request: Option<PaymentRequest>,
}

/// Performs one request of a customer.
struct Driver<'a> {
    app: &'a App,
    events: &'a mut EventSink,
    began: Instant,
    /// Time spent waiting for the model and the lease API.
    external_time: Duration,
    /// The customer's address.
    address: IpAddr,
    session: Option<Secret>,
    wallet: Option<String>,
    /// A payment without a suspended call; the first call that it matches uses it.
    voucher: Option<SignedHeader>,
    secrets: Option<api_types::ChatSecrets>,
}

/// Performs a request and sends its events to `events`.
///
/// # Errors
/// The error response for the customer. Nothing was charged unless the error says that this is
/// unknown.
pub async fn converse(
    app: &App,
    request: ChatRequest,
    address: IpAddr,
    events: &mut EventSink,
) -> Result<TurnOutcome, ApiError> {
    let payment = match &request.payment_headers {
        Some(headers) => SignedHeader::from_headers(headers)?,
        None => None,
    };
    let driver = Driver {
        app,
        events,
        began: Instant::now(),
        external_time: Duration::ZERO,
        address,
        session: request.session.clone(),
        wallet: request.wallet.as_deref().map(str::to_lowercase),
        voucher: None,
        secrets: request.secrets.clone(),
    };
    if let Some(sealed) = &request.pending {
        return driver.resume(&request, sealed, payment).await;
    }
    let id = format!("turn_{}", crypto::random_hex(12));
    let room = driver.history_limit(&request.history, &id).await;
    let conversation = conversation::begin(&request.history, &request.message, room);
    let turn = Turn::new(id, conversation);
    let driver = Driver {
        voucher: payment,
        ..driver
    };
    driver.run(turn, TurnEvent::Start).await
}

impl Driver<'_> {
    /// The limit of the history. Each word costs model tokens, so only customers who are signed in
    /// get a long history. A session in the request proves nothing, so the lease API checks it.
    async fn history_limit(&self, history: &[ChatMessage], id: &str) -> HistoryLimit {
        let (true, Some(session)) = (HistoryLimit::SHORT.is_exceeded(history), &self.session)
        else {
            return HistoryLimit::SHORT;
        };
        let caller = self.caller(id, Some(session));
        match self.app.lease_api.knows_session(caller).await {
            true => HistoryLimit::LONG,
            false => HistoryLimit::SHORT,
        }
    }

    /// The context of a request to the lease API in this turn.
    fn caller<'a>(&self, turn: &'a str, session: Option<&'a Secret>) -> RequestContext<'a> {
        RequestContext {
            id: turn,
            session: session.map(Secret::expose),
            address: Some(self.address),
        }
    }

    /// Performs effects until the customer has to act or the turn ends.
    async fn run(mut self, mut turn: Turn, event: TurnEvent) -> Result<TurnOutcome, ApiError> {
        let bounds = TurnBounds::default();
        let mut effect = turn.step(event, &bounds);
        let mut asked = None;
        loop {
            let event = match effect {
                TurnEffect::Ask { tools, again } => self.ask(&turn, tools, again).await,
                TurnEffect::Call(call) => match self.call(&turn, &call).await {
                    ToolCallOutcome::Answered(event) => event,
                    ToolCallOutcome::Suspended(what) => {
                        let mark = what.plan.mark();
                        asked = Some(what);
                        TurnEvent::Suspended(mark)
                    }
                },
                TurnEffect::Wait => return self.suspend(&turn, asked),
                TurnEffect::Finish => {
                    self.record(&turn, "finished");
                    return Ok(TurnOutcome {
                        reply: turn.words().to_owned(),
                        suspended: None,
                        turn_id: turn.id().to_owned(),
                    });
                }
                TurnEffect::Break(failure) => {
                    self.record(&turn, "failed");
                    return Err(ApiError::from(failure).in_turn(turn.id()));
                }
            };
            effect = turn.step(event, &bounds);
        }
    }

    async fn ask(&mut self, turn: &Turn, tools: bool, again: bool) -> TurnEvent {
        let timeout = self.time_left().min(self.app.config.model_timeout);
        if timeout.is_zero() {
            return TurnEvent::Failed(TurnFailure::OutOfTime);
        }
        let question = ModelRequest {
            conversation: turn.conversation(),
            tools,
            again,
            turn: turn.id(),
            address: self.address,
        };
        let start = Instant::now();
        let events = &*self.events;
        let words = |text: &str| events.token(text);
        let answer = self.app.model.answer(question, &words);
        let answer = tokio::time::timeout(timeout, answer).await;
        let took = start.elapsed();
        self.external_time += took;
        metrics::histogram!("model_seconds").record(took.as_secs_f64());
        match answer {
            Ok(Ok(said)) => TurnEvent::Said(said),
            Ok(Err(error)) => {
                tracing::warn!(turn.id = turn.id(), %error, "the model did not answer");
                TurnEvent::Failed(TurnFailure::Model(error.to_string()))
            }
            Err(_) if self.time_left().is_zero() => TurnEvent::Failed(TurnFailure::OutOfTime),
            Err(_) => {
                TurnEvent::Failed(TurnFailure::Model(crate::llm::ModelError::Slow.to_string()))
            }
        }
    }

    /// Seals the turn and asks the customer to pay or to confirm.
    fn suspend(
        &mut self,
        turn: &Turn,
        asked: Option<Box<CustomerRequest>>,
    ) -> Result<TurnOutcome, ApiError> {
        let (Some(asked), Some(call)) = (asked, turn.waiting()) else {
            return Err(TurnFailure::Unexpected("wait").into());
        };
        let CustomerRequest {
            plan,
            wanted,
            request,
        } = *asked;
        let shown = plan.suspended();
        let pending = Pending {
            id: Pending::new_id(),
            expires_at: self.app.clock.unix_seconds()
                + wanted.seconds(self.app.config.pending_seconds),
            wallet: self.wallet.clone(),
            plan,
            wanted,
            turn: turn.clone(),
        };
        let sealed = self.app.sealer.seal(&pending).map_err(|error| {
            tracing::error!(turn.id = turn.id(), %error, "a turn cannot be serialised");
            ApiError::from(TurnFailure::Unexpected("seal"))
        })?;
        let mut reply = turn.words().to_owned();
        let id = call.id.clone();
        let suspended = match request {
            Some(request) => {
                if reply.is_empty() {
                    reply = payment_prompt(&request);
                }
                self.events.emit(ChatEvent::PaymentRequired {
                    id,
                    request: Box::new(request.clone()),
                    pending: sealed.clone(),
                });
                Suspension::Payment(Box::new(request), sealed)
            }
            None => {
                if reply.is_empty() {
                    reply = format!("{}? Please confirm it.", shown.summary);
                }
                self.events.emit(ChatEvent::ConfirmRequired {
                    id,
                    call: shown.clone(),
                    pending: sealed.clone(),
                });
                Suspension::Confirmation(Box::new(shown), sealed)
            }
        };
        self.record(turn, "suspended");
        Ok(TurnOutcome {
            reply,
            suspended: Some(suspended),
            turn_id: turn.id().to_owned(),
        })
    }

    fn time_left(&self) -> Duration {
        self.app
            .config
            .turn_timeout
            .saturating_sub(self.began.elapsed())
    }

    /// Logs the request and records its metrics.
    fn record(&self, turn: &Turn, outcome: &'static str) {
        let whole = self.began.elapsed();
        let own = whole.saturating_sub(self.external_time);
        metrics::counter!("chat_requests_total", "outcome" => outcome).increment(1);
        metrics::histogram!("chat_overhead_seconds").record(own.as_secs_f64());
        let (whole_ms, own_us) = (whole.as_millis() as u64, own.as_micros() as u64);
        tracing::info!(
            turn.id = turn.id(),
            outcome,
            whole_ms,
            own_us,
            "the request of a turn ended"
        );
    }
}

/// The reply if the model wrote no text. The amount comes from the lease API, never from the model.
fn payment_prompt(request: &PaymentRequest) -> String {
    let amount = request.amount.parse::<api_types::Usdc>();
    let amount = amount.map_or_else(|_| request.amount.clone(), |amount| amount.to_string());
    let what = &request.call.summary;
    let network = x402::network::Network::by_name(&request.network);
    let network = network.map_or(request.network.as_str(), |network| network.display_name);
    format!("{what}: this costs {amount} on {network}. Sign the payment in your wallet to go on.")
}

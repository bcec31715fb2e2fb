//! Performs what a [`Turn`] wants: asks the model, calls the lease API, and tells the interface while it does. A call that costs
//! something is sent without a payment first; its 402 suspends the turn, and `resume` goes on with exactly that call.

mod call;
mod lease;
mod pay;
mod resume;
mod stage;

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use api_types::{ChatEvent, ChatMessage, ChatRequest, PaymentRequest, Secret, SuspendedCall};
use service::crypto;

use crate::{
    conversation::{self, Room},
    error::ApiError,
    lease_api::Caller,
    llm::Question,
    payment::SignedHeader,
    pending::{Pending, Wanted},
    state::App,
    tools::Plan,
    turn::{Bounds, Effect, Event, Failure, Turn},
};

pub use stage::Stage;

/// How a request ended well.
#[derive(Debug)]
pub struct Outcome {
    /// The agent's words.
    pub reply: String,
    /// What the customer has to do, if something.
    pub suspended: Option<Suspension>,
    /// The turn.
    pub turn_id: String,
}

/// What the customer has to do, and the sealed call.
#[derive(Debug)]
pub enum Suspension {
    /// Pay.
    Payment(Box<PaymentRequest>, String),
    /// Confirm.
    Confirmation(Box<SuspendedCall>, String),
}

/// What a call came to.
enum Called {
    /// The tool answered, well or badly.
    Answered(Event),
    /// The customer has to pay or to confirm.
    Suspended(Box<Asked>),
}

/// What will be asked of the customer.
struct Asked {
    plan: Plan,
    wanted: Wanted,
    request: Option<PaymentRequest>,
}

/// Performs one request of a customer.
struct Driver<'a> {
    app: &'a App,
    stage: &'a mut Stage,
    began: Instant,
    /// Time that the model and the lease API took.
    elsewhere: Duration,
    /// Where the customer calls from.
    address: IpAddr,
    session: Option<Secret>,
    wallet: Option<String>,
    /// A payment without a suspended call: it goes to the first call that it fits.
    voucher: Option<SignedHeader>,
    secrets: Option<api_types::ChatSecrets>,
}

/// Answers a request; `stage` hears of everything on the way.
///
/// # Errors
/// What the customer is told instead of an answer. Nothing was charged unless the error says that this is not known.
pub async fn converse(
    app: &App,
    request: ChatRequest,
    address: IpAddr,
    stage: &mut Stage,
) -> Result<Outcome, ApiError> {
    let payment = match &request.payment_headers {
        Some(headers) => SignedHeader::from_headers(headers)?,
        None => None,
    };
    let driver = Driver {
        app,
        stage,
        began: Instant::now(),
        elsewhere: Duration::ZERO,
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
    let room = driver.room(&request.history, &id).await;
    let conversation = conversation::begin(&request.history, &request.message, room);
    let turn = Turn::new(id, conversation);
    let driver = Driver {
        voucher: payment,
        ..driver
    };
    driver.run(turn, Event::Start).await
}

impl Driver<'_> {
    /// How much of a history is kept: the model is paid for each word, so a long one is for
    /// customers who are signed in. That a session is named proves nothing; the lease API is asked.
    async fn room(&self, history: &[ChatMessage], id: &str) -> Room {
        let (true, Some(session)) = (Room::SHORT.is_exceeded(history), &self.session) else {
            return Room::SHORT;
        };
        let caller = self.caller(id, Some(session));
        match self.app.lease_api.knows_session(caller).await {
            true => Room::LONG,
            false => Room::SHORT,
        }
    }

    /// Who asks the lease API, in this turn.
    fn caller<'a>(&self, turn: &'a str, session: Option<&'a Secret>) -> Caller<'a> {
        Caller {
            id: turn,
            session: session.map(Secret::expose),
            address: Some(self.address),
        }
    }

    /// Goes on until the customer's turn comes.
    async fn run(mut self, mut turn: Turn, event: Event) -> Result<Outcome, ApiError> {
        let bounds = Bounds::default();
        let mut effect = turn.step(event, &bounds);
        let mut asked = None;
        loop {
            let event = match effect {
                Effect::Ask { tools, again } => self.ask(&turn, tools, again).await,
                Effect::Call(call) => match self.call(&turn, &call).await {
                    Called::Answered(event) => event,
                    Called::Suspended(what) => {
                        let mark = what.plan.mark();
                        asked = Some(what);
                        Event::Suspended(mark)
                    }
                },
                Effect::Wait => return self.suspend(&turn, asked),
                Effect::Finish => {
                    self.note(&turn, "finished");
                    return Ok(Outcome {
                        reply: turn.words().to_owned(),
                        suspended: None,
                        turn_id: turn.id().to_owned(),
                    });
                }
                Effect::Break(failure) => {
                    self.note(&turn, "failed");
                    return Err(ApiError::from(failure).in_turn(turn.id()));
                }
            };
            effect = turn.step(event, &bounds);
        }
    }

    async fn ask(&mut self, turn: &Turn, tools: bool, again: bool) -> Event {
        let patience = self.time_left().min(self.app.config.model_patience);
        if patience.is_zero() {
            return Event::Failed(Failure::OutOfTime);
        }
        let question = Question {
            conversation: turn.conversation(),
            tools,
            again,
            turn: turn.id(),
            address: self.address,
        };
        let start = Instant::now();
        let stage = &*self.stage;
        let words = |text: &str| stage.token(text);
        let answer = self.app.model.answer(question, &words);
        let answer = tokio::time::timeout(patience, answer).await;
        let took = start.elapsed();
        self.elsewhere += took;
        metrics::histogram!("model_seconds").record(took.as_secs_f64());
        match answer {
            Ok(Ok(said)) => Event::Said(said),
            Ok(Err(error)) => {
                tracing::warn!(turn.id = turn.id(), %error, "the model did not answer");
                Event::Failed(Failure::Model(error.to_string()))
            }
            Err(_) if self.time_left().is_zero() => Event::Failed(Failure::OutOfTime),
            Err(_) => Event::Failed(Failure::Model(crate::llm::ModelError::Slow.to_string())),
        }
    }

    /// Seals the turn and tells the customer what to do.
    fn suspend(&mut self, turn: &Turn, asked: Option<Box<Asked>>) -> Result<Outcome, ApiError> {
        let (Some(asked), Some(call)) = (asked, turn.waiting()) else {
            return Err(Failure::Unexpected("wait").into());
        };
        let Asked {
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
            tracing::error!(turn.id = turn.id(), %error, "a turn cannot be written down");
            ApiError::from(Failure::Unexpected("seal"))
        })?;
        let mut reply = turn.words().to_owned();
        let id = call.id.clone();
        let suspended = match request {
            Some(request) => {
                if reply.is_empty() {
                    reply = asking_to_pay(&request);
                }
                self.stage.happened(ChatEvent::PaymentRequired {
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
                self.stage.happened(ChatEvent::ConfirmRequired {
                    id,
                    call: shown.clone(),
                    pending: sealed.clone(),
                });
                Suspension::Confirmation(Box::new(shown), sealed)
            }
        };
        self.note(turn, "suspended");
        Ok(Outcome {
            reply,
            suspended: Some(suspended),
            turn_id: turn.id().to_owned(),
        })
    }

    fn time_left(&self) -> Duration {
        self.app
            .config
            .turn_patience
            .saturating_sub(self.began.elapsed())
    }

    /// One line of the log and the numbers of a request.
    fn note(&self, turn: &Turn, outcome: &'static str) {
        let whole = self.began.elapsed();
        let own = whole.saturating_sub(self.elsewhere);
        metrics::counter!("chat_requests_total", "outcome" => outcome).increment(1);
        metrics::histogram!("chat_overhead_seconds").record(own.as_secs_f64());
        let (whole_ms, own_us) = (whole.as_millis() as u64, own.as_micros() as u64);
        tracing::info!(turn.id = turn.id(), outcome, whole_ms, own_us, "turn");
    }
}

/// Said where the model said nothing: the amount is the lease API's, never the model's.
fn asking_to_pay(request: &PaymentRequest) -> String {
    let amount = request.amount.parse::<api_types::Usdc>();
    let amount = amount.map_or_else(|_| request.amount.clone(), |amount| amount.to_string());
    let what = &request.call.summary;
    let network = x402::network::Network::by_name(&request.network);
    let network = network.map_or(request.network.as_str(), |network| network.display_name);
    format!("{what}: this costs {amount} on {network}. Sign the payment in your wallet to go on.")
}

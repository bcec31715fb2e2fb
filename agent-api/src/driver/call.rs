//! A tool call, up to the point where the customer is needed: read, planned, sent without a payment, and its answer told to the
//! model compactly and to the interface completely.

use std::time::Instant;

use api_types::ChatEvent;
use serde_json::{Value, json};

use super::{Asked, Called, Driver};
use crate::{
    conversation::ToolCall,
    lease_api::{Answer, LeaseApiError},
    pending::Wanted,
    tools::{self, Class, Plan, Registered, without_secrets},
    turn::{Event, Mark, ToolAnswer, Turn},
    typed,
};

/// The longest answer of a tool that the model sees, in bytes.
const MAX_SEEN: usize = 12 * 1024;

/// What a tool came to, before it is told.
pub(super) struct Told {
    /// Whether it did what it was asked.
    pub ok: bool,
    /// One sentence for people.
    pub summary: String,
    /// For the model.
    pub model: Value,
    /// For the interface.
    pub interface: Value,
    /// Proof of payment.
    pub receipt: Option<Value>,
    /// What was paid for.
    pub bought: Option<Mark>,
}

impl Told {
    /// Something went wrong, in one sentence.
    pub(super) fn failed(summary: impl Into<String>) -> Self {
        let summary = summary.into();
        let error = json!({ "error": { "message": summary } });
        Self {
            ok: false,
            summary,
            model: error.clone(),
            interface: error,
            receipt: None,
            bought: None,
        }
    }

    /// The lease API's answer.
    pub(super) fn answer(tool: &Registered, answer: &Answer) -> Self {
        if answer.is_done() || answer.status == 202 {
            let summary = tool.summary(&answer.body);
            return Self {
                ok: true,
                model: json!({ "summary": summary, "data": tool.view(&answer.body) }),
                summary,
                interface: answer.body.clone(),
                receipt: answer.receipt.clone(),
                bought: None,
            };
        }
        let (summary, told) = answer.refusal();
        Self {
            ok: false,
            summary,
            model: json!({ "error": told }),
            // Only what is in the contract's words: anything else may be anybody's page.
            interface: json!({ "error": told }),
            receipt: answer.receipt.clone(),
            bought: None,
        }
    }
}

impl Driver<'_> {
    /// Performs a call of the model's.
    pub(super) async fn call(&mut self, turn: &Turn, call: &ToolCall) -> Called {
        let start = Instant::now();
        let Some(tool) = tools::find(&call.tool) else {
            let known: Vec<_> = tools::REGISTRY.iter().map(|tool| tool.name).collect();
            let message = format!("There is no such tool. The tools are {}.", known.join(", "));
            self.starts(call, &call.tool, "An unknown tool");
            return self.told(call, Told::failed(message), start);
        };
        let plan = match tool.plan(call) {
            Ok(plan) => plan,
            Err(problem) => {
                self.starts(call, tool.name, "Reading the request");
                return self.told(call, Told::failed(problem), start);
            }
        };
        if self.repeats_a_secret(turn, &plan) {
            let title = "Refusing arguments with a password in them";
            // Not even the interface is shown them.
            let hidden = ToolCall {
                arguments: String::new(),
                ..call.clone()
            };
            self.starts(&hidden, tool.name, title);
            let message = "An argument repeats a password or key that the customer typed. Leave it out: \
                           the interface takes passwords on its own.";
            return self.told(call, Told::failed(message), start);
        }
        self.starts(call, tool.name, &plan.title);
        if let Some(objection) = turn.objection(&plan.mark()) {
            return self.told(call, Told::failed(objection), start);
        }
        if tool.class == Class::Confirmed && self.session.is_none() {
            let message = "First sign in with the wallet; the interface offers it.";
            return self.told(call, Told::failed(message), start);
        }
        let plan = match self.bind(turn, tool, plan).await {
            Ok(plan) => plan,
            Err(told) => {
                self.elsewhere += start.elapsed();
                return self.told(call, told, start);
            }
        };
        match tool.class {
            Class::Confirmed => {
                self.elsewhere += start.elapsed();
                Called::Suspended(Box::new(Asked {
                    plan,
                    wanted: Wanted::Confirmation,
                    request: None,
                }))
            }
            Class::Free | Class::Paid => self.unpaid(turn, call, tool, plan, start).await,
        }
    }

    /// Whether a call repeats a password: one that the customer typed, or one that came beside the
    /// words.
    fn repeats_a_secret(&self, turn: &Turn, plan: &Plan) -> bool {
        let mut secrets = typed::secrets(turn.conversation());
        let beside = self
            .secrets
            .as_ref()
            .and_then(|given| given.password.as_ref());
        secrets.extend(beside.map(|password| password.expose().to_lowercase()));
        let body = plan.body.as_deref().unwrap_or_default();
        let body = serde_json::from_str(body).unwrap_or(Value::Null);
        typed::repeated(&secrets, &plan.path, &body, turn.conversation())
    }

    async fn unpaid(
        &mut self,
        turn: &Turn,
        call: &ToolCall,
        tool: &'static Registered,
        plan: Plan,
        start: Instant,
    ) -> Called {
        let answer = match self.for_nothing(turn, &plan).await {
            Some(answer) => Ok(answer),
            None => {
                // A paid call is asked for as a stranger would: its answer is a price.
                let session = match tool.class {
                    Class::Free => self.session.clone(),
                    _ => None,
                };
                let caller = self.caller(turn.id(), session.as_ref());
                self.app.lease_api.send(&plan, caller).await
            }
        };
        self.elsewhere += start.elapsed();
        match answer {
            Err(error) => self.told(call, Told::failed(error.to_string()), start),
            Ok(answer) if answer.wants_payment() => {
                self.priced(turn, call, tool, plan, &answer, start).await
            }
            Ok(answer) => self.told(call, Told::answer(tool, &answer), start),
        }
    }

    /// The same from the path that costs a signed-in wallet nothing, if there is one and it answers.
    async fn for_nothing(&self, turn: &Turn, plan: &Plan) -> Option<Answer> {
        let (path, session) = (plan.free_path.as_deref()?, self.session.as_ref()?);
        let caller = self.caller(turn.id(), Some(session));
        let answer: Result<Answer, LeaseApiError> = self.app.lease_api.get(path, caller).await;
        answer.ok().filter(Answer::is_done)
    }

    /// A call has a price: the payment that came with the request if it fits, else the customer is asked.
    async fn priced(
        &mut self,
        turn: &Turn,
        call: &ToolCall,
        tool: &'static Registered,
        plan: Plan,
        answer: &Answer,
        start: Instant,
    ) -> Called {
        let now = self.app.clock.unix_seconds();
        let mut demand = match answer.demand(&plan, now) {
            Ok(demand) => demand,
            Err(problem) => return self.told(call, Told::failed(problem), start),
        };
        let voucher = self
            .voucher
            .take_if(|voucher| voucher.fits(&demand.terms).is_ok());
        if let Some(voucher) = voucher {
            return self
                .spend(turn, call, tool, plan, &demand.terms, &voucher, start)
                .await;
        }
        let policy = &self.app.config.policy;
        let wallet = self.wallet.as_deref();
        if let Err(refused) = self.app.spending.check(policy, &demand.terms, wallet, now) {
            return self.told(call, Told::failed(refused.to_string()), start);
        }
        if let (true, Some(body)) = (plan.takes_credential, &plan.body) {
            let caller = self.caller(turn.id(), None);
            let quote = self.app.lease_api.quote(body, caller).await;
            // Shown only where it is the price that is asked.
            demand.request.price = quote
                .and_then(|quote| quote.price)
                .filter(|price| price.total.atomic() == demand.terms.amount);
        }
        Called::Suspended(Box::new(Asked {
            plan,
            wanted: Wanted::Payment(demand.terms),
            request: Some(demand.request),
        }))
    }

    /// Tells the interface that a tool is called.
    pub(super) fn starts(&mut self, call: &ToolCall, tool: &str, title: &str) {
        let arguments = serde_json::from_str::<Value>(&call.arguments);
        let arguments = arguments.map_or(Value::Null, without_secrets);
        self.stage.happened(ChatEvent::ToolStart {
            id: call.id.clone(),
            tool: tool.to_owned(),
            title: title.to_owned(),
            arguments,
        });
    }

    /// Tells both the model and the interface what a tool came to.
    pub(super) fn told(&mut self, call: &ToolCall, told: Told, start: Instant) -> Called {
        let tool = tools::find(&call.tool).map_or("unknown", |tool| tool.name);
        let ok = if told.ok { "true" } else { "false" };
        metrics::counter!("chat_tool_calls_total", "tool" => tool, "ok" => ok).increment(1);
        self.stage.happened(ChatEvent::ToolDone {
            id: call.id.clone(),
            tool: tools::find(&call.tool)
                .map_or_else(|| call.tool.clone(), |tool| tool.name.to_owned()),
            ok: told.ok,
            summary: told.summary.clone(),
            result: told.interface,
            receipt: told.receipt,
            duration_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
        let mut seen = told.model;
        seen["ok"] = json!(told.ok);
        let mut text = seen.to_string();
        if text.len() > MAX_SEEN {
            text =
                json!({ "ok": told.ok, "summary": told.summary, "data": "too long to be shown" })
                    .to_string();
        }
        Called::Answered(Event::Answered(ToolAnswer {
            ok: told.ok,
            text,
            summary: told.summary,
            bought: told.bought,
        }))
    }
}

//! Performs a tool call up to the point where the customer is needed: reads and plans it, sends it
//! without a payment, and reports its result, short to the model and whole to the interface.

use std::time::Instant;

use api_types::ChatEvent;
use serde_json::{Value, json};

use super::{CustomerRequest, Driver, ToolCallOutcome};
use crate::{
    conversation::ToolCall,
    lease_api::{LeaseApiError, LeaseApiResponse},
    pending::CustomerAction,
    tools::{self, CallPlan, RegisteredTool, ToolClass, without_secrets},
    turn::{CallFingerprint, ToolResult, Turn, TurnEvent},
    typed_secrets,
};

/// The longest result of a tool that is sent to the model, in bytes.
const MAX_SEEN: usize = 12 * 1024;

/// The result of a tool call, for the customer, the model and the interface.
pub(super) struct ToolReport {
    /// Whether the call succeeded.
    pub ok: bool,
    /// One sentence for the customer.
    pub summary: String,
    /// For the model.
    pub model: Value,
    /// For the interface.
    pub interface: Value,
    /// The receipt of the payment, if there was one.
    pub receipt: Option<Value>,
    /// The purchase, if the call paid for one.
    pub bought: Option<CallFingerprint>,
}

impl ToolReport {
    /// A failure, described in one sentence.
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

    /// The result from a response of the lease API.
    pub(super) fn answer(tool: &RegisteredTool, answer: &LeaseApiResponse) -> Self {
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
            // Only an error of the contract is passed on; any other body may come from another
            // server.
            interface: json!({ "error": told }),
            receipt: answer.receipt.clone(),
            bought: None,
        }
    }
}

impl Driver<'_> {
    /// Performs a tool call of the model.
    pub(super) async fn call(&mut self, turn: &Turn, call: &ToolCall) -> ToolCallOutcome {
        let start = Instant::now();
        let Some(tool) = tools::find(&call.tool) else {
            let known: Vec<_> = tools::REGISTRY.iter().map(|tool| tool.name).collect();
            let message = format!("There is no such tool. The tools are {}.", known.join(", "));
            self.report_start(call, &call.tool, "An unknown tool");
            return self.report(call, ToolReport::failed(message), start);
        };
        let plan = match tool.plan(call) {
            Ok(plan) => plan,
            Err(problem) => {
                self.report_start(call, tool.name, "Reading the request");
                return self.report(call, ToolReport::failed(problem), start);
            }
        };
        if self.repeats_a_secret(turn, &plan) {
            let title = "Refusing arguments with a password in them";
            // The arguments may hold the secret, so the interface does not show them either.
            let hidden = ToolCall {
                arguments: String::new(),
                ..call.clone()
            };
            self.report_start(&hidden, tool.name, title);
            let message = "An argument repeats a password or key that the customer typed. Leave it out: \
                           the interface takes passwords on its own.";
            return self.report(call, ToolReport::failed(message), start);
        }
        self.report_start(call, tool.name, &plan.title);
        if let Some(objection) = turn.objection(&plan.mark()) {
            return self.report(call, ToolReport::failed(objection), start);
        }
        let class = tool.class_of(&plan);
        if class == ToolClass::Confirmed && self.session.is_none() {
            let message = "First sign in with the wallet; the interface offers it.";
            return self.report(call, ToolReport::failed(message), start);
        }
        let plan = match self.bind(turn, tool, plan).await {
            Ok(plan) => plan,
            Err(told) => {
                self.external_time += start.elapsed();
                return self.report(call, told, start);
            }
        };
        match class {
            ToolClass::Confirmed => {
                self.external_time += start.elapsed();
                ToolCallOutcome::Suspended(Box::new(CustomerRequest {
                    plan,
                    wanted: CustomerAction::Confirmation,
                    request: None,
                }))
            }
            ToolClass::Free | ToolClass::Paid => {
                self.send_unpaid(turn, call, tool, plan, start).await
            }
        }
    }

    /// Whether a call repeats a password that the customer typed or sent beside the message.
    fn repeats_a_secret(&self, turn: &Turn, plan: &CallPlan) -> bool {
        let mut secrets = typed_secrets::secrets(turn.conversation());
        let beside = self
            .secrets
            .as_ref()
            .and_then(|given| given.password.as_ref());
        secrets.extend(beside.map(|password| password.expose().to_lowercase()));
        let body = match plan.body_value() {
            Some(Value::String(content)) => json!({ "content": content }),
            body => body.unwrap_or(Value::Null),
        };
        typed_secrets::repeated(&secrets, &decoded(&plan.path), &body, turn.conversation())
    }

    async fn send_unpaid(
        &mut self,
        turn: &Turn,
        call: &ToolCall,
        tool: &'static RegisteredTool,
        plan: CallPlan,
        start: Instant,
    ) -> ToolCallOutcome {
        let answer = match self.send_free(turn, &plan).await {
            Some(answer) => Ok(answer),
            None => {
                // A call that is paid is sent without the session, so that the response is a price.
                let session = match tool.class {
                    ToolClass::Free => self.session.clone(),
                    _ => None,
                };
                let caller = self.caller(turn.id(), session.as_ref());
                self.app.lease_api.send(&plan, caller).await
            }
        };
        self.external_time += start.elapsed();
        match answer {
            Err(error) => self.report(call, ToolReport::failed(error.to_string()), start),
            Ok(answer) if answer.wants_payment() => {
                self.handle_price(turn, call, tool, plan, &answer, start)
                    .await
            }
            Ok(answer) => self.report(call, ToolReport::answer(tool, &answer), start),
        }
    }

    /// Sends the call to the path that is free for a signed-in wallet, if there is one.
    async fn send_free(&self, turn: &Turn, plan: &CallPlan) -> Option<LeaseApiResponse> {
        let (path, session) = (plan.free_path.as_deref()?, self.session.as_ref()?);
        let caller = self.caller(turn.id(), Some(session));
        let answer: Result<LeaseApiResponse, LeaseApiError> =
            self.app.lease_api.get(path, caller).await;
        answer.ok().filter(LeaseApiResponse::is_done)
    }

    /// Pays a call with the payment that came with the request if it fits; else asks the customer.
    async fn handle_price(
        &mut self,
        turn: &Turn,
        call: &ToolCall,
        tool: &'static RegisteredTool,
        plan: CallPlan,
        answer: &LeaseApiResponse,
        start: Instant,
    ) -> ToolCallOutcome {
        let now = self.app.clock.unix_seconds();
        let mut challenge = match answer.challenge(&plan, now) {
            Ok(challenge) => challenge,
            Err(problem) => return self.report(call, ToolReport::failed(problem), start),
        };
        let voucher = self
            .voucher
            .take_if(|voucher| voucher.fits(&challenge.terms).is_ok());
        if let Some(voucher) = voucher {
            return self
                .spend(turn, call, tool, plan, &challenge.terms, &voucher, start)
                .await;
        }
        let policy = &self.app.config.policy;
        let wallet = self.wallet.as_deref();
        if let Err(refused) = self
            .app
            .spending
            .check(policy, &challenge.terms, wallet, now)
        {
            return self.report(call, ToolReport::failed(refused.to_string()), start);
        }
        if let (true, Some(body)) = (plan.takes_credential, &plan.body) {
            let caller = self.caller(turn.id(), None);
            let quote = self.app.lease_api.quote(body, caller).await;
            // The quote is shown only if its total is the price that is asked.
            challenge.request.price = quote
                .and_then(|quote| quote.price)
                .filter(|price| price.total.atomic() == challenge.terms.amount);
        }
        ToolCallOutcome::Suspended(Box::new(CustomerRequest {
            plan,
            wanted: CustomerAction::Payment(challenge.terms),
            request: Some(challenge.request),
        }))
    }

    /// Reports to the interface that a tool call starts.
    pub(super) fn report_start(&mut self, call: &ToolCall, tool: &str, title: &str) {
        let arguments = serde_json::from_str::<Value>(&call.arguments);
        let arguments = arguments.map_or(Value::Null, without_secrets);
        self.events.emit(ChatEvent::ToolStart {
            id: call.id.clone(),
            tool: tool.to_owned(),
            title: title.to_owned(),
            arguments,
        });
    }

    /// Reports the result of a tool call to the model and to the interface.
    pub(super) fn report(
        &mut self,
        call: &ToolCall,
        told: ToolReport,
        start: Instant,
    ) -> ToolCallOutcome {
        let tool = tools::find(&call.tool).map_or("unknown", |tool| tool.name);
        let ok = if told.ok { "true" } else { "false" };
        metrics::counter!("chat_tool_calls_total", "tool" => tool, "ok" => ok).increment(1);
        self.events.emit(ChatEvent::ToolDone {
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
        ToolCallOutcome::Answered(TurnEvent::Answered(ToolResult {
            ok: told.ok,
            text,
            summary: told.summary,
            bought: told.bought,
        }))
    }
}

/// A path with the values of its query as they are meant.
fn decoded(path: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let values = url::form_urlencoded::parse(query.as_bytes());
    values.fold(path.to_owned(), |text, (_, value)| {
        format!("{text} {value}")
    })
}

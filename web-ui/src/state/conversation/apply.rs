//! One event at a time: how a turn grows.

use api_types::ChatEvent;
use serde_json::Value;

use super::{Fault, Part, ToolCall, ToolStep, Turn, TurnState};

impl Turn {
    /// Takes an event in. Ids that were never announced are no reason to lose what happened: the call is then shown
    /// from what the event says.
    pub fn apply(&mut self, event: ChatEvent) {
        match event {
            ChatEvent::Token { text } => {
                self.state = TurnState::Answering;
                self.say(&text);
            }
            ChatEvent::ToolStart {
                id,
                tool,
                title,
                arguments,
            } => {
                self.state = TurnState::Answering;
                let call = self.call(&id, &tool);
                call.title = title;
                call.arguments = arguments;
                // A paid call starts again; that it was answered for is not forgotten.
                if call.step.is_waiting() || call.step == ToolStep::Responded {
                    call.step = ToolStep::Responded;
                } else {
                    call.step = ToolStep::Running;
                }
            }
            ChatEvent::ToolDone {
                id,
                tool,
                ok,
                summary,
                result,
                receipt,
                duration_ms,
            } => {
                self.state = TurnState::Answering;
                let call = self.call(&id, &tool);
                call.finish(ok);
                call.summary = summary;
                call.result = result;
                call.receipt = receipt;
                call.duration_ms = Some(duration_ms);
            }
            ChatEvent::PaymentRequired {
                id,
                request,
                pending,
            } => {
                let call = self.call(&id, &request.call.tool);
                call.describe(&request.call.summary);
                call.step = ToolStep::AwaitingPayment { request, pending };
                self.state = TurnState::Suspended;
            }
            ChatEvent::ConfirmRequired { id, call, pending } => {
                let asked = self.call(&id, &call.tool);
                asked.describe(&call.summary);
                asked.step = ToolStep::AwaitingConfirmation {
                    call: Box::new(call),
                    pending,
                };
                self.state = TurnState::Suspended;
            }
            ChatEvent::Final { reply, .. } => {
                // Where the words did not come as tokens, they come here. What the agent asks for in words while the
                // turn waits stands on the card already, and would stay there once it is answered.
                let waits = self.waiting().is_some();
                if !waits && self.reply().trim().is_empty() && !reply.trim().is_empty() {
                    self.parts.push(Part::Text(reply));
                }
                self.finish();
            }
            ChatEvent::Error { error } => self.break_off(Fault::from(&error)),
        }
    }

    /// The stream has ended. It should have said so before; where it did not, the connection was lost.
    pub fn ended(&mut self, lost: &str) {
        if self.is_running() {
            self.break_off(Fault {
                message: lost.to_owned(),
                request_id: None,
            });
        }
    }

    /// Breaks the turn off; what was said stays.
    pub fn break_off(&mut self, fault: Fault) {
        self.fail_running_calls();
        self.state = TurnState::Broken(fault);
    }

    /// The customer stopped the turn; what was said stays.
    pub fn stop(&mut self) {
        self.fail_running_calls();
        self.state = TurnState::Stopped;
    }

    /// The customer has paid or confirmed: the suspended call goes on.
    pub fn respond(&mut self) {
        for call in self.calls_mut().filter(|call| call.step.is_waiting()) {
            call.step = ToolStep::Responded;
        }
        self.state = TurnState::Answering;
    }

    /// The customer has said no.
    pub fn deny(&mut self) {
        for call in self.calls_mut().filter(|call| call.step.is_waiting()) {
            call.step = ToolStep::Denied;
        }
        if self.state == TurnState::Suspended {
            self.state = TurnState::Done;
        }
    }

    /// The call that waits for the customer.
    pub fn waiting(&self) -> Option<&ToolCall> {
        self.calls().find(|call| call.step.is_waiting())
    }

    /// Remembers which payment belongs to the call that waits for one.
    pub fn attach_card(&mut self, card: u64) {
        let mut waiting = self.calls_mut().filter(|call| call.step.is_waiting());
        if let Some(call) = waiting.next() {
            call.card = Some(card);
        }
    }

    /// The page that knew the payment of the last call is gone: the two are tied together again.
    pub fn tie_to(&mut self, card: u64) {
        if let Some(call) = self.calls_mut().last() {
            call.card = Some(card);
        }
    }

    /// The paid call is sent, perhaps once more after a lost connection: what came after it comes anew.
    pub fn begin_again(&mut self) {
        let is_paid = |part: &Part| matches!(part, Part::Tool(call) if call.card.is_some());
        if let Some(position) = self.parts.iter().rposition(is_paid) {
            self.parts.truncate(position + 1);
            if let Some(Part::Tool(call)) = self.parts.last_mut() {
                call.step = ToolStep::Responded;
            }
        }
        self.state = TurnState::Answering;
    }

    /// What became of the payment is not known: the turn waits, and nothing in it is done or offered meanwhile.
    pub fn hold(&mut self) {
        self.state = TurnState::Suspended;
    }

    fn say(&mut self, text: &str) {
        if let Some(Part::Text(last)) = self.parts.last_mut() {
            last.push_str(text);
        } else {
            self.parts.push(Part::Text(text.to_owned()));
        }
    }

    fn finish(&mut self) {
        self.state = if self.waiting().is_some() {
            TurnState::Suspended
        } else {
            self.fail_running_calls();
            TurnState::Done
        };
    }

    fn fail_running_calls(&mut self) {
        for call in self.calls_mut() {
            if matches!(call.step, ToolStep::Running | ToolStep::Responded) {
                call.step = ToolStep::Failed;
            }
        }
    }

    fn call(&mut self, id: &str, tool: &str) -> &mut ToolCall {
        let known = self
            .parts
            .iter()
            .position(|part| matches!(part, Part::Tool(call) if call.id == id));
        let position = known.unwrap_or_else(|| {
            self.parts
                .push(Part::Tool(Box::new(ToolCall::new(id, tool))));
            self.parts.len() - 1
        });
        match &mut self.parts[position] {
            Part::Tool(call) => call,
            Part::Text(_) => unreachable!("the position is that of a call"),
        }
    }
}

impl ToolCall {
    fn new(id: &str, tool: &str) -> Self {
        Self {
            id: id.to_owned(),
            tool: tool.to_owned(),
            title: String::new(),
            arguments: Value::Null,
            step: ToolStep::Running,
            summary: String::new(),
            result: Value::Null,
            receipt: None,
            duration_ms: None,
            card: None,
        }
    }

    fn describe(&mut self, summary: &str) {
        if self.title.is_empty() {
            summary.clone_into(&mut self.title);
        }
    }

    /// A call that the customer said no to is told to the model as failed; for the customer it stays denied.
    fn finish(&mut self, ok: bool) {
        self.step = match (ok, &self.step) {
            (true, _) => ToolStep::Completed,
            (false, ToolStep::Denied) => ToolStep::Denied,
            (false, _) => ToolStep::Failed,
        };
    }
}

impl ToolStep {
    /// Whether the customer has to do something.
    pub fn is_waiting(&self) -> bool {
        matches!(
            self,
            Self::AwaitingPayment { .. } | Self::AwaitingConfirmation { .. }
        )
    }
}

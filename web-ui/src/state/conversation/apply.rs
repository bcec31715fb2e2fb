//! How events change a turn.

use api_types::ChatEvent;
use serde_json::Value;

use super::{AnswerPart, ToolCall, ToolStep, Turn, TurnError, TurnState};

impl Turn {
    /// Applies an event. A call whose start was missed is shown from what the event says.
    pub fn apply(&mut self, event: ChatEvent) {
        match event {
            ChatEvent::Token { text } => {
                self.state = TurnState::Answering;
                self.push_text(&text);
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
                // A paid call starts again. It stays marked as approved.
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
                // An agent that sends no tokens sends its text here. While the turn waits, the text
                // repeats what the card asks and would stay after the customer has answered.
                let waits = self.waiting().is_some();
                if !waits && self.reply().trim().is_empty() && !reply.trim().is_empty() {
                    self.parts.push(AnswerPart::Text(reply));
                }
                self.finish();
            }
            ChatEvent::Error { error } => self.fail(TurnError::from(&error)),
        }
    }

    /// The stream has ended. Without a final event before, the connection was lost.
    pub fn on_stream_end(&mut self, lost: &str) {
        if self.is_running() {
            self.fail(TurnError {
                message: lost.to_owned(),
                request_id: None,
            });
        }
    }

    /// The turn has failed. The parts of its answer stay.
    pub fn fail(&mut self, error: TurnError) {
        self.fail_running_calls();
        self.state = TurnState::Broken(error);
    }

    /// The customer stopped the turn. The parts of its answer stay.
    pub fn stop(&mut self) {
        self.fail_running_calls();
        self.state = TurnState::Stopped;
    }

    /// The customer has paid or confirmed: the suspended call is resumed.
    pub fn respond(&mut self) {
        for call in self.calls_mut().filter(|call| call.step.is_waiting()) {
            call.step = ToolStep::Responded;
        }
        self.state = TurnState::Answering;
    }

    /// The customer has declined the suspended call.
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

    /// Sets the pay card of the call that waits for a payment.
    pub fn attach_card(&mut self, card: u64) {
        let mut waiting = self.calls_mut().filter(|call| call.step.is_waiting());
        if let Some(call) = waiting.next() {
            call.card = Some(card);
        }
    }

    /// Sets the pay card of the last call, after a reload.
    pub fn attach_card_to_last(&mut self, card: u64) {
        if let Some(call) = self.calls_mut().last() {
            call.card = Some(card);
        }
    }

    /// The paid call is sent, perhaps once more after a lost connection. The parts after it are
    /// removed and come again.
    pub fn restart_paid_call(&mut self) {
        let is_paid =
            |part: &AnswerPart| matches!(part, AnswerPart::Tool(call) if call.card.is_some());
        if let Some(position) = self.parts.iter().rposition(is_paid) {
            self.parts.truncate(position + 1);
            if let Some(AnswerPart::Tool(call)) = self.parts.last_mut() {
                call.step = ToolStep::Responded;
            }
        }
        self.state = TurnState::Answering;
    }

    /// The outcome of the payment is not known: the turn waits, and offers nothing meanwhile.
    pub fn put_on_hold(&mut self) {
        self.state = TurnState::Suspended;
    }

    fn push_text(&mut self, text: &str) {
        if let Some(AnswerPart::Text(last)) = self.parts.last_mut() {
            last.push_str(text);
        } else {
            self.parts.push(AnswerPart::Text(text.to_owned()));
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
            .position(|part| matches!(part, AnswerPart::Tool(call) if call.id == id));
        let position = known.unwrap_or_else(|| {
            self.parts
                .push(AnswerPart::Tool(Box::new(ToolCall::new(id, tool))));
            self.parts.len() - 1
        });
        match &mut self.parts[position] {
            AnswerPart::Tool(call) => call,
            AnswerPart::Text(_) => unreachable!("the position is that of a call"),
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

    /// A call that the customer declined is reported to the model as failed. For the customer it
    /// stays declined.
    fn finish(&mut self, ok: bool) {
        self.step = match (ok, &self.step) {
            (true, _) => ToolStep::Completed,
            (false, ToolStep::Denied) => ToolStep::Denied,
            (false, _) => ToolStep::Failed,
        };
    }
}

impl ToolStep {
    /// Whether it waits for the customer.
    pub fn is_waiting(&self) -> bool {
        matches!(
            self,
            Self::AwaitingPayment { .. } | Self::AwaitingConfirmation { .. }
        )
    }
}

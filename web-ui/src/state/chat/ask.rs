//! The agent's turns: asking, retrying, stopping, and answering its questions.

use api_types::{ChatEvent, ChatRequest};
use leptos::{prelude::*, task::spawn_local};

use super::{Chat, TurnCell};
use crate::{
    http::{AbortHandle, RequestError},
    state::conversation::{Turn, TurnError, history},
    text,
};

impl Chat {
    /// Sends a message to the agent. A call that still waits for the customer is declined by that.
    pub(crate) fn ask(self, message: String) {
        let message = message.trim().to_owned();
        if message.is_empty() || self.running.get_untracked() {
            return;
        }
        self.decline_waiting_call();
        let id = self
            .turns
            .with_untracked(|turns| turns.last().map_or(0, |last| last.id + 1));
        let cell = TurnCell {
            id,
            turn: ArcRwSignal::new(Turn::new(id, message.clone())),
        };
        self.turns.update(|turns| turns.push(cell.clone()));
        self.save();
        let request = ChatRequest {
            message,
            ..self.request(id)
        };
        cell.turn
            .update(|turn| turn.asked_by.clone_from(&request.wallet));
        self.run(cell, request);
    }

    /// Asks the last question again and replaces its answer.
    pub fn retry(self, cell: &TurnCell) {
        if self.running.get_untracked() {
            return;
        }
        let question = cell.turn.with_untracked(|turn| turn.question.clone());
        cell.turn.set(Turn::new(cell.id, question.clone()));
        let request = ChatRequest {
            message: question,
            ..self.request(cell.id)
        };
        cell.turn
            .update(|turn| turn.asked_by.clone_from(&request.wallet));
        self.run(cell.clone(), request);
    }

    /// Stops the answer. The parts that have come stay.
    pub fn stop(self) {
        let abort = self.abort.try_update_value(Option::take).flatten();
        match abort {
            Some(abort) => abort.abort(),
            None => self.engine.pay.stop_turn(&self.id.get_untracked()),
        }
    }

    /// Confirms the suspended call.
    pub fn confirm(self, cell: &TurnCell, pending: String) {
        cell.turn.update(Turn::respond);
        let request = ChatRequest {
            pending: Some(pending),
            confirm: true,
            ..self.request(cell.id)
        };
        self.run(cell.clone(), request);
    }

    /// Declines the suspended call, and tells the agent.
    pub fn deny(self, cell: &TurnCell, pending: String) {
        cell.turn.update(Turn::deny);
        let request = ChatRequest {
            pending: Some(pending),
            cancel: Some(text::chat::CANCEL_REASON.to_owned()),
            // The agent accepts it from the account that asked, which may not be connected any
            // more.
            wallet: cell.turn.with_untracked(|turn| turn.asked_by.clone()),
            ..self.request(cell.id)
        };
        self.run(cell.clone(), request);
    }

    fn run(self, cell: TurnCell, request: ChatRequest) {
        let abort = AbortHandle::new();
        self.abort.set_value(Some(abort.clone()));
        self.running.set(true);
        let conversation = self.id.get_untracked();
        spawn_local(async move {
            let changed = cell.clone();
            let on_event = move |event| self.apply(&changed, event);
            let outcome = self.engine.agent.chat(&request, &abort, on_event).await;
            cell.turn.update(|turn| end_turn(turn, outcome));
            if self.id.with_untracked(|current| *current == conversation) {
                self.abort.set_value(None);
                self.running.set(false);
                self.save();
            }
        });
    }

    pub(super) fn apply(self, cell: &TurnCell, event: ChatEvent) {
        let payment = match &event {
            ChatEvent::PaymentRequired {
                request, pending, ..
            } => Some((request.clone(), pending.clone())),
            _ => None,
        };
        cell.turn.update(|turn| turn.apply(event));
        if let Some((request, pending)) = payment {
            let card = self.start_card(cell, *request, pending, true);
            cell.turn.update(|turn| turn.attach_card(card));
            self.save();
        }
    }

    /// A request with everything but its message: the earlier turns, the session and the wallet.
    pub(super) fn request(self, turn: u64) -> ChatRequest {
        let before: Vec<Turn> = self.turns.with_untracked(|turns| {
            let earlier = turns.iter().filter(|cell| cell.id < turn);
            earlier.map(|cell| cell.turn.get_untracked()).collect()
        });
        let account = self.engine.wallet.account().get_untracked();
        ChatRequest {
            history: history(before.iter()),
            session: self.engine.session.token_untracked(),
            wallet: account.map(|account| account.address),
            ..ChatRequest::default()
        }
    }

    fn decline_waiting_call(self) {
        let last = self.turns.with_untracked(|turns| turns.last().cloned());
        let Some(cell) = last else { return };
        let waiting = cell
            .turn
            .with_untracked(|turn| turn.waiting().map(|call| call.card));
        if let Some(card) = waiting {
            if let Some(card) = card {
                self.engine.pay.cancel(card);
            }
            cell.turn.update(Turn::deny);
        }
    }
}

/// Ends a turn with the outcome of its stream.
pub(super) fn end_turn(turn: &mut Turn, outcome: Result<(), RequestError>) {
    match outcome {
        Ok(()) => turn.on_stream_end(text::chat::CUT_OFF),
        Err(RequestError::Aborted) => turn.stop(),
        Err(error) => turn.fail(turn_error(&error)),
    }
}

fn turn_error(error: &RequestError) -> TurnError {
    match error {
        RequestError::Refused { error, .. } => TurnError::from(&**error),
        other => TurnError {
            message: other.to_string(),
            request_id: None,
        },
    }
}

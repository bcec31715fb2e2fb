//! The agent's turns: asking, asking again, stopping, and answering its questions.

use api_types::{ChatEvent, ChatRequest};
use leptos::{prelude::*, task::spawn_local};

use super::{Chat, TurnCell};
use crate::{
    api::{Abort, ApiError},
    state::conversation::{Fault, Turn, history},
    text,
};

impl Chat {
    /// Says something. A call that still waits for the customer is given up by that.
    pub(super) fn ask(self, message: String) {
        let message = message.trim().to_owned();
        if message.is_empty() || self.running.get_untracked() {
            return;
        }
        self.give_up_waiting();
        let id = self
            .turns
            .with_untracked(|turns| turns.last().map_or(0, |last| last.id + 1));
        let cell = TurnCell {
            id,
            turn: ArcRwSignal::new(Turn::asked(id, message.clone())),
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

    /// Asks the last question again, in place of the answer that broke off.
    pub fn retry(self, cell: &TurnCell) {
        if self.running.get_untracked() {
            return;
        }
        let question = cell.turn.with_untracked(|turn| turn.question.clone());
        cell.turn.set(Turn::asked(cell.id, question.clone()));
        let request = ChatRequest {
            message: question,
            ..self.request(cell.id)
        };
        cell.turn
            .update(|turn| turn.asked_by.clone_from(&request.wallet));
        self.run(cell.clone(), request);
    }

    /// Stops the answer; what was said stays.
    pub fn stop(self) {
        let abort = self.abort.try_update_value(Option::take).flatten();
        match abort {
            Some(abort) => abort.abort(),
            None => self.engine.pay.stop_turn(&self.id.get_untracked()),
        }
    }

    /// Says yes to the call that waits for it.
    pub fn confirm(self, cell: &TurnCell, pending: String) {
        cell.turn.update(Turn::respond);
        let request = ChatRequest {
            pending: Some(pending),
            confirm: true,
            ..self.request(cell.id)
        };
        self.run(cell.clone(), request);
    }

    /// Says no to the call that waits, and lets the agent know.
    pub fn deny(self, cell: &TurnCell, pending: String) {
        cell.turn.update(Turn::deny);
        let request = ChatRequest {
            pending: Some(pending),
            cancel: Some(text::chat::CANCEL_REASON.to_owned()),
            // A no is taken from whoever asked, whatever account is connected by now.
            wallet: cell.turn.with_untracked(|turn| turn.asked_by.clone()),
            ..self.request(cell.id)
        };
        self.run(cell.clone(), request);
    }

    fn run(self, cell: TurnCell, request: ChatRequest) {
        let abort = Abort::new();
        self.abort.set_value(Some(abort.clone()));
        self.running.set(true);
        let conversation = self.id.get_untracked();
        spawn_local(async move {
            let taking = cell.clone();
            let take = move |event| self.take(&taking, event);
            let outcome = self.engine.agent.chat(&request, &abort, take).await;
            cell.turn.update(|turn| end(turn, outcome));
            if self.id.with_untracked(|current| *current == conversation) {
                self.abort.set_value(None);
                self.running.set(false);
                self.save();
            }
        });
    }

    pub(super) fn take(self, cell: &TurnCell, event: ChatEvent) {
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

    /// A request with everything but its message: what was said before the turn, who asks, and for which wallet.
    pub(super) fn request(self, turn: u64) -> ChatRequest {
        let before: Vec<Turn> = self.turns.with_untracked(|turns| {
            let earlier = turns.iter().filter(|cell| cell.id < turn);
            earlier.map(|cell| cell.turn.get_untracked()).collect()
        });
        let account = self.engine.wallet.account().get_untracked();
        ChatRequest {
            history: history(before.iter()),
            session: self.engine.session.token().get_untracked(),
            wallet: account.map(|account| account.address),
            ..ChatRequest::default()
        }
    }

    fn give_up_waiting(self) {
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

/// What the end of a stream means for its turn.
pub(super) fn end(turn: &mut Turn, outcome: Result<(), ApiError>) {
    match outcome {
        Ok(()) => turn.ended(text::chat::CUT_OFF),
        Err(ApiError::Aborted) => turn.stop(),
        Err(error) => turn.break_off(fault(&error)),
    }
}

fn fault(error: &ApiError) -> Fault {
    match error {
        ApiError::Refused { error, .. } => Fault::from(&**error),
        other => Fault {
            message: other.to_string(),
            request_id: None,
        },
    }
}

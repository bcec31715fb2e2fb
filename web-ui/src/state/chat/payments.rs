//! Calls that cost money: each gets a pay card, and its turn goes on once that is paid.

use api_types::PaymentRequest;
use leptos::prelude::*;

use super::{Chat, TurnCell, ask::end_turn};
use crate::{
    pay::{CardId, SuspendedPurchase, TurnUpdate},
    state::conversation::{ToolStep, Turn},
};

impl Chat {
    /// Makes a new pay card for a call that still waits for its payment after a reload.
    pub fn offer_again(self, cell: &TurnCell) {
        let waiting = cell
            .turn
            .with_untracked(|turn| match &turn.waiting()?.step {
                ToolStep::AwaitingPayment { request, pending } => {
                    Some((request.clone(), pending.clone()))
                }
                _ => None,
            });
        if let Some((request, pending)) = waiting {
            let card = self.start_card(cell, *request, pending, false);
            cell.turn.update(|turn| turn.attach_card(card));
        }
    }

    /// Applies what happens in a turn that goes on after its payment. Its conversation may not be
    /// on the screen any more.
    pub(crate) fn take_payment_news(self, conversation: &str, news: TurnUpdate) {
        if self.id.with_untracked(|current| current == conversation) {
            let last = self.turns.with_untracked(|turns| turns.last().cloned());
            if let Some(cell) = last {
                let over = matches!(news, TurnUpdate::Ended(_) | TurnUpdate::OnHold);
                self.running.set(!over);
                match news {
                    TurnUpdate::Event(event) => self.apply(&cell, *event),
                    news => cell.turn.update(|turn| apply_update(turn, news)),
                }
                if over {
                    self.save();
                }
            }
            return;
        }
        let over = matches!(news, TurnUpdate::Ended(_) | TurnUpdate::OnHold);
        self.stored.update(|history| {
            let mut all = history.conversations.iter_mut();
            if let Some(found) = all.find(|one| one.id == conversation)
                && let Some(turn) = found.turns.last_mut()
            {
                apply_update(turn, news);
            }
        });
        if over {
            self.store();
        }
    }

    /// Asks the agent for a new offer in place of one that can no longer be paid. If another call
    /// of the turn is paid already, only the waiting call is asked for again.
    pub fn ask_again(self, cell: &TurnCell) {
        let (waiting, paid) = cell.turn.with_untracked(|turn| {
            let waiting = turn.waiting().map(|call| (call.card, call.title.clone()));
            (waiting, turn.calls().any(|call| call.receipt.is_some()))
        });
        let Some((card, title)) = waiting else { return };
        if let Some(card) = card {
            self.engine.pay.cancel(card);
        }
        if paid {
            self.ask(title);
        } else {
            self.retry(cell);
        }
    }

    pub(super) fn start_card(
        self,
        cell: &TurnCell,
        request: PaymentRequest,
        pending: String,
        fresh: bool,
    ) -> CardId {
        let history = self.request(cell.id).history;
        let conversation = self.id.get_untracked();
        let (replaces, made_for) = cell.turn.with_untracked(|turn| {
            let replaced = turn.waiting().and_then(|call| call.card);
            (replaced, turn.asked_by.clone())
        });
        self.engine.pay.start_agent(SuspendedPurchase {
            conversation,
            request,
            pending,
            history,
            replaces,
            made_for,
            fresh,
        })
    }
}

/// Applies an update to a turn that goes on after its payment.
fn apply_update(turn: &mut Turn, news: TurnUpdate) {
    match news {
        TurnUpdate::Started => turn.restart_paid_call(),
        TurnUpdate::Event(event) => turn.apply(*event),
        TurnUpdate::OnHold => turn.put_on_hold(),
        TurnUpdate::Ended(outcome) => end_turn(turn, outcome),
    }
}

//! Calls that cost money: each gets a card, and its turn goes on once that is paid.

use api_types::PaymentRequest;
use leptos::prelude::*;

use super::{Chat, TurnCell, ask::end};
use crate::{
    pay::{CardId, Suspended, TurnNews},
    state::conversation::{ToolStep, Turn},
};

impl Chat {
    /// Makes the payment of a call that still waits again, where the page that knew it is gone.
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

    /// News of a turn that goes on after its payment; the conversation may have left the screen since.
    pub(super) fn take_paid(self, conversation: &str, news: TurnNews) {
        if self.id.with_untracked(|current| current == conversation) {
            let last = self.turns.with_untracked(|turns| turns.last().cloned());
            if let Some(cell) = last {
                let over = matches!(news, TurnNews::End(_) | TurnNews::Hold);
                self.running.set(!over);
                match news {
                    TurnNews::Event(event) => self.take(&cell, *event),
                    news => cell.turn.update(|turn| hear(turn, news)),
                }
                if over {
                    self.save();
                }
            }
            return;
        }
        let over = matches!(news, TurnNews::End(_) | TurnNews::Hold);
        self.kept.update(|kept| {
            let mut all = kept.conversations.iter_mut();
            if let Some(known) = all.find(|known| known.id == conversation)
                && let Some(turn) = known.turns.last_mut()
            {
                hear(turn, news);
            }
        });
        if over {
            self.store();
        }
    }

    /// Asks for another offer in place of one that can no longer be taken. Where something else in the turn is paid already, only
    /// the call that waits is asked for again.
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
        let (before, made_for) = cell.turn.with_untracked(|turn| {
            let before = turn.waiting().and_then(|call| call.card);
            (before, turn.asked_by.clone())
        });
        self.engine.pay.start_agent(Suspended {
            conversation,
            request,
            pending,
            history,
            before,
            made_for,
            fresh,
        })
    }
}

/// A turn that goes on after its payment.
fn hear(turn: &mut Turn, news: TurnNews) {
    match news {
        TurnNews::Begin => turn.begin_again(),
        TurnNews::Event(event) => turn.apply(*event),
        TurnNews::Hold => turn.hold(),
        TurnNews::End(outcome) => end(turn, outcome),
    }
}

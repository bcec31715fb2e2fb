//! The money of the simulated world: when it moves, and what the facilitator and the chain report.

use super::super::*;
use super::{transfer, world::World};

impl World {
    /// The facilitator moves the money or not, and may report anything; without a chain its
    /// refusals are true.
    pub(super) fn settle(&mut self, first: bool) -> SettlementResult {
        let can_move = !self.truth.moved && !self.truth.is_over;
        if first && self.fails(8) {
            return SettlementResult::Unsent("no connection".into());
        }
        self.truth.asked = true;
        if can_move && (self.truth.calm || self.below(3) > 0) {
            self.truth.moved = true;
        }
        let truthful = self.truth.calm || !self.one_in(3);
        match (self.truth.moved, truthful) {
            (true, true) => SettlementResult::Settled(transfer()),
            (false, true) => SettlementResult::Refused("insufficient_funds".into()),
            (true, false) if self.terms.has_chain && self.one_in(2) => {
                SettlementResult::Refused("nonce_used".into())
            }
            (_, false) => SettlementResult::Unknown(None),
        }
    }

    pub(super) fn chain(&mut self) -> Option<Evidence> {
        if self.fails(4) {
            return None;
        }
        Some(match (self.truth.moved, self.truth.is_over) {
            (true, _) if self.fails(4) => Evidence::NotFound,
            (true, _) => Evidence::Moved(transfer()),
            (false, true) => Evidence::Expired,
            (false, false) => Evidence::Unspent,
        })
    }

    /// A third party sends an authorization that the facilitator had, while it is valid.
    pub fn third_party_settles(&mut self) {
        let state = self.truth.state;
        if self.terms.has_chain
            && self.truth.asked
            && !self.truth.is_over
            && state != Some(Released)
        {
            self.truth.moved = true;
            self.log.push("a third party sends it".into());
        }
    }

    /// The look at refusals after their window.
    pub fn recheck(&mut self) {
        if self.truth.state == Some(Refused) && self.terms.has_chain && self.truth.is_over {
            let evidence = self.chain();
            if evidence.is_some() {
                self.run(PaymentEvent::ChainAnswered(evidence, self.window()));
            }
        }
    }

    /// The operator finds out what the facilitator and the chain did not report.
    pub fn decide(&mut self) {
        if self.truth.state == Some(Unresolved) {
            let verdict = match self.truth.moved {
                true => OperatorDecision::Moved(transfer()),
                false => OperatorDecision::NotMoved("looked for".into()),
            };
            self.run(PaymentEvent::Decided(verdict));
        }
    }
}

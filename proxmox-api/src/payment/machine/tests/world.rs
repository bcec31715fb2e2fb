//! A world around one payment: what is stored, what the chain has, what was done. Everything but the truth can fail.

use proptest::{prelude::Rng as _, test_runner::TestRng};

use super::super::*;
use super::transfer;
use crate::payment::moves::Answer;

/// What the row and the machines of the world say, which a crash leaves as it is.
#[derive(Debug, Clone, Default)]
pub struct Truth {
    /// The state that is stored; none before the row is there.
    pub state: Option<PaymentState>,
    /// The money moved.
    pub moved: bool,
    /// The facilitator was asked to settle.
    pub asked: bool,
    /// Something was prepared and is there.
    pub prepared: bool,
    /// The answer of a delivery is stored.
    pub delivered: bool,
    /// A debt is stored.
    pub owed: Option<DebtReason>,
    /// How often it was done.
    pub runs: u32,
    /// The right to do it once is taken.
    pub begun: bool,
    /// Where the authorization's window is.
    pub is_over: bool,
    /// Nothing fails any more.
    pub calm: bool,
}

/// One world.
pub struct World {
    pub truth: Truth,
    pub terms: Terms,
    /// Whether something is prepared before it is settled for.
    pub prepares: bool,
    rng: TestRng,
    /// What happened, for the report of a failure.
    pub log: Vec<String>,
}

impl World {
    pub fn new(terms: Terms, prepares: bool, rng: TestRng) -> Self {
        Self {
            truth: Truth::default(),
            terms,
            prepares,
            rng,
            log: Vec::new(),
        }
    }

    /// True one time in `n`, and never once the world is calm.
    pub fn fails(&mut self, n: u32) -> bool {
        !self.truth.calm && self.one_in(n)
    }

    pub fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }

    pub fn below(&mut self, n: u32) -> u32 {
        self.rng.next_u32() % n
    }

    fn window(&self) -> Window {
        Window {
            is_over: self.truth.is_over,
            is_long_over: self.truth.is_over && self.truth.calm,
        }
    }

    /// Runs the machine on an event until nothing is left, or a crash.
    pub fn run(&mut self, first: Event) {
        let Some(mut state) = self.truth.state else {
            return;
        };
        let mut event = Some(first);
        while let Some(happened) = event.take() {
            self.log.push(format!("{state:?} + {happened:?}"));
            for effect in step(self.terms, state, happened) {
                if self.fails(12) {
                    self.log.push(format!("crash before {effect:?}"));
                    return;
                }
                self.log.push(format!("  {effect:?}"));
                event = self.perform(effect, &mut state);
                if event.is_some() {
                    break;
                }
            }
        }
    }

    fn perform(&mut self, effect: Effect, state: &mut PaymentState) -> Option<Event> {
        match effect {
            Effect::Verify => Some(match self.fails(6) {
                true => Event::NotVerified("invalid".into()),
                false => Event::Verified,
            }),
            Effect::Admit => Some(self.admit(state)),
            Effect::Prepare => {
                self.truth.prepared = self.prepares;
                Some(match self.fails(6) {
                    true => Event::NotPrepared("failed".into()),
                    false => Event::Prepared,
                })
            }
            Effect::Store(target) => self.store(target, None, state),
            Effect::SettleFirst => Some(Event::FirstSettlement(self.settle(true))),
            Effect::SettleAgain => {
                let word = self.settle(false);
                Some(Event::LaterSettlement(word, self.window()))
            }
            Effect::AskChainAfterRefusal(reason) => {
                let evidence = self.chain();
                Some(Event::ChainAfterRefusal { reason, evidence })
            }
            Effect::AskChain => Some(Event::Chain(self.chain(), self.window())),
            Effect::Deliver => Some(self.deliver(*state)),
            Effect::Undo => {
                self.undo();
                None
            }
            Effect::Owe(reason) => {
                let body = "owed".to_owned();
                let answer = Answer { status: 409, body };
                self.store(Target::Answered(answer), Some(reason), state)
            }
            // The sweep looks at what is open in any case.
            Effect::Hold | Effect::Follow => None,
        }
    }

    fn admit(&mut self, state: &mut PaymentState) -> Event {
        if self.fails(6) {
            return Event::NotAdmitted("full".into());
        }
        if self.prepares {
            self.truth.state = Some(Verified);
            *state = Verified;
        }
        Event::Admitted
    }

    fn store(
        &mut self,
        target: Target,
        debt: Option<DebtReason>,
        state: &mut PaymentState,
    ) -> Option<Event> {
        let to = target.state();
        assert!(
            state.may_become(to),
            "the table forbids {state:?} to {to:?}"
        );
        let stored = self.truth.state.expect("the row is there");
        if stored != *state {
            *state = stored;
            return Some(Event::Overtaken(stored));
        }
        let fails = self.fails(10);
        let perhaps = fails && self.one_in(2);
        if !fails || (perhaps && self.one_in(2)) {
            self.truth.state = Some(to);
            match debt {
                Some(_) => {
                    assert_eq!(self.truth.owed, None, "owed twice");
                    self.truth.owed = debt;
                }
                None if to == Answered => {
                    assert!(!self.truth.delivered, "delivered twice");
                    self.truth.delivered = true;
                }
                None => {}
            }
        }
        if fails {
            return Some(Event::NotStored { to, perhaps });
        }
        *state = to;
        None
    }

    /// The facilitator moves the money or not, and says what it likes; where no chain can be asked, its refusals are true.
    fn settle(&mut self, first: bool) -> Word {
        let asked_before = std::mem::replace(&mut self.truth.asked, true);
        let can_move = !self.truth.moved && !self.truth.is_over;
        if first && !asked_before && self.fails(8) {
            self.truth.asked = false;
            return Word::Unsent("no connection".into());
        }
        if can_move && (self.truth.calm || self.below(3) > 0) {
            self.truth.moved = true;
        }
        let truthful = self.truth.calm || !self.one_in(3);
        match (self.truth.moved, truthful) {
            (true, true) => Word::Settled(transfer()),
            (false, true) => Word::Refused("insufficient_funds".into()),
            (true, false) if self.terms.has_chain && self.one_in(2) => {
                Word::Refused("nonce_used".into())
            }
            (_, false) => Word::Unknown(None),
        }
    }

    fn chain(&mut self) -> Option<Evidence> {
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

    fn deliver(&mut self, state: PaymentState) -> Event {
        assert_eq!(state, Settled, "nothing is delivered that is not paid");
        let once = self.terms.repeat == Repeat::Once;
        let failed = |for_good, begun| Event::NotDelivered {
            for_good,
            begun,
            late: false,
        };
        if self.prepares && !self.truth.prepared {
            return failed(true, false);
        }
        if self.fails(10) {
            return failed(self.one_in(3), self.truth.begun);
        }
        if once {
            assert!(!self.truth.begun, "begun twice");
            self.truth.begun = true;
        }
        self.truth.runs += 1;
        if self.fails(6) {
            return failed(false, self.truth.begun);
        }
        Event::Delivered(Answer {
            status: 200,
            body: "done".into(),
        })
    }

    /// What was prepared is taken back, which nobody may do while it may be paid for.
    fn undo(&mut self) {
        let state = self.truth.state.expect("the row is there");
        assert!(
            !state.is_open() && state != Settled && !self.truth.delivered,
            "undone while {state:?}"
        );
        self.truth.prepared = false;
    }

    /// Someone sends an authorization that the facilitator was given, while it is good.
    pub fn somebody_settles(&mut self) {
        let state = self.truth.state;
        if self.terms.has_chain
            && self.truth.asked
            && !self.truth.is_over
            && state != Some(Released)
        {
            self.truth.moved = true;
            self.log.push("somebody sends it".into());
        }
    }

    /// The look at refusals after their window.
    pub fn recheck(&mut self) {
        if self.truth.state == Some(Refused) && self.terms.has_chain && self.truth.is_over {
            let evidence = self.chain();
            if evidence.is_some() {
                self.run(Event::Chain(evidence, self.window()));
            }
        }
    }

    /// The sweep's look at what was prepared for a payment that is over.
    pub fn undo_abandoned(&mut self) {
        let over = matches!(self.truth.state, Some(Released | Refused))
            || self.truth.state == Some(Answered) && self.truth.owed.is_some();
        if over {
            self.truth.prepared = false;
        }
    }
}

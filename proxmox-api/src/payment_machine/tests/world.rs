//! A simulated world around one payment: the row, the chain and the containers. All operations on
//! it can fail.

use std::collections::{BTreeSet, VecDeque};

use proptest::{prelude::Rng as _, test_runner::TestRng};

use super::super::*;
use crate::payment_machine::StoredAnswer;

/// The row, the chain and the containers, which a crash does not change.
#[derive(Debug, Clone, Default)]
pub struct Truth {
    /// The state that is stored; none before the row is there.
    pub state: Option<PaymentState>,
    /// The machine that the row names. Each purchase with the nonce makes one of its own.
    pub machine: u32,
    /// The money moved.
    pub moved: bool,
    /// The facilitator was asked to settle.
    pub asked: bool,
    /// Machines that were made and are there.
    pub machines: BTreeSet<u32>,
    /// The answer of a delivery is stored: of this machine.
    pub delivered: Option<u32>,
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

/// A worker for the payment. It knows of the row what it has read or written itself, which is not
/// the truth any more where it has lost its lock.
struct Worker {
    state: PaymentState,
    event: Option<PaymentEvent>,
    effects: VecDeque<PaymentEffect>,
    /// The customer's own operation, and not one that is resumed from the row.
    is_request: bool,
    machine: u32,
    /// It has taken the right to do it once, with the settlement.
    has_begun: bool,
}

/// One world.
pub struct World {
    pub truth: Truth,
    pub terms: PaymentContext,
    /// Whether something is prepared before it is settled for.
    pub prepares: bool,
    /// Whether workers can lose their lock, and go on when others have begun.
    pub loses_locks: bool,
    /// Those who have lost their lock and go on later.
    paused: Vec<Worker>,
    rng: TestRng,
    /// What happened, for the report of a failure.
    pub log: Vec<String>,
}

impl World {
    pub fn new(terms: PaymentContext, (prepares, loses_locks): (bool, bool), rng: TestRng) -> Self {
        Self {
            truth: Truth::default(),
            terms,
            prepares,
            loses_locks,
            paused: Vec::new(),
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

    pub(super) fn window(&self) -> PaymentWindow {
        PaymentWindow {
            is_over: self.truth.is_over,
            is_long_over: self.truth.is_over && self.truth.calm,
        }
    }

    /// A request comes in with a nonce that is free.
    pub fn request(&mut self) {
        let verified = self.one_in(4);
        // Who is proven by the facilitator alone gets no row while that refuses.
        if !matches!(self.truth.state, None | Some(Released)) || verified && self.truth.moved {
            return;
        }
        self.truth.state = Some(Reserved);
        self.truth.machine += 1;
        self.work(PaymentEvent::Reserved { verified }, true);
    }

    /// The row is looked at, or decided about.
    pub fn run(&mut self, first: PaymentEvent) {
        if self.truth.state.is_some() {
            self.work(first, false);
        }
    }

    fn work(&mut self, first: PaymentEvent, is_request: bool) {
        let worker = Worker {
            state: self.truth.state.expect("the row is there"),
            event: Some(first),
            effects: VecDeque::new(),
            is_request,
            machine: self.truth.machine,
            has_begun: false,
        };
        self.go_on(worker);
    }

    /// One of those who have lost their lock goes on.
    pub fn resume(&mut self) {
        if !self.paused.is_empty() {
            let chosen = self.below(u32::try_from(self.paused.len()).unwrap());
            let worker = self.paused.swap_remove(chosen as usize);
            self.log.push(format!("as if {:?}", worker.state));
            self.go_on(worker);
        }
    }

    /// Those who still work end their work.
    pub fn calm_down(&mut self) {
        while !self.paused.is_empty() {
            self.resume();
        }
        self.truth.calm = true;
    }

    /// Runs the machine until nothing is left, or a crash.
    fn go_on(&mut self, mut worker: Worker) {
        loop {
            if let Some(happened) = worker.event.take() {
                self.log.push(format!("{:?} + {happened:?}", worker.state));
                worker.effects = step(self.terms, worker.state, happened).into();
            }
            let Some(effect) = worker.effects.pop_front() else {
                return;
            };
            if self.fails(12) {
                self.log.push(format!("crash before {effect:?}"));
                return;
            }
            if self.loses_locks && self.paused.len() < 4 && self.fails(8) {
                self.log.push(format!("pause before {effect:?}"));
                worker.effects.push_front(effect);
                self.paused.push(worker);
                return;
            }
            self.log.push(format!("  {effect:?}"));
            worker.event = self.perform(effect, &mut worker);
        }
    }

    fn perform(&mut self, effect: PaymentEffect, worker: &mut Worker) -> Option<PaymentEvent> {
        match effect {
            // A nonce that is used is no good any more.
            PaymentEffect::Verify => Some(match self.truth.moved || self.fails(6) {
                true => PaymentEvent::NotVerified("invalid".into()),
                false => PaymentEvent::Verified,
            }),
            PaymentEffect::Admit => Some(self.admit(worker)),
            PaymentEffect::Prepare => {
                if self.prepares {
                    self.truth.machines.insert(worker.machine);
                }
                Some(match self.fails(6) {
                    true => PaymentEvent::NotPrepared("failed".into()),
                    false => PaymentEvent::Prepared,
                })
            }
            PaymentEffect::Store(target) => self.store(target, None, worker),
            PaymentEffect::SettleFirst => Some(PaymentEvent::FirstSettlement(self.settle(true))),
            PaymentEffect::SettleAgain => {
                let word = self.settle(false);
                Some(PaymentEvent::LaterSettlement(word, self.window()))
            }
            PaymentEffect::AskChainAfterRefusal(reason) => {
                let evidence = self.chain();
                Some(PaymentEvent::ChainAfterRefusal { reason, evidence })
            }
            PaymentEffect::AskChain => {
                Some(PaymentEvent::ChainAnswered(self.chain(), self.window()))
            }
            PaymentEffect::Deliver => Some(self.deliver(worker)),
            PaymentEffect::Undo => {
                self.undo(worker);
                None
            }
            PaymentEffect::Owe(reason) => {
                let body = "owed".to_owned();
                let answer = StoredAnswer { status: 409, body };
                self.store(NewState::Answered(answer), Some(reason), worker)
            }
            // The sweep looks at what is open in any case.
            PaymentEffect::Hold | PaymentEffect::Follow => None,
        }
    }

    fn admit(&mut self, worker: &mut Worker) -> PaymentEvent {
        let fails = self.fails(6);
        // The claim is stored with the payment's transition, or not at all, or its outcome is
        // unknown.
        if self.prepares && self.truth.state == Some(Reserved) && (!fails || self.one_in(3)) {
            self.truth.state = Some(Verified);
            self.truth.machine = worker.machine;
        } else if self.prepares || fails {
            return PaymentEvent::NotAdmitted("full".into());
        }
        if fails {
            return PaymentEvent::NotAdmitted("unavailable".into());
        }
        if self.prepares {
            worker.state = Verified;
        }
        PaymentEvent::Admitted
    }

    fn store(
        &mut self,
        target: NewState,
        debt: Option<DebtReason>,
        worker: &mut Worker,
    ) -> Option<PaymentEvent> {
        let to = target.state();
        assert!(
            worker.state.may_become(to),
            "the table forbids {:?} to {to:?}",
            worker.state
        );
        let stored = self.truth.state.expect("the row is there");
        if stored != worker.state {
            worker.state = stored;
            worker.machine = self.truth.machine;
            let moved = match target {
                NewState::Settled(transfer) => Some(transfer),
                _ => None,
            };
            return Some(PaymentEvent::Overtaken { by: stored, moved });
        }
        let delivers = to == Answered && debt.is_none();
        if delivers && self.prepares && !self.truth.machines.contains(&worker.machine) {
            // Its lease cannot become active any more.
            return Some(not_delivered(true, false));
        }
        let begins = to == Settled
            && worker.effects.front() == Some(&PaymentEffect::Deliver)
            && worker.is_request
            && self.terms.retry == RetryPolicy::Once;
        let fails = self.fails(10);
        let perhaps = fails && self.one_in(2);
        if !fails || (perhaps && self.one_in(2)) {
            self.truth.state = Some(to);
            self.truth.begun |= begins;
            if debt.is_some() {
                assert_eq!(self.truth.owed, None, "owed twice");
                self.truth.owed = debt;
            }
            if delivers {
                assert_eq!(self.truth.delivered, None, "delivered twice");
                self.truth.delivered = Some(worker.machine);
            }
        }
        if fails {
            return Some(PaymentEvent::NotStored { to, perhaps });
        }
        worker.has_begun |= begins;
        worker.state = to;
        None
    }

    fn deliver(&mut self, worker: &Worker) -> PaymentEvent {
        assert_eq!(
            worker.state, Settled,
            "nothing is delivered that is not paid"
        );
        if self.prepares && !self.truth.machines.contains(&worker.machine) {
            return not_delivered(true, false);
        }
        if self.fails(10) {
            return not_delivered(self.one_in(3), self.truth.begun);
        }
        if self.terms.retry == RetryPolicy::Once && !worker.has_begun {
            if self.truth.begun {
                return not_delivered(false, true);
            }
            self.truth.begun = true;
        }
        if self.fails(10) {
            // Surely nothing was done: the right is given back.
            self.truth.begun = false;
            return not_delivered(false, false);
        }
        self.truth.runs += 1;
        if self.fails(6) {
            return not_delivered(false, self.truth.begun);
        }
        PaymentEvent::Performed(StoredAnswer {
            status: 200,
            body: "done".into(),
        })
    }

    /// Undoes the preparation, which must not happen while it may be paid for.
    fn undo(&mut self, worker: &Worker) {
        let state = self.truth.state.expect("the row is there");
        let may_be_paid = state.is_open() || self.truth.delivered.is_some() || state == Settled;
        assert!(self.loses_locks || !may_be_paid, "undone while {state:?}");
        // One that is active is not on its way any more.
        if self.truth.delivered != Some(worker.machine) {
            self.truth.machines.remove(&worker.machine);
        }
    }

    /// Gives up a container whose payment has an unknown outcome, some time after the window.
    pub fn give_up_held(&mut self) {
        if self.truth.is_over && self.truth.state.is_some_and(PaymentState::is_open) {
            self.truth.machines.remove(&self.truth.machine);
            self.log.push("the held container is given up".into());
        }
    }

    /// The sweep's look at what was prepared for a payment that is over, or is another machine's.
    pub fn undo_abandoned(&mut self) {
        let is_over = matches!(self.truth.state, Some(Released | Refused | Answered));
        let (delivered, named) = (self.truth.delivered, self.truth.machine);
        let stays = |one: &u32| Some(*one) == delivered || !is_over && *one == named;
        self.truth.machines.retain(stays);
    }
}

fn not_delivered(for_good: bool, begun: bool) -> PaymentEvent {
    PaymentEvent::NotDelivered {
        for_good,
        begun,
        late: false,
    }
}

//! A purchase as the customer sees it, and the only ways in which it changes. Every change is a method that says whether it
//! took place, so that a second press of a button, or an answer that comes too late, does nothing.

use api_types::{ErrorCode, Price, Timestamp, Usdc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{budget::OverBudget, call::Call, refusal::Refusal};

/// Names a card on this page.
pub type CardId = u64;

/// Who performs the purchase.
#[derive(Clone, Debug, PartialEq)]
pub enum Via {
    /// The page calls the lease API itself.
    Direct(Call),
    /// The agent goes on with a suspended call.
    Agent {
        /// The conversation that it belongs to.
        conversation: String,
        /// The tool's name.
        tool: String,
    },
}

/// What is asked for a purchase: the server's words, never the model's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// How much.
    pub amount: Usdc,
    /// The network's name for people.
    pub network: String,
    /// Its EIP-155 id.
    pub chain_id: u64,
    /// Whether its money is play money.
    pub testnet: bool,
    /// The token's address.
    pub asset: String,
    /// Who is paid.
    pub pay_to: String,
    /// Until when it stands.
    pub valid_until: Timestamp,
}

/// How far the work is that a customer waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done: `creating`, `starting`, `probing`, `settling`, or what a later service says.
    pub step: String,
    /// Steps that are done.
    pub done: u32,
    /// Steps in all.
    pub of: u32,
}

impl Progress {
    /// The steps of a lease, which takes the most of them.
    const STEPS: [&'static str; 4] = ["creating", "starting", "probing", "settling"];

    /// A step that has begun.
    pub fn begun(step: &str) -> Self {
        let of = Self::STEPS.len() as u32;
        let done = Self::STEPS.iter().position(|known| *known == step);
        Self {
            step: step.to_owned(),
            done: done.map_or(0, |done| done as u32),
            of,
        }
    }
}

/// Proof of payment, and what was bought.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    /// The transaction.
    pub transaction: Option<String>,
    /// Where to look at it; absent for play money that is on no chain.
    pub explorer_url: Option<String>,
    /// The network, as the receipt names it.
    pub network: Option<String>,
    /// The answer's body.
    pub result: Value,
}

impl Receipt {
    /// The answer as one of the contract's types.
    pub fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_value(self.result.clone()).ok()
    }
}

/// Money that has moved for something that will not be delivered.
#[derive(Clone, Debug, PartialEq)]
pub struct Owed {
    /// What the service says.
    pub message: String,
    /// The payment, by which the seller finds it.
    pub payment_id: Option<String>,
    /// How much is owed.
    pub amount: Option<Usdc>,
    /// Why, in the service's words.
    pub reason: Option<String>,
}

/// Where a purchase is.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// The price is being asked for.
    Quoting,
    /// The customer decides.
    Offered,
    /// A limit of the customer's own is in the way.
    OverBudget {
        /// The limit.
        cap: Usdc,
        /// Whether it is the session's, not the single payment's.
        session: bool,
    },
    /// The wallet is asked to change to the offer's chain.
    SwitchingChain,
    /// The wallet is on another chain and does not change by itself.
    WrongChain {
        /// The name of the one that is needed.
        wanted: String,
    },
    /// The wallet asks the customer.
    WalletOpen,
    /// The customer said no in the wallet; nothing was signed.
    Declined,
    /// The wallet did not answer in time, or the customer did not want to wait any longer. What it signs later is not sent.
    Unanswered {
        /// Whether it was the time that was up.
        timed_out: bool,
    },
    /// Signed and stored, about to be sent.
    Signed,
    /// Sent; the work is being done.
    Sent {
        /// How far it is, where that is told.
        progress: Option<Progress>,
        /// The number of the attempt, from 1; the signature is the same in each.
        attempt: u32,
    },
    /// Paid and done.
    Settled(Receipt),
    /// Paid, and not delivered by a fault of the service: the same signature gets it without a new charge.
    Undelivered {
        /// What the service says.
        message: String,
        /// The transaction.
        transaction: Option<String>,
    },
    /// Not taken; nothing was charged.
    Refused {
        /// What the service says.
        message: String,
        /// Its code.
        code: Option<ErrorCode>,
        /// Whether the payer has too little.
        too_little: bool,
    },
    /// Nobody knows yet whether the money moved. The same signature is sent again until somebody does.
    Unknown {
        /// What is known.
        message: String,
        /// The number of the attempt.
        attempt: u32,
    },
    /// Paid, and never delivered: the money is owed to the customer.
    Owed(Owed),
    /// It may have moved money, and nobody says so for sure. The signed request is kept until somebody does.
    Doubtful {
        /// What is known.
        message: String,
        /// Whether the signature's window has passed, so that nothing more can be charged with it.
        expired: bool,
    },
    /// Nothing was signed; with an offer, it can be tried again.
    Failed {
        /// Why.
        message: String,
    },
    /// The customer gave it up before signing.
    Cancelled,
}

/// A purchase.
#[derive(Clone, Debug, PartialEq)]
pub struct PayCard {
    /// Its name on this page.
    pub id: CardId,
    /// Who performs it.
    pub via: Via,
    /// One line for people.
    pub summary: String,
    /// What is asked for it, once that is known.
    pub offer: Option<Offer>,
    /// The price with its lines, where the service gives them.
    pub price: Option<Price>,
    /// Whether the customer may choose a credential.
    pub needs_credential: bool,
    /// Whether this replaces an offer whose price has moved.
    pub price_changed: bool,
    /// Why the payment before this one, for the same, was not taken.
    pub refused_before: Option<Refusal>,
    /// The account that it can only be paid from.
    pub made_for: Option<String>,
    /// Whether it is within what the customer lets be paid without a question. It still waits until all of it was on the screen.
    pub by_itself: bool,
    /// Where it is.
    pub phase: Phase,
}

impl PayCard {
    /// A purchase whose price is being asked for.
    pub fn new(id: CardId, via: Via) -> Self {
        Self {
            id,
            via,
            summary: String::new(),
            offer: None,
            price: None,
            needs_credential: false,
            price_changed: false,
            refused_before: None,
            made_for: None,
            by_itself: false,
            phase: Phase::Quoting,
        }
    }

    /// The server's offer has come; the customer's limits decide what the card says.
    pub fn offered(&mut self, offer: Offer, price: Option<Price>, limit: Result<(), OverBudget>) {
        if self.phase == Phase::Quoting {
            // What is still the same price keeps its lines.
            let kept = self.price.take().filter(|old| old.total == offer.amount);
            self.price = price.or(kept);
            self.offer = Some(offer);
            self.phase = Phase::Offered;
            self.limited(limit);
        }
    }

    /// The limits, or what has been spent, have changed.
    pub fn limited(&mut self, limit: Result<(), OverBudget>) {
        if !matches!(self.phase, Phase::Offered | Phase::OverBudget { .. }) {
            return;
        }
        self.phase = match limit {
            Ok(()) => Phase::Offered,
            Err(OverBudget::Payment(cap)) => Phase::OverBudget {
                cap,
                session: false,
            },
            Err(OverBudget::Session(cap)) => Phase::OverBudget { cap, session: true },
        };
    }

    /// Whether the customer can press "pay" now.
    pub fn can_pay(&self) -> bool {
        match self.phase {
            Phase::Offered
            | Phase::Declined
            | Phase::Unanswered { .. }
            | Phase::WrongChain { .. } => true,
            Phase::Failed { .. } => self.offer.is_some(),
            _ => false,
        }
    }

    /// Whether it leaves the customer nothing to decide but the money: no credential to choose, no refusal to answer.
    pub fn may_pay_by_itself(&self) -> bool {
        self.phase == Phase::Offered && !self.needs_credential && self.refused_before.is_none()
    }

    /// Whether it is paid as soon as all of it has been on the screen.
    pub fn waits_to_be_seen(&self) -> bool {
        self.by_itself && self.may_pay_by_itself()
    }

    /// All of it is on the screen. True, once, where it is paid without a question.
    pub fn seen(&mut self) -> bool {
        let pays = self.waits_to_be_seen();
        self.by_itself = false;
        pays
    }

    /// The customer pressed "pay". False where that means nothing now, as with the second of two presses.
    pub fn begin(&mut self) -> bool {
        let begins = self.can_pay();
        if begins {
            self.phase = Phase::WalletOpen;
        }
        begins
    }

    /// The price is asked for once more: the offer has run out, or the payment was not taken. False where that is no answer.
    pub fn ask_again(&mut self) -> bool {
        let asks = self.can_pay()
            || matches!(
                self.phase,
                Phase::OverBudget { .. } | Phase::Refused { .. } | Phase::Failed { .. }
            );
        if asks {
            self.phase = Phase::Quoting;
        }
        asks
    }

    /// Whether it shows a password that nobody will see again.
    pub fn holds_password(&self) -> bool {
        match &self.phase {
            Phase::Settled(receipt) => {
                let password = receipt.result.get("password");
                password.is_some_and(Value::is_string)
            }
            _ => false,
        }
    }

    /// Whether it can still be given up: nothing is signed.
    pub fn can_cancel(&self) -> bool {
        self.can_pay() || matches!(self.phase, Phase::Quoting | Phase::OverBudget { .. })
    }

    /// The customer gave it up. False where it is too late, or over already.
    pub fn cancel(&mut self) -> bool {
        let cancels = self.can_cancel();
        if cancels {
            self.phase = Phase::Cancelled;
        }
        cancels
    }

    /// Whether a signature of this card is on its way, so that no other payment may begin.
    pub fn under_way(&self) -> bool {
        matches!(
            self.phase,
            Phase::SwitchingChain
                | Phase::WalletOpen
                | Phase::Signed
                | Phase::Sent { .. }
                | Phase::Unknown { .. }
        )
    }

    /// Whether a signed payment waits for the customer to look at it again.
    pub fn needs_a_look(&self) -> bool {
        matches!(
            self.phase,
            Phase::Undelivered { .. } | Phase::Doubtful { .. }
        )
    }

    /// Whether nothing more will happen to it by itself or by the customer.
    pub fn is_over(&self) -> bool {
        matches!(
            self.phase,
            Phase::Settled(_)
                | Phase::Refused { .. }
                | Phase::Owed(_)
                | Phase::Failed { .. }
                | Phase::Cancelled
        )
    }

    /// The work has come so far.
    pub fn progressed(&mut self, step: &str) {
        if let Phase::Sent { progress, .. } = &mut self.phase {
            *progress = Some(Progress::begun(step));
        }
    }
}

#[cfg(test)]
mod tests;

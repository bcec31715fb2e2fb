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
    /// Nobody answered until the signature could not be settled any more. The receipts say whether it was.
    Lost {
        /// What is known.
        message: String,
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
            Phase::Offered | Phase::Declined | Phase::WrongChain { .. } => true,
            Phase::Failed { .. } => self.offer.is_some(),
            _ => false,
        }
    }

    /// Whether it leaves the customer nothing to decide but the money: no credential to choose, no refusal to answer.
    pub fn may_pay_by_itself(&self) -> bool {
        self.phase == Phase::Offered && !self.needs_credential && self.refused_before.is_none()
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

    /// Whether nothing more will happen to it by itself or by the customer.
    pub fn is_over(&self) -> bool {
        matches!(
            self.phase,
            Phase::Settled(_)
                | Phase::Refused { .. }
                | Phase::Lost { .. }
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
mod tests {
    use super::*;

    fn card(phase: Phase) -> PayCard {
        PayCard {
            phase,
            ..PayCard::new(1, Via::Direct(Call::List))
        }
    }

    fn offer() -> Offer {
        Offer {
            amount: Usdc(1000),
            network: "Base Sepolia".into(),
            chain_id: 84532,
            testnet: true,
            asset: "0x036C".into(),
            pay_to: "0x7099".into(),
            valid_until: Timestamp(1),
        }
    }

    #[test]
    fn two_presses_open_the_wallet_once() {
        let mut card = card(Phase::Quoting);
        assert!(!card.begin(), "there is nothing to pay yet");
        card.offered(offer(), None, Ok(()));
        assert!(card.begin());
        assert!(!card.begin());
        assert!(!card.cancel(), "the wallet decides now");
        assert_eq!(card.phase, Phase::WalletOpen);
    }

    #[test]
    fn after_a_no_in_the_wallet_it_can_be_paid_or_given_up() {
        let mut declined = card(Phase::Declined);
        assert!(declined.clone().begin());
        assert!(declined.cancel());
        assert_eq!(declined.phase, Phase::Cancelled);
        assert!(!declined.begin(), "what was given up stays so");
    }

    #[test]
    fn a_limit_bars_the_wallet_until_it_is_raised() {
        let mut card = card(Phase::Quoting);
        card.offered(offer(), None, Err(OverBudget::Session(Usdc(5))));
        assert_eq!(
            card.phase,
            Phase::OverBudget {
                cap: Usdc(5),
                session: true
            }
        );
        assert!(!card.begin());
        card.limited(Ok(()));
        assert!(card.begin());
        card.limited(Err(OverBudget::Payment(Usdc(5))));
        assert_eq!(card.phase, Phase::WalletOpen, "what is begun is not undone");
    }

    #[test]
    fn progress_counts_the_known_steps_and_shows_the_unknown() {
        let mut card = card(Phase::Sent {
            progress: None,
            attempt: 1,
        });
        card.progressed("probing");
        let Phase::Sent { progress, .. } = &card.phase else {
            unreachable!()
        };
        assert_eq!(
            progress.clone(),
            Some(Progress {
                step: "probing".into(),
                done: 2,
                of: 4
            })
        );
        assert_eq!(Progress::begun("polishing").done, 0);
    }

    #[test]
    fn nothing_is_paid_by_itself_over_a_choice_or_a_refusal() {
        let plain = card(Phase::Offered);
        assert!(plain.may_pay_by_itself());
        let with_choice = PayCard {
            needs_credential: true,
            ..plain.clone()
        };
        let refused = PayCard {
            refused_before: Refusal::read("payment_refused"),
            ..plain
        };
        assert!(!with_choice.may_pay_by_itself() && !refused.may_pay_by_itself());
        assert!(!card(Phase::Declined).may_pay_by_itself());
    }

    #[test]
    fn what_was_refused_or_has_run_out_can_be_asked_for_again() {
        let refused = Phase::Refused {
            message: "No.".into(),
            code: None,
            too_little: true,
        };
        let failed = Phase::Failed {
            message: "No.".into(),
        };
        for phase in [refused, failed, Phase::Offered] {
            let mut card = card(phase);
            assert!(card.ask_again());
            assert_eq!(card.phase, Phase::Quoting);
            card.offered(offer(), None, Ok(()));
            assert!(card.begin());
            assert!(
                !card.ask_again(),
                "what is under way is not asked for again"
            );
        }
    }

    #[test]
    fn the_lines_of_a_price_outlive_an_offer_of_the_same_price_only() {
        let price = |total| Price {
            lines: Vec::new(),
            total: Usdc(total),
        };
        let mut card = card(Phase::Quoting);
        card.offered(offer(), Some(price(1000)), Ok(()));
        assert!(card.ask_again());
        card.offered(offer(), None, Ok(()));
        assert_eq!(card.price, Some(price(1000)));
        assert!(card.ask_again());
        let dearer = Offer {
            amount: Usdc(2000),
            ..offer()
        };
        card.offered(dearer, None, Ok(()));
        assert_eq!(card.price, None);
    }

    #[test]
    fn a_password_is_known_to_be_there_until_the_card_goes() {
        let receipt = |result| {
            Phase::Settled(Receipt {
                transaction: None,
                explorer_url: None,
                network: None,
                result,
            })
        };
        let made = serde_json::json!({"ctid": 101, "password": "once"});
        assert!(card(receipt(made)).holds_password());
        assert!(!card(receipt(serde_json::json!({"ctid": 101}))).holds_password());
        assert!(!card(receipt(Value::Null)).holds_password());
        assert!(!card(Phase::Offered).holds_password());
    }

    #[test]
    fn a_late_offer_changes_nothing() {
        let mut card = card(Phase::Cancelled);
        card.offered(offer(), None, Ok(()));
        assert_eq!((card.offer, card.phase), (None, Phase::Cancelled));
    }
}

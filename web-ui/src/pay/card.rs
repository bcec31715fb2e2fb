//! The pay card: a purchase as the customer sees it, and the only ways in which it changes. Every
//! change is a method that returns whether it took place, so that a second press of a button or a
//! late response does nothing.

use api_types::{ErrorCode, Price, Timestamp, Usdc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{budget::OverBudget, operation::PaidOperation, refusal_reason::PaymentRefusal};

/// The number of a card on this page.
pub type CardId = u64;

/// How the purchase is performed.
#[derive(Clone, Debug, PartialEq)]
pub enum PurchaseVia {
    /// The page calls the lease API itself.
    Direct(PaidOperation),
    /// The agent resumes a suspended call.
    Agent {
        /// The conversation that it belongs to.
        conversation: String,
        /// The tool's name.
        tool: String,
    },
}

/// The terms of a payment, from the service's challenge and never from the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The amount, in atomic USDC.
    pub amount: Usdc,
    /// The network's display name.
    pub network: String,
    /// The chain's EIP-155 id.
    pub chain_id: u64,
    /// Whether it is a test network.
    pub testnet: bool,
    /// The token's contract address.
    pub asset: String,
    /// The address that is paid.
    pub pay_to: String,
    /// When the offer expires.
    pub valid_until: Timestamp,
}

/// How far the work behind a paid request is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkProgress {
    /// The current step: `creating`, `starting`, `probing`, `settling`, or one that a later service
    /// adds.
    pub step: String,
    /// The number of finished steps.
    pub done: u32,
    /// The number of all steps.
    pub of: u32,
}

impl WorkProgress {
    /// The steps of a lease, which has the most.
    const STEPS: [&'static str; 4] = ["creating", "starting", "probing", "settling"];

    /// The progress when a step begins.
    pub fn at_step(step: &str) -> Self {
        let of = Self::STEPS.len() as u32;
        let done = Self::STEPS.iter().position(|known| *known == step);
        Self {
            step: step.to_owned(),
            done: done.map_or(0, |done| done as u32),
            of,
        }
    }
}

/// The proof of a payment, and the response that it paid for.
#[derive(Clone, Debug, PartialEq)]
pub struct PurchaseReceipt {
    /// The hash of the transaction.
    pub transaction: Option<String>,
    /// Its page on the block explorer; absent for demo payments, which are on no chain.
    pub explorer_url: Option<String>,
    /// The network, as in the receipt.
    pub network: Option<String>,
    /// The body of the response.
    pub result: Value,
}

impl PurchaseReceipt {
    /// The body of the response as one of the contract's types.
    pub fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_value(self.result.clone()).ok()
    }
}

/// A payment that moved money and will not be delivered.
#[derive(Clone, Debug, PartialEq)]
pub struct OwedPayment {
    /// The service's message.
    pub message: String,
    /// The payment's id, by which the seller finds it.
    pub payment_id: Option<String>,
    /// The amount that is owed.
    pub amount: Option<Usdc>,
    /// The service's reason.
    pub reason: Option<String>,
}

/// The state of a purchase.
#[derive(Clone, Debug, PartialEq)]
pub enum PaymentPhase {
    /// The price is being requested.
    Quoting,
    /// The customer decides.
    Offered,
    /// The amount exceeds one of the customer's own limits.
    OverBudget {
        /// The limit.
        cap: Usdc,
        /// Whether it is the limit of the session, not of one payment.
        session: bool,
    },
    /// The wallet is asked to switch to the offer's chain.
    SwitchingChain,
    /// The wallet is on another chain and did not switch.
    WrongChain {
        /// The name of the needed network.
        wanted: String,
    },
    /// The wallet asks the customer to sign.
    WalletOpen,
    /// The customer declined in the wallet. Nothing was signed.
    Declined,
    /// The wallet did not answer in time, or the customer stopped waiting. What it signs later is
    /// not sent.
    Unanswered {
        /// Whether the timeout passed.
        timed_out: bool,
    },
    /// Signed and stored, about to be sent.
    Signed,
    /// Sent. The service works on it.
    Sent {
        /// How far the work is, if the service tells.
        progress: Option<WorkProgress>,
        /// The number of the attempt, from 1. The signature is the same in each.
        attempt: u32,
    },
    /// Paid and delivered.
    Settled(PurchaseReceipt),
    /// Paid, and not delivered because the service failed. The same signed request gets it without
    /// a new charge.
    Undelivered {
        /// The service's message.
        message: String,
        /// The hash of the transaction.
        transaction: Option<String>,
    },
    /// The payment was refused. Nothing was charged.
    Refused {
        /// The service's message.
        message: String,
        /// The service's error code.
        code: Option<ErrorCode>,
        /// Whether the payer's balance is too low.
        too_little: bool,
    },
    /// It is not known yet whether money moved. The same signed request is sent again until it is.
    Unknown {
        /// What is known, for people.
        message: String,
        /// The number of the attempt.
        attempt: u32,
    },
    /// Paid, and not delivered: the amount is owed to the customer.
    Owed(OwedPayment),
    /// Money may have moved, and no response says so for sure. The signed request stays stored
    /// until one does.
    Unconfirmed {
        /// What is known, for people.
        message: String,
        /// Whether the signature has expired, so that nothing can be charged with it any more.
        expired: bool,
    },
    /// Failed before anything was signed. With an offer it can be tried again.
    Failed {
        /// The reason, for people.
        message: String,
    },
    /// The customer cancelled before signing.
    Cancelled,
}

/// A purchase.
#[derive(Clone, Debug, PartialEq)]
pub struct PayCard {
    /// Its number on this page.
    pub id: CardId,
    /// How it is performed.
    pub via: PurchaseVia,
    /// One line for people.
    pub summary: String,
    /// The offer, once it is known.
    pub offer: Option<Offer>,
    /// The price with its lines, if they are known.
    pub price: Option<Price>,
    /// Whether the customer chooses how to log in.
    pub needs_credential: bool,
    /// Whether this replaces an offer with another price.
    pub price_changed: bool,
    /// Why the previous payment for the same was refused.
    pub refused_before: Option<PaymentRefusal>,
    /// The only account that can pay it.
    pub made_for: Option<String>,
    /// Whether it starts without a press of the button, once all of it was on the screen.
    pub automatic: bool,
    /// Its state.
    pub phase: PaymentPhase,
}

impl PayCard {
    /// A purchase whose price is being requested.
    pub fn new(id: CardId, via: PurchaseVia) -> Self {
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
            automatic: false,
            phase: PaymentPhase::Quoting,
        }
    }

    /// Sets the offer. `limit` is the check of the customer's limits.
    pub fn set_offer(&mut self, offer: Offer, price: Option<Price>, limit: Result<(), OverBudget>) {
        if self.phase == PaymentPhase::Quoting {
            // The lines of the earlier price are kept if the amount is still the same.
            let kept = self.price.take().filter(|old| old.total == offer.amount);
            self.price = price.or(kept);
            self.offer = Some(offer);
            self.phase = PaymentPhase::Offered;
            self.apply_limit(limit);
        }
    }

    /// Applies the check of the customer's limits again, when a limit or the spent sum has changed.
    pub fn apply_limit(&mut self, limit: Result<(), OverBudget>) {
        if !matches!(
            self.phase,
            PaymentPhase::Offered | PaymentPhase::OverBudget { .. }
        ) {
            return;
        }
        self.phase = match limit {
            Ok(()) => PaymentPhase::Offered,
            Err(OverBudget::Payment(cap)) => PaymentPhase::OverBudget {
                cap,
                session: false,
            },
            Err(OverBudget::Session(cap)) => PaymentPhase::OverBudget { cap, session: true },
        };
    }

    /// Whether the customer can press "pay" now.
    pub fn can_pay(&self) -> bool {
        match self.phase {
            PaymentPhase::Offered
            | PaymentPhase::Declined
            | PaymentPhase::Unanswered { .. }
            | PaymentPhase::WrongChain { .. } => true,
            PaymentPhase::Failed { .. } => self.offer.is_some(),
            _ => false,
        }
    }

    /// Whether the payment may start without a press of the button: there is no credential to
    /// choose and no refusal to read.
    pub fn may_be_automatic(&self) -> bool {
        self.phase == PaymentPhase::Offered
            && !self.needs_credential
            && self.refused_before.is_none()
    }

    /// Whether the payment starts as soon as all of the card was on the screen.
    pub fn waits_for_view(&self) -> bool {
        self.automatic && self.may_be_automatic()
    }

    /// All of the card is on the screen. Returns true, once, if the payment then starts.
    pub fn viewed(&mut self) -> bool {
        let pays = self.waits_for_view();
        self.automatic = false;
        pays
    }

    /// The customer pressed "pay". Returns false if the payment cannot start now, as with the
    /// second of two presses.
    pub fn start_payment(&mut self) -> bool {
        let starts = self.can_pay();
        if starts {
            self.phase = PaymentPhase::WalletOpen;
        }
        starts
    }

    /// Requests the price once more: the offer has expired, or the payment was refused. Returns
    /// false in other phases.
    pub fn renew_offer(&mut self) -> bool {
        let renews = self.can_pay()
            || matches!(
                self.phase,
                PaymentPhase::OverBudget { .. }
                    | PaymentPhase::Refused { .. }
                    | PaymentPhase::Failed { .. }
            );
        if renews {
            self.phase = PaymentPhase::Quoting;
        }
        renews
    }

    /// Whether it shows a password that is shown only once.
    pub fn shows_password(&self) -> bool {
        match &self.phase {
            PaymentPhase::Settled(receipt) => {
                let password = receipt.result.get("password");
                password.is_some_and(Value::is_string)
            }
            _ => false,
        }
    }

    /// Whether it can still be cancelled: nothing is signed.
    pub fn can_cancel(&self) -> bool {
        self.can_pay()
            || matches!(
                self.phase,
                PaymentPhase::Quoting | PaymentPhase::OverBudget { .. }
            )
    }

    /// Cancels it. Returns false if it is signed or over.
    pub fn cancel(&mut self) -> bool {
        let cancels = self.can_cancel();
        if cancels {
            self.phase = PaymentPhase::Cancelled;
        }
        cancels
    }

    /// Whether its payment is under way, so that no other payment may start.
    pub fn under_way(&self) -> bool {
        matches!(
            self.phase,
            PaymentPhase::SwitchingChain
                | PaymentPhase::WalletOpen
                | PaymentPhase::Signed
                | PaymentPhase::Sent { .. }
                | PaymentPhase::Unknown { .. }
        )
    }

    /// Whether a signed payment waits until the customer sends it again.
    pub fn needs_attention(&self) -> bool {
        matches!(
            self.phase,
            PaymentPhase::Undelivered { .. } | PaymentPhase::Unconfirmed { .. }
        )
    }

    /// Whether it is over: nothing changes it any more.
    pub fn is_over(&self) -> bool {
        matches!(
            self.phase,
            PaymentPhase::Settled(_)
                | PaymentPhase::Refused { .. }
                | PaymentPhase::Owed(_)
                | PaymentPhase::Failed { .. }
                | PaymentPhase::Cancelled
        )
    }

    /// Sets the step that the service works on.
    pub fn set_step(&mut self, step: &str) {
        if let PaymentPhase::Sent { progress, .. } = &mut self.phase {
            *progress = Some(WorkProgress::at_step(step));
        }
    }
}

#[cfg(test)]
mod tests;

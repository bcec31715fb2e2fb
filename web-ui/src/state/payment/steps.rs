//! The steps of a payment from quote to receipt, and its status in words.

use crate::{
    pay::{PayCard, PaymentPhase},
    text::money::phase,
};

/// How a step is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    /// The step is done.
    Done,
    /// The step is under way.
    Current,
    /// The payment failed in this step.
    Broken,
    /// The step is still to come.
    Ahead,
}

impl StepState {
    /// The name in the stylesheet.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Current => "current",
            Self::Broken => "broken",
            Self::Ahead => "ahead",
        }
    }
}

/// The four steps: quote, signature, delivery, receipt.
pub fn steps(phase: &PaymentPhase) -> [StepState; 4] {
    let (position, here) = match phase {
        PaymentPhase::Quoting | PaymentPhase::Offered | PaymentPhase::OverBudget { .. } => {
            (0, StepState::Current)
        }
        PaymentPhase::Cancelled | PaymentPhase::Failed { .. } => (0, StepState::Broken),
        PaymentPhase::SwitchingChain
        | PaymentPhase::WrongChain { .. }
        | PaymentPhase::WalletOpen => (1, StepState::Current),
        PaymentPhase::Declined | PaymentPhase::Unanswered { .. } => (1, StepState::Broken),
        PaymentPhase::Signed | PaymentPhase::Sent { .. } | PaymentPhase::Unknown { .. } => {
            (2, StepState::Current)
        }
        PaymentPhase::Refused { .. }
        | PaymentPhase::Undelivered { .. }
        | PaymentPhase::Owed(_)
        | PaymentPhase::Unconfirmed { .. } => (2, StepState::Broken),
        PaymentPhase::Settled(_) => (3, StepState::Done),
    };
    let mut all = [StepState::Ahead; 4];
    all[..position].fill(StepState::Done);
    all[position] = here;
    all
}

/// The status of a payment in words; none while the card itself says everything.
pub fn status(card: &PayCard) -> Option<String> {
    Some(match &card.phase {
        PaymentPhase::Offered => return None,
        PaymentPhase::Quoting => phase::QUOTING.to_owned(),
        PaymentPhase::OverBudget { cap, session } => phase::over_budget(*cap, *session),
        PaymentPhase::SwitchingChain => phase::SWITCHING.to_owned(),
        PaymentPhase::WrongChain { wanted } => phase::wrong_chain(wanted),
        PaymentPhase::WalletOpen => phase::WALLET_OPEN.to_owned(),
        PaymentPhase::Declined => phase::DECLINED.to_owned(),
        PaymentPhase::Unanswered { timed_out: false } => phase::STOPPED_WAITING.to_owned(),
        PaymentPhase::Unanswered { timed_out: true } => phase::NO_SIGNATURE.to_owned(),
        PaymentPhase::Signed => phase::SIGNED.to_owned(),
        PaymentPhase::Sent { progress, attempt } if *attempt <= 1 || progress.is_some() => {
            let step = progress.as_ref().map_or("", |progress| &progress.step);
            phase::progress(step).to_owned()
        }
        PaymentPhase::Sent { attempt, .. } => phase::attempt(*attempt),
        PaymentPhase::Settled(_) => phase::SETTLED.to_owned(),
        PaymentPhase::Undelivered { message, .. } => format!("{message} {}", phase::UNDELIVERED),
        PaymentPhase::Refused { message, .. } => with_nothing_charged(message),
        PaymentPhase::Unknown { message, .. } => format!("{message} {}", phase::UNKNOWN),
        PaymentPhase::Owed(owed) => {
            let amount = owed.amount.map(phase::owed_amount);
            let parts = [
                Some(owed.message.clone()),
                amount,
                Some(phase::OWED.to_owned()),
            ];
            parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
        }
        PaymentPhase::Unconfirmed { message, expired } => {
            let then = if *expired {
                phase::UNCONFIRMED_EXPIRED
            } else {
                phase::UNCONFIRMED
            };
            format!("{message} {then}")
        }
        PaymentPhase::Failed { message } => message.clone(),
        PaymentPhase::Cancelled => phase::CANCELLED.to_owned(),
    })
}

/// Adds that nothing was charged, unless the message says so.
fn with_nothing_charged(message: &str) -> String {
    if message.to_lowercase().contains("nothing was charged") {
        return message.to_owned();
    }
    format!("{message} {}", phase::NOTHING_CHARGED)
}

/// Whether the page waits for something.
pub fn is_busy(phase: &PaymentPhase) -> bool {
    matches!(
        phase,
        PaymentPhase::Quoting
            | PaymentPhase::SwitchingChain
            | PaymentPhase::WalletOpen
            | PaymentPhase::Signed
            | PaymentPhase::Sent { .. }
            | PaymentPhase::Unknown { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pay::{OwedPayment, PaidOperation, PurchaseVia, WorkProgress};

    fn card(phase: PaymentPhase) -> PayCard {
        PayCard {
            phase,
            ..PayCard::new(1, PurchaseVia::Direct(PaidOperation::List))
        }
    }

    fn names(phase: &PaymentPhase) -> [&'static str; 4] {
        steps(phase).map(StepState::name)
    }

    #[test]
    fn the_steps_go_forward_and_show_which_one_failed() {
        assert_eq!(
            names(&PaymentPhase::Offered),
            ["current", "ahead", "ahead", "ahead"]
        );
        assert_eq!(
            names(&PaymentPhase::WalletOpen),
            ["done", "current", "ahead", "ahead"]
        );
        assert_eq!(
            names(&PaymentPhase::Declined),
            ["done", "broken", "ahead", "ahead"]
        );
        assert_eq!(
            names(&PaymentPhase::Signed),
            ["done", "done", "current", "ahead"]
        );
        let failed = PaymentPhase::Failed {
            message: String::new(),
        };
        assert_eq!(names(&failed), ["broken", "ahead", "ahead", "ahead"]);
    }

    #[test]
    fn a_lost_connection_is_told_until_the_next_progress() {
        let sent = |step: Option<&str>, attempt| {
            let progress = step.map(WorkProgress::at_step);
            status(&card(PaymentPhase::Sent { progress, attempt })).unwrap()
        };
        assert_eq!(sent(None, 1), phase::SENT);
        assert_eq!(
            sent(Some("probing"), 1),
            "Waiting for the container to answer…"
        );
        assert!(sent(None, 2).contains("same signature"));
        assert_eq!(sent(Some("settling"), 2), "Settling the payment…");
    }

    #[test]
    fn a_customer_who_may_have_paid_or_is_owed_is_told_not_to_pay_again() {
        let unconfirmed = |expired| {
            let message = "It is not known.".to_owned();
            status(&card(PaymentPhase::Unconfirmed { message, expired })).unwrap()
        };
        assert!(unconfirmed(false).contains("do not pay for the same again"));
        assert!(unconfirmed(true).contains("cannot be charged any more"));
        let owed = OwedPayment {
            message: "The machine was lost.".into(),
            payment_id: None,
            amount: Some(api_types::Usdc(10_000)),
            reason: None,
        };
        let said = status(&card(PaymentPhase::Owed(owed))).unwrap();
        assert!(said.starts_with("The machine was lost. 0.0100 USDC is owed to you."));
        assert!(said.ends_with("Do not pay for it again."));
    }

    #[test]
    fn an_unanswered_wallet_charged_nothing() {
        for timed_out in [false, true] {
            let said = status(&card(PaymentPhase::Unanswered { timed_out })).unwrap();
            assert!(said.contains("Nothing was charged") && said.contains("is not sent"));
        }
    }

    #[test]
    fn a_refusal_says_that_nothing_was_charged() {
        let refused = PaymentPhase::Refused {
            message: "No room.".to_owned(),
            code: None,
            too_little: false,
        };
        assert_eq!(
            status(&card(refused)).unwrap(),
            "No room. Nothing was charged."
        );
        assert_eq!(status(&card(PaymentPhase::Offered)), None);
        let said = "The container did not start; nothing was charged.";
        assert_eq!(with_nothing_charged(said), said);
    }
}

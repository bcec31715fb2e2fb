//! A payment's place on the way from quote to receipt, and how it is told.

use crate::{
    pay::{PayCard, Phase},
    text::money::phase,
};

/// How a step of the way looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Behind.
    Done,
    /// Here.
    Current,
    /// Here, and it went wrong.
    Broken,
    /// Ahead.
    Ahead,
}

impl Step {
    /// The word that the stylesheet knows it by.
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
pub fn steps(phase: &Phase) -> [Step; 4] {
    let (position, here) = match phase {
        Phase::Quoting | Phase::Offered | Phase::OverBudget { .. } => (0, Step::Current),
        Phase::Cancelled | Phase::Failed { .. } => (0, Step::Broken),
        Phase::SwitchingChain | Phase::WrongChain { .. } | Phase::WalletOpen => (1, Step::Current),
        Phase::Declined | Phase::Unanswered { .. } => (1, Step::Broken),
        Phase::Signed | Phase::Sent { .. } | Phase::Unknown { .. } => (2, Step::Current),
        Phase::Refused { .. }
        | Phase::Undelivered { .. }
        | Phase::Owed(_)
        | Phase::Doubtful { .. } => (2, Step::Broken),
        Phase::Settled(_) => (3, Step::Done),
    };
    let mut all = [Step::Ahead; 4];
    all[..position].fill(Step::Done);
    all[position] = here;
    all
}

/// What is said about a payment where it stands; nothing while the card says it all.
pub fn status(card: &PayCard) -> Option<String> {
    Some(match &card.phase {
        Phase::Offered => return None,
        Phase::Quoting => phase::QUOTING.to_owned(),
        Phase::OverBudget { cap, session } => phase::over_budget(*cap, *session),
        Phase::SwitchingChain => phase::SWITCHING.to_owned(),
        Phase::WrongChain { wanted } => phase::wrong_chain(wanted),
        Phase::WalletOpen => phase::WALLET_OPEN.to_owned(),
        Phase::Declined => phase::DECLINED.to_owned(),
        Phase::Unanswered { timed_out: false } => phase::STOPPED_WAITING.to_owned(),
        Phase::Unanswered { timed_out: true } => phase::NO_SIGNATURE.to_owned(),
        Phase::Signed => phase::SIGNED.to_owned(),
        Phase::Sent { progress, attempt } if *attempt <= 1 || progress.is_some() => {
            let step = progress.as_ref().map_or("", |progress| &progress.step);
            phase::progress(step).to_owned()
        }
        Phase::Sent { attempt, .. } => phase::attempt(*attempt),
        Phase::Settled(_) => phase::SETTLED.to_owned(),
        Phase::Undelivered { message, .. } => format!("{message} {}", phase::UNDELIVERED),
        Phase::Refused { message, .. } => uncharged(message),
        Phase::Unknown { message, .. } => format!("{message} {}", phase::UNKNOWN),
        Phase::Owed(owed) => {
            let amount = owed.amount.map(phase::owed_amount);
            let parts = [
                Some(owed.message.clone()),
                amount,
                Some(phase::OWED.to_owned()),
            ];
            parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
        }
        Phase::Doubtful { message, expired } => {
            let then = if *expired {
                phase::DOUBTFUL_EXPIRED
            } else {
                phase::DOUBTFUL
            };
            format!("{message} {then}")
        }
        Phase::Failed { message } => message.clone(),
        Phase::Cancelled => phase::CANCELLED.to_owned(),
    })
}

/// That nothing was charged, once: some services say so themselves.
fn uncharged(message: &str) -> String {
    if message.to_lowercase().contains("nothing was charged") {
        return message.to_owned();
    }
    format!("{message} {}", phase::NOTHING_CHARGED)
}

/// Whether something is being waited for.
pub fn is_busy(phase: &Phase) -> bool {
    matches!(
        phase,
        Phase::Quoting
            | Phase::SwitchingChain
            | Phase::WalletOpen
            | Phase::Signed
            | Phase::Sent { .. }
            | Phase::Unknown { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pay::{Call, Owed, Progress, Via};

    fn card(phase: Phase) -> PayCard {
        PayCard {
            phase,
            ..PayCard::new(1, Via::Direct(Call::List))
        }
    }

    fn names(phase: &Phase) -> [&'static str; 4] {
        steps(phase).map(Step::name)
    }

    #[test]
    fn the_way_is_walked_forwards_and_says_where_it_broke() {
        assert_eq!(
            names(&Phase::Offered),
            ["current", "ahead", "ahead", "ahead"]
        );
        assert_eq!(
            names(&Phase::WalletOpen),
            ["done", "current", "ahead", "ahead"]
        );
        assert_eq!(
            names(&Phase::Declined),
            ["done", "broken", "ahead", "ahead"]
        );
        assert_eq!(names(&Phase::Signed), ["done", "done", "current", "ahead"]);
        let failed = Phase::Failed {
            message: String::new(),
        };
        assert_eq!(names(&failed), ["broken", "ahead", "ahead", "ahead"]);
    }

    #[test]
    fn a_lost_connection_is_told_until_the_work_is_heard_of_again() {
        let sent = |step: Option<&str>, attempt| {
            let progress = step.map(Progress::begun);
            status(&card(Phase::Sent { progress, attempt })).unwrap()
        };
        assert_eq!(sent(None, 1), phase::SENT);
        assert_eq!(sent(Some("probing"), 1), "Waiting for it to answer…");
        assert!(sent(None, 2).contains("same signature"));
        assert_eq!(sent(Some("settling"), 2), "Settling the payment…");
    }

    #[test]
    fn who_may_have_paid_or_is_owed_is_told_not_to_pay_again() {
        let doubtful = |expired| {
            let message = "It is not known.".to_owned();
            status(&card(Phase::Doubtful { message, expired })).unwrap()
        };
        assert!(doubtful(false).contains("do not pay for the same again"));
        assert!(doubtful(true).contains("cannot be charged any more"));
        let owed = Owed {
            message: "The machine was lost.".into(),
            payment_id: None,
            amount: Some(api_types::Usdc(10_000)),
            reason: None,
        };
        let said = status(&card(Phase::Owed(owed))).unwrap();
        assert!(said.starts_with("The machine was lost. 0.0100 USDC is owed to you."));
        assert!(said.ends_with("Do not pay for it again."));
    }

    #[test]
    fn a_wallet_that_did_not_answer_charged_nothing() {
        for timed_out in [false, true] {
            let said = status(&card(Phase::Unanswered { timed_out })).unwrap();
            assert!(said.contains("Nothing was charged") && said.contains("is not sent"));
        }
    }

    #[test]
    fn a_refusal_says_that_nothing_was_charged() {
        let refused = Phase::Refused {
            message: "No room.".to_owned(),
            code: None,
            too_little: false,
        };
        assert_eq!(
            status(&card(refused)).unwrap(),
            "No room. Nothing was charged."
        );
        assert_eq!(status(&card(Phase::Offered)), None);
        let said = "The container did not start; nothing was charged.";
        assert_eq!(uncharged(said), said);
    }
}

//! docs/ARCHITECTURE.md shows the machine as a picture and a table, which this holds to the code.

use std::{fmt::Write as _, path::Path};

use service::env::documents::keep;

use super::*;
use crate::payment_machine::StoredAnswer;

#[test]
fn the_document_shows_the_machine() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/ARCHITECTURE.md");
    let (begin, end) = ("<!-- payment machine -->", "<!-- /payment machine -->");
    keep(&file, begin, end, &document());
}

fn document() -> String {
    let mut text = String::from("\n```mermaid\nstateDiagram-v2\n    [*] --> reserved\n");
    for from in PaymentState::ALL {
        for to in from.successors() {
            writeln!(text, "    {} --> {}", from.as_str(), to.as_str()).unwrap();
        }
    }
    text.push_str("    answered --> [*]\n```\n\n");
    text.push_str("| State | What happened | What is done, in this order |\n| --- | --- | --- |\n");
    for (states, happened, event) in rows() {
        let mut done: Vec<(String, Vec<&str>)> = Vec::new();
        for state in states {
            let effects = words(step(terms(), *state, event.clone()));
            match done.iter_mut().find(|(known, _)| *known == effects) {
                Some((_, of)) => of.push(state.as_str()),
                None => done.push((effects, vec![state.as_str()])),
            }
        }
        for (effects, states) in done {
            let states = states.join("`, `");
            writeln!(text, "| `{states}` | {happened} | {effects} |").unwrap();
        }
    }
    text.push('\n');
    text
}

/// With a chain to ask and an operation that is resumed; the text beside it says what differs.
fn rows() -> Vec<(&'static [PaymentState], &'static str, PaymentEvent)> {
    let reason = || "reason".to_owned();
    let answer = || StoredAnswer {
        status: 200,
        body: String::new(),
    };
    let look = |requester| PaymentEvent::Resume {
        requester,
        begun: false,
    };
    let not_delivered = |for_good, late| PaymentEvent::NotDelivered {
        for_good,
        begun: false,
        late,
    };
    let first = PaymentEvent::FirstSettlement;
    let later = |word| PaymentEvent::LaterSettlement(word, OVER);
    let chain = |evidence| PaymentEvent::ChainAnswered(evidence, OVER);
    let made: &[PaymentState] = &[Reserved, Verified];
    let open: &[PaymentState] = &[Settling, Unknown, Unresolved];
    vec![
        (
            &[Reserved],
            "the row is inserted",
            PaymentEvent::Reserved { verified: false },
        ),
        (
            &[Reserved],
            "the facilitator found it good",
            PaymentEvent::Verified,
        ),
        (
            &[Reserved],
            "it did not",
            PaymentEvent::NotVerified(reason()),
        ),
        (made, "admitted", PaymentEvent::Admitted),
        (made, "not admitted", PaymentEvent::NotAdmitted(reason())),
        (made, "prepared", PaymentEvent::Prepared),
        (made, "not prepared", PaymentEvent::NotPrepared(reason())),
        (
            &[Settling],
            "settled",
            first(SettlementResult::Settled(transfer())),
        ),
        (
            &[Settling],
            "refused",
            first(SettlementResult::Refused(reason())),
        ),
        (
            &[Settling],
            "surely not sent",
            first(SettlementResult::Unsent(reason())),
        ),
        (
            &[Settling],
            "no outcome",
            first(SettlementResult::Unknown(None)),
        ),
        (
            &[Settling],
            "refused, and the chain has the transfer",
            PaymentEvent::ChainAfterRefusal {
                reason: reason(),
                evidence: Some(Evidence::Moved(transfer())),
            },
        ),
        (
            &[Settling],
            "refused, and the chain has none",
            PaymentEvent::ChainAfterRefusal {
                reason: reason(),
                evidence: Some(Evidence::Unspent),
            },
        ),
        (
            &[Settling],
            "refused, and the chain does not answer",
            PaymentEvent::ChainAfterRefusal {
                reason: reason(),
                evidence: None,
            },
        ),
        (
            &PaymentState::ALL,
            "looked at by the sweep or the follower",
            look(Requester::Service { late: false }),
        ),
        (&[Settled], "a copy of the request", look(Requester::Anyone)),
        (
            &[Settling, Unknown],
            "asked again: settled",
            later(SettlementResult::Settled(transfer())),
        ),
        (
            &[Settling, Unknown],
            "asked again: anything else",
            later(SettlementResult::Refused(reason())),
        ),
        (
            open,
            "the chain has the transfer",
            chain(Some(Evidence::Moved(transfer()))),
        ),
        (
            open,
            "it never comes: expired, canceled or spent elsewhere",
            chain(Some(Evidence::Expired)),
        ),
        (
            open,
            "it is used, and its transfer is not found, after the window",
            chain(Some(Evidence::NotFound)),
        ),
        (
            &[Refused],
            "the chain has the transfer all the same",
            chain(Some(Evidence::Moved(transfer()))),
        ),
        (
            open,
            "the transfer pays for another purchase",
            PaymentEvent::EvidenceTaken,
        ),
        (
            &[Settling, Unknown],
            "what was signed cannot be read any more",
            PaymentEvent::Unreadable,
        ),
        (&[Settled], "delivered", PaymentEvent::Performed(answer())),
        (
            &[Settled],
            "not delivered, worth another try",
            not_delivered(false, false),
        ),
        (
            &[Settled],
            "not delivered, for good",
            not_delivered(true, false),
        ),
        (
            &[Settled],
            "not delivered, for too long",
            not_delivered(false, true),
        ),
        (
            &[Unresolved],
            "a person says that it moved",
            PaymentEvent::Decided(OperatorDecision::Moved(transfer())),
        ),
        (
            &[Unresolved],
            "a person says that it did not",
            PaymentEvent::Decided(OperatorDecision::NotMoved(reason())),
        ),
        (
            &[Released, Refused],
            "another process wrote this first, and no money is known to have moved",
            PaymentEvent::Overtaken {
                by: Refused,
                moved: None,
            },
        ),
        (
            &[Settling, Unknown, Unresolved],
            "another process wrote this first, and the money moved",
            PaymentEvent::Overtaken {
                by: Unresolved,
                moved: Some(transfer()),
            },
        ),
        (
            &[Refused],
            "another process wrote this first, and the money moved",
            PaymentEvent::Overtaken {
                by: Refused,
                moved: Some(transfer()),
            },
        ),
        (
            made,
            "`settling` cannot be stored",
            PaymentEvent::NotStored {
                to: Settling,
                perhaps: false,
            },
        ),
        (
            made,
            "`settling` is perhaps stored",
            PaymentEvent::NotStored {
                to: Settling,
                perhaps: true,
            },
        ),
        (
            open,
            "the outcome cannot be stored",
            PaymentEvent::NotStored {
                to: Settled,
                perhaps: false,
            },
        ),
    ]
}

fn words(effects: Vec<PaymentEffect>) -> String {
    if effects.is_empty() {
        return "nothing".to_owned();
    }
    let all: Vec<String> = effects.into_iter().map(word).collect();
    all.join(", ")
}

fn word(effect: PaymentEffect) -> String {
    match effect {
        PaymentEffect::Verify => "verify".into(),
        PaymentEffect::Admit => "admit".into(),
        PaymentEffect::Prepare => "prepare".into(),
        PaymentEffect::Store(target) => format!("**`{}`**", target.state().as_str()),
        PaymentEffect::SettleFirst => "settle".into(),
        PaymentEffect::SettleAgain => "settle again, byte for byte".into(),
        PaymentEffect::AskChainAfterRefusal(_) | PaymentEffect::AskChain => "ask the chain".into(),
        PaymentEffect::Deliver => "deliver".into(),
        PaymentEffect::Hold => "hold what was prepared".into(),
        PaymentEffect::Undo => "undo".into(),
        PaymentEffect::Follow => "follow".into(),
        PaymentEffect::Owe(reason) => format!("**`answered`** with a debt (`{}`)", reason.as_str()),
    }
}

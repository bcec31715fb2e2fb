//! docs/ARCHITECTURE.md shows the machine as a picture and a table, which this holds to the code.

use std::{fmt::Write as _, path::Path};

use service::env::documents::keep;

use super::*;
use crate::payment_machine::Answer;

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
fn rows() -> Vec<(&'static [PaymentState], &'static str, Event)> {
    let reason = || "reason".to_owned();
    let answer = || Answer {
        status: 200,
        body: String::new(),
    };
    let look = |asker| Event::Look {
        asker,
        begun: false,
    };
    let not_delivered = |for_good, late| Event::NotDelivered {
        for_good,
        begun: false,
        late,
    };
    let first = Event::FirstSettlement;
    let later = |word| Event::LaterSettlement(word, OVER);
    let chain = |evidence| Event::Chain(evidence, OVER);
    let made: &[PaymentState] = &[Reserved, Verified];
    let open: &[PaymentState] = &[Settling, Unknown, Unresolved];
    vec![
        (
            &[Reserved],
            "the row is inserted",
            Event::Reserved { verified: false },
        ),
        (
            &[Reserved],
            "the facilitator found it good",
            Event::Verified,
        ),
        (&[Reserved], "it did not", Event::NotVerified(reason())),
        (made, "admitted", Event::Admitted),
        (made, "not admitted", Event::NotAdmitted(reason())),
        (made, "prepared", Event::Prepared),
        (made, "not prepared", Event::NotPrepared(reason())),
        (&[Settling], "settled", first(Word::Settled(transfer()))),
        (&[Settling], "refused", first(Word::Refused(reason()))),
        (
            &[Settling],
            "surely not sent",
            first(Word::Unsent(reason())),
        ),
        (&[Settling], "no outcome", first(Word::Unknown(None))),
        (
            &[Settling],
            "refused, and the chain has the transfer",
            Event::ChainAfterRefusal {
                reason: reason(),
                evidence: Some(Evidence::Moved(transfer())),
            },
        ),
        (
            &[Settling],
            "refused, and the chain has none",
            Event::ChainAfterRefusal {
                reason: reason(),
                evidence: Some(Evidence::Unspent),
            },
        ),
        (
            &[Settling],
            "refused, and the chain does not answer",
            Event::ChainAfterRefusal {
                reason: reason(),
                evidence: None,
            },
        ),
        (
            &PaymentState::ALL,
            "looked at by the sweep or the follower",
            look(Asker::Ourselves { late: false }),
        ),
        (&[Settled], "a copy of the request", look(Asker::Anybody)),
        (
            &[Settling, Unknown],
            "asked again: settled",
            later(Word::Settled(transfer())),
        ),
        (
            &[Settling, Unknown],
            "asked again: anything else",
            later(Word::Refused(reason())),
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
            Event::EvidenceTaken,
        ),
        (
            &[Settling, Unknown],
            "what was signed cannot be read any more",
            Event::Unreadable,
        ),
        (&[Settled], "delivered", Event::Delivered(answer())),
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
            Event::Decided(Verdict::Moved(transfer())),
        ),
        (
            &[Unresolved],
            "a person says that it did not",
            Event::Decided(Verdict::NotMoved(reason())),
        ),
        (
            &[Released, Refused],
            "another process wrote this first, and no money is known to have moved",
            Event::Overtaken {
                by: Refused,
                moved: None,
            },
        ),
        (
            &[Settling, Unknown, Unresolved],
            "another process wrote this first, and the money moved",
            Event::Overtaken {
                by: Unresolved,
                moved: Some(transfer()),
            },
        ),
        (
            &[Refused],
            "another process wrote this first, and the money moved",
            Event::Overtaken {
                by: Refused,
                moved: Some(transfer()),
            },
        ),
        (
            made,
            "`settling` cannot be stored",
            Event::NotStored {
                to: Settling,
                perhaps: false,
            },
        ),
        (
            made,
            "`settling` is perhaps stored",
            Event::NotStored {
                to: Settling,
                perhaps: true,
            },
        ),
        (
            open,
            "the outcome cannot be stored",
            Event::NotStored {
                to: Settled,
                perhaps: false,
            },
        ),
    ]
}

fn words(effects: Vec<Effect>) -> String {
    if effects.is_empty() {
        return "nothing".to_owned();
    }
    let all: Vec<String> = effects.into_iter().map(word).collect();
    all.join(", ")
}

fn word(effect: Effect) -> String {
    match effect {
        Effect::Verify => "verify".into(),
        Effect::Admit => "admit".into(),
        Effect::Prepare => "prepare".into(),
        Effect::Store(target) => format!("**`{}`**", target.state().as_str()),
        Effect::SettleFirst => "settle".into(),
        Effect::SettleAgain => "settle again, byte for byte".into(),
        Effect::AskChainAfterRefusal(_) | Effect::AskChain => "ask the chain".into(),
        Effect::Deliver => "deliver".into(),
        Effect::Hold => "hold what was prepared".into(),
        Effect::Undo => "undo".into(),
        Effect::Follow => "follow".into(),
        Effect::Owe(reason) => format!("**`answered`** with a debt (`{}`)", reason.as_str()),
    }
}

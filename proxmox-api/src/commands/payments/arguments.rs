//! The command line of `proxmox-api payments`.

use alloy::primitives::B256;

/// One call of the command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentsCommand {
    /// List what is due and what is unresolved.
    Due {
        /// Write for programs.
        json: bool,
    },
    /// Show one payment.
    Show {
        /// The payment's id.
        id: String,
    },
    /// Settle an unresolved payment or a debt.
    Resolve {
        /// The payment's id.
        id: String,
        /// Why: kept in the audit trail.
        reason: String,
        /// The operator's finding, or the refund that was made.
        decision: Decision,
    },
}

/// The operator's decision about the money. There is no default: each decision is at the expense of one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It moved, or was given back, by this transaction.
    Transaction(String),
    /// An unresolved payment moved nothing, and cannot any more.
    NotMoved,
    /// A debt was given back in another way, which the reason names.
    GivenBack,
}

impl PaymentsCommand {
    /// Reads the arguments after `payments`; none where help is asked for.
    ///
    /// # Errors
    /// What is wrong with them, for people.
    pub fn read(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let verb = arguments.next().unwrap_or_default();
        let rest: Vec<String> = arguments.collect();
        let mut all = std::iter::once(&verb).chain(&rest);
        if all.any(|argument| argument == "--help" || argument == "-h") {
            return Ok(None);
        }
        match (verb.as_str(), rest.as_slice()) {
            ("due", []) => Ok(Some(Self::Due { json: false })),
            ("due", [json]) if json == "--json" => Ok(Some(Self::Due { json: true })),
            ("show", [id]) => Ok(Some(Self::Show { id: id.clone() })),
            ("show" | "resolve", []) => Err(format!("payments {verb} needs the id of a payment")),
            ("resolve", [id, options @ ..]) => resolve(id, options).map(Some),
            ("due" | "show", [.., wrong]) => {
                Err(format!("payments {verb} does not know {wrong:?}"))
            }
            _ => Err("payments needs one of: due, show ID, resolve ID".into()),
        }
    }
}

fn resolve(id: &str, options: &[String]) -> Result<PaymentsCommand, String> {
    let (mut reason, mut decisions) = (None, Vec::new());
    let mut options = options.iter();
    while let Some(option) = options.next() {
        let mut value = || options.next().map(|value| value.trim()).unwrap_or_default();
        match option.as_str() {
            "--reason" => reason = Some(value()).filter(|text| !text.is_empty()),
            "--transaction" => match value() {
                hash if hash.parse::<B256>().is_ok() && hash.starts_with("0x") => {
                    decisions.push(Decision::Transaction(hash.to_ascii_lowercase()));
                }
                _ => return Err("--transaction has to be 0x and 64 hexadecimal digits".into()),
            },
            "--not-moved" => decisions.push(Decision::NotMoved),
            "--given-back" => decisions.push(Decision::GivenBack),
            other => return Err(format!("payments resolve does not know {other:?}")),
        }
    }
    let reason = reason.ok_or("--reason TEXT is missing: it is kept with the decision")?;
    match decisions.as_slice() {
        [decision] => Ok(PaymentsCommand::Resolve {
            id: id.to_owned(),
            reason: reason.to_owned(),
            decision: decision.clone(),
        }),
        _ => Err(
            "payments resolve needs exactly one of: --transaction 0x…, --not-moved (an \
             unresolved payment), --given-back (a debt)"
                .into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &[&str]) -> Result<Option<PaymentsCommand>, String> {
        PaymentsCommand::read(line.iter().map(|word| (*word).to_owned()))
    }

    #[test]
    fn a_decision_is_said_and_has_a_reason() {
        let hash = format!("0x{}", "Ab".repeat(32));
        let resolved = |decision| {
            Ok(Some(PaymentsCommand::Resolve {
                id: "pay_1".into(),
                reason: "seen on the chain".into(),
                decision,
            }))
        };
        let why = ["--reason", "seen on the chain"];
        let of = |options: &[&str]| read(&[&["resolve", "pay_1"], &why[..], options].concat());
        let moved = Decision::Transaction(hash.to_lowercase());
        assert_eq!(of(&["--transaction", &hash]), resolved(moved));
        assert_eq!(of(&["--not-moved"]), resolved(Decision::NotMoved));
        assert_eq!(of(&["--given-back"]), resolved(Decision::GivenBack));
        for (line, says) in [
            (
                &["resolve", "pay_1", "--not-moved"] as &[&str],
                "--reason TEXT is missing",
            ),
            (
                &["resolve", "pay_1", "--not-moved", "--reason", " "],
                "--reason TEXT is missing",
            ),
            (&["resolve", "pay_1", "--reason", "x"], "exactly one of"),
            (
                &[
                    "resolve",
                    "pay_1",
                    "--reason",
                    "x",
                    "--not-moved",
                    "--given-back",
                ],
                "exactly one",
            ),
            (
                &["resolve", "pay_1", "--reason", "x", "--transaction", "0x12"],
                "64 hexadecimal",
            ),
            (
                &["resolve", "pay_1", "--force"],
                "does not know \"--force\"",
            ),
            (&["resolve"], "needs the id"),
            (&["due", "all"], "does not know \"all\""),
            (&["pay"], "payments needs one of"),
            (&[], "payments needs one of"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(says), "{line:?}: {error}");
        }
    }
}

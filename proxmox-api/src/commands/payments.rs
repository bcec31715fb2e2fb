//! `proxmox-api payments`: what is open between the operator and customers, and how a person settles it.

use std::sync::Arc;

use alloy::primitives::B256;
use api_types::Usdc;
use serde_json::{Value, json};
use service::clock::Clock;
use x402::{facilitator::TransferEvidence, network::Network};

use super::unusable;
use crate::{
    ids::LeaseId,
    lease::view::time,
    operations,
    payment::{machine::Verdict, resolve},
    store::{Change, Database, Debt, LISTED, Payment, PaymentState, Store, StoreError},
};

/// What is asked for.
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
        /// What was found out, or done.
        decision: Decision,
    },
}

/// What a person says of the money. Nothing is assumed where nothing is said: each decision goes against somebody.
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

/// What the command prints.
///
/// # Errors
/// Why it cannot be done.
pub async fn perform(
    database: &Database,
    clock: Arc<dyn Clock>,
    command: PaymentsCommand,
) -> Result<String, String> {
    let store = super::open(database).await?;
    let now = i64::try_from(clock.unix_seconds()).unwrap_or(i64::MAX);
    match command {
        PaymentsCommand::Due { json } => due(&store, json).await.map_err(unusable),
        PaymentsCommand::Show { id } => {
            let payment = find(&store, &id).await?;
            show(&store, &payment).await.map_err(unusable)
        }
        PaymentsCommand::Resolve {
            id,
            reason,
            decision,
        } => {
            let payment = find(&store, &id).await?;
            settle(&store, &payment, &reason, &decision, now).await
        }
    }
}

async fn find(store: &Store, id: &str) -> Result<Payment, String> {
    let found = store.payment(&id.into()).await.map_err(unusable)?;
    found.ok_or_else(|| format!("there is no payment {id}"))
}

async fn due(store: &Store, json: bool) -> Result<String, StoreError> {
    let open = store.open_accounts().await?;
    let debts = store.debts_due().await?;
    let unresolved = store.unresolved_payments().await?;
    let more = debts.len() == LISTED || unresolved.len() == LISTED;
    if json {
        let debts: Vec<Value> = debts.iter().map(debt_json).collect();
        let unresolved: Vec<Value> = unresolved
            .iter()
            .map(|row| {
                json!({"paymentId": row.payment_id, "payer": row.payer, "amount": row.amount.to_string(),
                    "reason": row.reason, "leaseId": row.lease_id})
            })
            .collect();
        return Ok(format!(
            "{:#}\n",
            json!({"due": debts, "unresolved": unresolved, "more": more,
                "totalDue": open.due.to_string(), "totalUnresolved": open.unresolved})
        ));
    }
    let mut text = format!("Owed to customers: {}\n", Usdc(open.due));
    for debt in &debts {
        let payer = store.payer_of(&debt.payment_id).await?;
        let to = payer.map(|(payer, network)| format!("to {payer} on {network}"));
        text.push_str(&format!(
            "  {}  {:>14}  {}  {}  since {}\n",
            debt.payment_id,
            Usdc(debt.amount).to_string(),
            to.unwrap_or_default(),
            debt.reason,
            time(debt.created_at)
        ));
    }
    text.push_str(&format!(
        "Payments of which it is not known whether they moved money: {}\n",
        open.unresolved
    ));
    for row in &unresolved {
        text.push_str(&format!(
            "  {}  {:>14}  {}  {}\n",
            row.payment_id,
            Usdc(row.amount).to_string(),
            row.payer,
            row.reason.as_deref().unwrap_or_default()
        ));
    }
    if more {
        text.push_str(&format!(
            "Of each, the oldest {LISTED} are listed; settle them to see the next ones.\n"
        ));
    }
    if !(debts.is_empty() && unresolved.is_empty()) {
        text.push_str("See one with: proxmox-api payments show ID\n");
    }
    Ok(text)
}

fn debt_json(debt: &Debt) -> Value {
    json!({"paymentId": debt.payment_id, "amount": debt.amount.to_string(), "reason": debt.reason,
        "since": time(debt.created_at)})
}

async fn show(store: &Store, payment: &Payment) -> Result<String, StoreError> {
    let mut lines = vec![
        ("payment", payment.payment_id.to_string()),
        ("state", payment.state.as_str().to_owned()),
        ("for", operations::registry::route_of(&payment.operation)),
        ("amount", Usdc(payment.amount).to_string()),
        ("payer", payment.payer.to_string()),
        ("pay to", payment.pay_to.clone()),
        ("network", payment.network.clone()),
        ("nonce", payment.nonce.clone()),
        ("good until", time(payment.valid_before).to_string()),
        ("first seen", time(payment.created_at).to_string()),
        ("last change", time(payment.updated_at).to_string()),
    ];
    let explorer = Network::by_name(&payment.network);
    let optional = [
        ("reason", payment.reason.clone()),
        ("lease", payment.lease_id.as_ref().map(LeaseId::to_string)),
        ("transaction", payment.transaction.clone()),
        (
            "log index",
            payment.log_index.map(|index| index.to_string()),
        ),
        (
            "explorer",
            explorer
                .zip(payment.transaction.as_ref())
                .map(|(network, hash)| network.explorer_tx(hash)),
        ),
    ];
    lines.extend(
        optional
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    for debt in store.debts_of(&payment.payment_id).await? {
        let note = debt
            .note
            .map(|note| format!(": {note}"))
            .unwrap_or_default();
        let text = format!(
            "{} {} for {}{note}",
            debt.state,
            Usdc(debt.amount),
            debt.reason
        );
        lines.push(("debt", text));
    }
    for event in store.events(&payment.payment_id, 0, 100).await? {
        let text = format!("{} {} {}", time(event.at), event.kind, event.data);
        lines.push(("event", text));
    }
    let mut text = String::new();
    for (name, value) in lines {
        text.push_str(&format!("{name:<12} {value}\n"));
    }
    if payment.state == PaymentState::Unresolved {
        text.push_str(
            "Look for a transfer of this amount from payer to payee with this nonce (AuthorizationUsed), then:\n  \
             proxmox-api payments resolve ID --reason TEXT --transaction 0x…   the money moved\n  \
             proxmox-api payments resolve ID --reason TEXT --not-moved         it did not and cannot any more\n",
        );
    }
    Ok(text)
}

/// Settles what is open about a payment, and writes it into the audit trail.
async fn settle(
    store: &Store,
    payment: &Payment,
    reason: &str,
    decision: &Decision,
    now: i64,
) -> Result<String, String> {
    let failed = |error: StoreError| format!("nothing was changed: {error}");
    let id = &payment.payment_id;
    let unresolved = payment.state == PaymentState::Unresolved;
    let transaction = match decision {
        Decision::Transaction(hash) => Some(hash.as_str()),
        Decision::NotMoved | Decision::GivenBack => None,
    };
    if let Some(hash) = transaction {
        let other = store.paid_by_transaction(&payment.network, hash, id).await;
        if let Some(other) = other.map_err(failed)? {
            return Err(format!(
                "nothing was changed: {hash} is the transaction of {other} already"
            ));
        }
    }
    let data = resolve::note(reason, transaction, payment);
    let (done, says) = match decision {
        Decision::Transaction(hash) if unresolved => {
            let transfer = TransferEvidence {
                transaction: hash.clone(),
                log_index: None,
                block: None,
            };
            let verdict = Verdict::Moved(transfer);
            let done = resolve::resolve(store, payment, verdict, &data, now).await;
            let says = "moved money. The service delivers it within two minutes, or owes it.";
            (done.map_err(failed)?, says)
        }
        Decision::NotMoved if unresolved => {
            let verdict = Verdict::NotMoved(resolve::RESOLVED_BY_OPERATOR.to_owned());
            let done = resolve::resolve(store, payment, verdict, &data, now).await;
            let says = "moved no money. What was made for it is removed.";
            (done.map_err(failed)?, says)
        }
        Decision::GivenBack if unresolved => {
            return Err(format!(
                "{id} is unresolved: say --transaction 0x… or --not-moved"
            ));
        }
        Decision::NotMoved => {
            return Err(format!(
                "{id} is not unresolved, but {}",
                payment.state.as_str()
            ));
        }
        Decision::Transaction(_) | Decision::GivenBack => {
            let debts = store.debts_of(id).await.map_err(failed)?;
            let Some(debt) = debts.iter().find(|debt| debt.state == "due") else {
                return Err(format!(
                    "nothing is open about {id}: it is {}, and nothing is due",
                    payment.state.as_str()
                ));
            };
            let event = Change::event(id, resolve::RESOLVED_BY_OPERATOR, data);
            let done = store
                .pay_debt(id, &debt.reason, reason, transaction, event, now)
                .await;
            (
                done.map_err(failed)?,
                "is owed no longer: the debt was given back.",
            )
        }
    };
    if !done {
        return Err(format!("{id} has changed meanwhile: look at it again"));
    }
    Ok(format!(
        "{id} ({} of {}) {says}\n",
        Usdc(payment.amount),
        payment.payer
    ))
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

//! `proxmox-api payments`: what is open between the operator and customers, and how a person settles it. It works on the
//! database beside the running service: every change is a compare-and-set, and the service goes on from the row.

use std::{io::Write as _, process::ExitCode, sync::Arc};

use alloy::primitives::B256;
use api_types::Usdc;
use serde_json::{Value, json};
use service::clock::Clock;
use x402::{facilitator::TransferEvidence, network::Network};

use crate::{
    config::Config,
    lease::view::time,
    operations,
    paywall::owed,
    store::{Condition, Debt, Payment, PaymentState, Store, StoreError, condition},
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
        /// The transaction that moved the money, or gave it back.
        transaction: Option<String>,
    },
}

impl PaymentsCommand {
    /// Reads the arguments after `payments`; none where help is asked for.
    ///
    /// # Errors
    /// The argument that is not known or lacks its value.
    pub fn read(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let verb = arguments.next().ok_or("payments")?;
        let rest: Vec<String> = arguments.collect();
        if rest
            .iter()
            .any(|argument| argument == "--help" || argument == "-h")
        {
            return Ok(None);
        }
        match (verb.as_str(), rest.as_slice()) {
            ("--help" | "-h", _) => Ok(None),
            ("due", []) => Ok(Some(Self::Due { json: false })),
            ("due", [json]) if json == "--json" => Ok(Some(Self::Due { json: true })),
            ("show", [id]) => Ok(Some(Self::Show { id: id.clone() })),
            ("resolve", [id, options @ ..]) => resolve(id, options).map(Some),
            ("due" | "show", [.., wrong]) => Err(wrong.clone()),
            _ => Err(verb),
        }
    }
}

fn resolve(id: &str, options: &[String]) -> Result<PaymentsCommand, String> {
    let (mut reason, mut transaction) = (None, None);
    for pair in options.chunks(2) {
        match pair {
            [name, value] if name == "--reason" && !value.trim().is_empty() => {
                reason = Some(value.trim().to_owned());
            }
            [name, value] if name == "--transaction" && value.parse::<B256>().is_ok() => {
                transaction = Some(value.to_ascii_lowercase());
            }
            [name, ..] => return Err(name.clone()),
            [] => {}
        }
    }
    Ok(PaymentsCommand::Resolve {
        id: id.to_owned(),
        reason: reason.ok_or("--reason")?,
        transaction,
    })
}

/// Runs the command. The status is 0 where it did what was asked.
pub async fn run(config: &Config, clock: Arc<dyn Clock>, command: PaymentsCommand) -> ExitCode {
    match perform(config, clock, command).await {
        Ok(text) => {
            // Whatever reads the output may have ended, as `head` does.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// What the command prints.
///
/// # Errors
/// Why it cannot be done.
pub async fn perform(
    config: &Config,
    clock: Arc<dyn Clock>,
    command: PaymentsCommand,
) -> Result<String, String> {
    let failed = |error: StoreError| format!("the database cannot be used: {error}");
    // To open it would bring its schema up to date, under a service of another release.
    match condition(&config.database).await.map_err(failed)? {
        Condition::InOrder => {}
        Condition::Fresh => return Err("there is no database yet: nothing was sold".into()),
        Condition::Older => {
            return Err("the database is of an earlier release: start the service once".into());
        }
        Condition::Newer => {
            return Err("the database is of a later release than this program".into());
        }
    }
    let store = Store::of(&config.database).await.map_err(failed)?;
    let now = i64::try_from(clock.unix_seconds()).unwrap_or(i64::MAX);
    match command {
        PaymentsCommand::Due { json } => due(&store, json).await.map_err(failed),
        PaymentsCommand::Show { id } => {
            let payment = find(&store, &id).await?;
            show(&store, &payment).await.map_err(failed)
        }
        PaymentsCommand::Resolve {
            id,
            reason,
            transaction,
        } => {
            let payment = find(&store, &id).await?;
            settle(&store, &payment, &reason, transaction.as_deref(), now).await
        }
    }
}

async fn find(store: &Store, id: &str) -> Result<Payment, String> {
    let found = store.payment(id).await;
    found
        .map_err(|error| format!("the database cannot be used: {error}"))?
        .ok_or_else(|| format!("there is no payment {id}"))
}

async fn due(store: &Store, json: bool) -> Result<String, StoreError> {
    let debts = store.debts_due().await?;
    let unresolved = store.unresolved_payments().await?;
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
            json!({"due": debts, "unresolved": unresolved})
        ));
    }
    let mut text = format!("Owed to customers: {}\n", sum(&debts));
    for debt in &debts {
        text.push_str(&format!(
            "  {}  {:>14}  {}  since {}\n",
            debt.payment_id,
            Usdc(debt.amount).to_string(),
            debt.reason,
            time(debt.created_at)
        ));
    }
    text.push_str(&format!(
        "Payments of which it is not known whether they moved money: {}\n",
        unresolved.len()
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
    if !(debts.is_empty() && unresolved.is_empty()) {
        text.push_str("See one with: proxmox-api payments show ID\n");
    }
    Ok(text)
}

fn sum(debts: &[Debt]) -> Usdc {
    Usdc(debts.iter().map(|debt| debt.amount).sum())
}

fn debt_json(debt: &Debt) -> Value {
    json!({"paymentId": debt.payment_id, "amount": debt.amount.to_string(), "reason": debt.reason,
        "since": time(debt.created_at)})
}

async fn show(store: &Store, payment: &Payment) -> Result<String, StoreError> {
    let mut lines = vec![
        ("payment", payment.payment_id.clone()),
        ("state", payment.state.as_str().to_owned()),
        ("for", operations::route_of(&payment.operation)),
        ("amount", Usdc(payment.amount).to_string()),
        ("payer", payment.payer.clone()),
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
        ("lease", payment.lease_id.clone()),
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
             proxmox-api payments resolve ID --reason TEXT                     it did not and cannot any more\n",
        );
    }
    Ok(text)
}

/// Settles what is open about a payment, and writes it into the audit trail.
async fn settle(
    store: &Store,
    payment: &Payment,
    reason: &str,
    transaction: Option<&str>,
    now: i64,
) -> Result<String, String> {
    let failed = |error: StoreError| format!("nothing was changed: {error}");
    let id = &payment.payment_id;
    let (done, says) = match (payment.state, transaction) {
        (PaymentState::Unresolved, Some(transaction)) => {
            let transfer = TransferEvidence {
                transaction: transaction.to_owned(),
                log_index: None,
                block: None,
            };
            let done = store.mark_settled(id, transfer, now).await;
            let says = "It moved money. The service delivers it within two minutes, or owes it.";
            (done.map_err(failed)?, says)
        }
        (PaymentState::Unresolved, None) => {
            let done = store.mark_refused(id, "resolved_by_operator", now).await;
            let says = "It moved no money. What was made for it is removed.";
            (done.map_err(failed)?, says)
        }
        _ => {
            let debts = store.debts_of(id).await.map_err(failed)?;
            let Some(debt) = debts.iter().find(|debt| debt.state == "due") else {
                return Err(format!(
                    "nothing is open about {id}: it is {}, and nothing is due",
                    payment.state.as_str()
                ));
            };
            let done = store
                .pay_debt(id, &debt.reason, reason, transaction, now)
                .await;
            (done.map_err(failed)?, "The debt was given back.")
        }
    };
    if !done {
        return Err(format!("{id} has changed meanwhile: look at it again"));
    }
    let data = json!({"reason": reason, "transaction": transaction, "was": payment.state.as_str()});
    store
        .append_event(now, id, owed::RESOLVED_BY_OPERATOR, &data)
        .await
        .map_err(|error| format!("it was done, and the audit trail does not say so: {error}"))?;
    Ok(format!("{says}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &[&str]) -> Result<Option<PaymentsCommand>, String> {
        PaymentsCommand::read(line.iter().map(|word| (*word).to_owned()))
    }

    #[test]
    fn a_decision_needs_a_reason_and_a_transaction_has_to_be_one() {
        let hash = format!("0x{}", "Ab".repeat(32));
        assert_eq!(
            read(&[
                "resolve",
                "pay_1",
                "--transaction",
                &hash,
                "--reason",
                "seen on the chain"
            ]),
            Ok(Some(PaymentsCommand::Resolve {
                id: "pay_1".into(),
                reason: "seen on the chain".into(),
                transaction: Some(hash.to_lowercase()),
            }))
        );
        for (line, wrong) in [
            (&["resolve", "pay_1"] as &[&str], "--reason"),
            (&["resolve", "pay_1", "--reason"], "--reason"),
            (&["resolve", "pay_1", "--reason", " "], "--reason"),
            (
                &["resolve", "pay_1", "--reason", "x", "--transaction", "0x12"],
                "--transaction",
            ),
            (&["resolve", "pay_1", "--force", "yes"], "--force"),
            (&["due", "all"], "all"),
            (&["pay"], "pay"),
            (&[], "payments"),
        ] {
            assert_eq!(read(line), Err(wrong.to_owned()));
        }
    }
}

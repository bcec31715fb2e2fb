//! What `proxmox-api payments due` and `show` print.

use api_types::Usdc;
use serde_json::{Value, json};
use x402::network::Network;

use crate::{
    ids::LeaseId,
    operations,
    store::{Debt, LISTED, Payment, PaymentState, Store, StoreError},
    timestamp::timestamp,
};

/// What is owed and what is unresolved, as text or as JSON.
///
/// # Errors
/// The database failed.
pub(super) async fn due(store: &Store, json: bool) -> Result<String, StoreError> {
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
            timestamp(debt.created_at)
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
        "since": timestamp(debt.created_at)})
}

/// One payment with its debts and events, and how to settle it.
///
/// # Errors
/// The database failed.
pub(super) async fn show(store: &Store, payment: &Payment) -> Result<String, StoreError> {
    let mut lines = vec![
        ("payment", payment.payment_id.to_string()),
        ("state", payment.state.as_str().to_owned()),
        ("for", operations::registry::route_of(&payment.operation)),
        ("amount", Usdc(payment.amount).to_string()),
        ("payer", payment.payer.to_string()),
        ("pay to", payment.pay_to.clone()),
        ("network", payment.network.clone()),
        ("nonce", payment.nonce.clone()),
        ("good until", timestamp(payment.valid_before).to_string()),
        ("first seen", timestamp(payment.created_at).to_string()),
        ("last change", timestamp(payment.updated_at).to_string()),
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
        let text = format!("{} {} {}", timestamp(event.at), event.kind, event.data);
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

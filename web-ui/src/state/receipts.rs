//! Receipts: their sum, and the files that a bookkeeper or a program takes.

use api_types::{Timestamp, Usdc};
use serde::{Deserialize, Serialize};

use crate::format::decimal_amount;

const COLUMNS: &str = "created,settled,state,operation,amount_usdc,network,payer,pay_to,transaction,lease,payment,nonce";

/// A payment as the service lists it. The state is kept as a text: one that a later service says must not hide the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// The id of the payment.
    pub payment_id: String,
    /// Where it is.
    pub state: String,
    /// What it was for: method and path.
    pub operation: String,
    /// How much.
    pub amount: Usdc,
    /// The network it is on.
    pub network: String,
    /// The contract address of the token.
    pub asset: String,
    /// The wallet that pays.
    pub payer: String,
    /// The address that is paid.
    pub pay_to: String,
    /// The nonce of its signature.
    pub nonce: String,
    /// The hash of the settling transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<String>,
    /// Where the transaction can be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explorer_url: Option<String>,
    /// The lease it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_id: Option<String>,
    /// Why it was refused, released or is owed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was first seen.
    pub created_at: Timestamp,
    /// When it was settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<Timestamp>,
}

/// What was paid and had.
pub fn settled_sum(payments: &[Payment]) -> Usdc {
    sum_of(payments, "settled")
}

/// What was paid and is owed to the customer.
pub fn owed_sum(payments: &[Payment]) -> Usdc {
    sum_of(payments, "owed")
}

fn sum_of(payments: &[Payment], state: &str) -> Usdc {
    let those = payments.iter().filter(|payment| payment.state == state);
    those.map(|payment| payment.amount).sum()
}

/// All payments as comma-separated values (RFC 4180).
pub fn csv(payments: &[Payment]) -> String {
    let mut file = format!("{COLUMNS}\r\n");
    for payment in payments {
        let settled = payment.settled_at.map(|at| at.to_string());
        let row = [
            &payment.created_at.to_string(),
            settled.as_deref().unwrap_or_default(),
            &payment.state,
            &payment.operation,
            &decimal_amount(payment.amount),
            &payment.network,
            &payment.payer,
            &payment.pay_to,
            payment.transaction.as_deref().unwrap_or_default(),
            payment.lease_id.as_deref().unwrap_or_default(),
            &payment.payment_id,
            &payment.nonce,
        ];
        file.push_str(&row.map(field).join(","));
        file.push_str("\r\n");
    }
    file
}

/// All payments as the service has them, for programs.
pub fn json(payments: &[Payment]) -> String {
    serde_json::to_string_pretty(payments).expect("payments are texts and numbers")
}

/// A quoted field. A spreadsheet takes a text that begins like a formula for one, so such a text gets an apostrophe.
fn field(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let mark = if formula { "'" } else { "" };
    if formula || text.contains([',', '"', '\r', '\n']) {
        format!("\"{mark}{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    fn payment(state: &str, operation: &str) -> Payment {
        from_value(json!({
            "paymentId": "p-1", "state": state, "operation": operation, "amount": "10000",
            "network": "base-sepolia", "asset": "0x036C", "payer": "0xf39F", "payTo": "0x7099", "nonce": "0x01",
            "createdAt": "2026-01-01T00:00:00Z",
        }))
        .unwrap()
    }

    #[test]
    fn only_what_was_settled_counts() {
        let payments = [
            payment("settled", "a"),
            payment("refused", "b"),
            payment("settled", "c"),
        ];
        assert_eq!(settled_sum(&payments), Usdc(20_000));
    }

    #[test]
    fn a_row_is_a_row_whatever_it_says() {
        let file = csv(&[
            payment("settled", "POST /lease/container"),
            payment("refused", "=1+1, \"x\""),
        ]);
        let lines: Vec<_> = file.split("\r\n").collect();
        assert_eq!(lines[0], COLUMNS);
        assert_eq!(
            lines[1],
            "2026-01-01T00:00:00Z,,settled,POST /lease/container,0.0100,base-sepolia,0xf39F,0x7099,,,p-1,0x01"
        );
        assert!(lines[2].contains("\"'=1+1, \"\"x\"\"\""));
        assert_eq!(lines.len(), 4);
    }

    #[test]
    fn a_file_for_programs_reads_back() {
        let payments = vec![payment("settled", "POST /lease/container")];
        let read: Vec<Payment> = serde_json::from_str(&json(&payments)).unwrap();
        assert_eq!(read, payments);
    }

    #[test]
    fn a_state_of_a_later_service_hides_no_other_payment_and_is_kept_in_the_files() {
        let list = json!([
            {"paymentId": "p-1", "state": "paid_back", "operation": "x", "amount": "10000", "network": "base-sepolia",
             "asset": "0x036C", "payer": "0xf39F", "payTo": "0x7099", "nonce": "0x01", "createdAt": "2026-01-01T00:00:00Z"},
        ]);
        let payments: Vec<Payment> = from_value(list.clone()).unwrap();
        assert!(csv(&payments).contains(",paid_back,"));
        assert_eq!(serde_json::to_value(&payments).unwrap(), list);
        assert_eq!(settled_sum(&payments), Usdc(0));
    }

    #[test]
    fn what_is_owed_is_summed_apart() {
        let payments = [
            payment("owed", "a"),
            payment("settled", "b"),
            payment("owed", "c"),
        ];
        assert_eq!(owed_sum(&payments), Usdc(20_000));
        assert_eq!(settled_sum(&payments), Usdc(10_000));
    }
}

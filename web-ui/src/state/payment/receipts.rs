//! Receipts: their sum, and their export as CSV and JSON.

use api_types::Usdc;

use crate::{api::ListedPayment, format::decimal_amount};

const COLUMNS: &str = "created,settled,state,operation,amount_usdc,network,payer,pay_to,transaction,lease,payment,nonce";

/// The sum of the settled payments.
pub fn settled_sum(payments: &[ListedPayment]) -> Usdc {
    sum_of(payments, "settled")
}

/// The sum of the payments that are owed to the customer.
pub fn owed_sum(payments: &[ListedPayment]) -> Usdc {
    sum_of(payments, "owed")
}

fn sum_of(payments: &[ListedPayment], state: &str) -> Usdc {
    let counted = payments.iter().filter(|payment| payment.state == state);
    counted.map(|payment| payment.amount).sum()
}

/// All payments as comma-separated values (RFC 4180).
pub fn csv(payments: &[ListedPayment]) -> String {
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

/// All payments as JSON, as the service lists them.
pub fn json(payments: &[ListedPayment]) -> String {
    serde_json::to_string_pretty(payments).expect("payments are texts and numbers")
}

/// A field of the CSV, quoted if necessary. Spreadsheets run a text that begins like a formula, so
/// it gets an apostrophe.
fn field(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let prefix = if formula { "'" } else { "" };
    if formula || text.contains([',', '"', '\r', '\n']) {
        format!("\"{prefix}{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    fn payment(state: &str, operation: &str) -> ListedPayment {
        from_value(json!({
            "paymentId": "p-1", "state": state, "operation": operation, "amount": "10000",
            "network": "base-sepolia", "asset": "0x036C", "payer": "0xf39F", "payTo": "0x7099", "nonce": "0x01",
            "createdAt": "2026-01-01T00:00:00Z",
        }))
        .unwrap()
    }

    #[test]
    fn only_settled_payments_are_summed() {
        let payments = [
            payment("settled", "a"),
            payment("refused", "b"),
            payment("settled", "c"),
        ];
        assert_eq!(settled_sum(&payments), Usdc(20_000));
    }

    #[test]
    fn each_payment_is_one_row_whatever_its_text() {
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
    fn the_json_can_be_read_back() {
        let payments = vec![payment("settled", "POST /lease/container")];
        let read: Vec<ListedPayment> = serde_json::from_str(&json(&payments)).unwrap();
        assert_eq!(read, payments);
    }

    #[test]
    fn an_unknown_state_hides_no_other_payment_and_is_exported() {
        let list = json!([
            {"paymentId": "p-1", "state": "paid_back", "operation": "x", "amount": "10000", "network": "base-sepolia",
             "asset": "0x036C", "payer": "0xf39F", "payTo": "0x7099", "nonce": "0x01", "createdAt": "2026-01-01T00:00:00Z"},
        ]);
        let payments: Vec<ListedPayment> = from_value(list.clone()).unwrap();
        assert!(csv(&payments).contains(",paid_back,"));
        assert_eq!(serde_json::to_value(&payments).unwrap(), list);
        assert_eq!(settled_sum(&payments), Usdc(0));
    }

    #[test]
    fn owed_payments_have_their_own_sum() {
        let payments = [
            payment("owed", "a"),
            payment("settled", "b"),
            payment("owed", "c"),
        ];
        assert_eq!(owed_sum(&payments), Usdc(20_000));
        assert_eq!(settled_sum(&payments), Usdc(10_000));
    }
}

//! Receipts: their sum, and the files that a bookkeeper or a program takes.

use api_types::{PaymentState, PaymentView, Usdc};

use crate::format::decimal_amount;

const COLUMNS: &str = "created,settled,state,operation,amount_usdc,network,payer,pay_to,transaction,lease,payment,nonce";

/// What was really paid.
pub fn settled_sum(payments: &[PaymentView]) -> Usdc {
    let settled = payments
        .iter()
        .filter(|payment| payment.state == PaymentState::Settled);
    settled.map(|payment| payment.amount).sum()
}

/// All payments as comma-separated values (RFC 4180).
pub fn csv(payments: &[PaymentView]) -> String {
    let mut file = format!("{COLUMNS}\r\n");
    for payment in payments {
        let settled = payment.settled_at.map(|at| at.to_string());
        let row = [
            &payment.created_at.to_string(),
            settled.as_deref().unwrap_or_default(),
            state_name(payment.state),
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
pub fn json(payments: &[PaymentView]) -> String {
    serde_json::to_string_pretty(payments).expect("payments are texts and numbers")
}

/// A state's name on the wire.
const fn state_name(state: PaymentState) -> &'static str {
    match state {
        PaymentState::Reserved => "reserved",
        PaymentState::Verified => "verified",
        PaymentState::Released => "released",
        PaymentState::Settling => "settling",
        PaymentState::Reconciling => "reconciling",
        PaymentState::Unresolved => "unresolved",
        PaymentState::Settled => "settled",
        PaymentState::Owed => "owed",
        PaymentState::Refused => "refused",
    }
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

    fn payment(state: &str, operation: &str) -> PaymentView {
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
        let read: Vec<PaymentView> = serde_json::from_str(&json(&payments)).unwrap();
        assert_eq!(read, payments);
    }

    #[test]
    fn states_are_named_as_on_the_wire() {
        for state in [
            "reserved",
            "verified",
            "released",
            "settling",
            "reconciling",
            "settled",
            "refused",
        ] {
            assert_eq!(state_name(payment(state, "x").state), state);
        }
    }
}

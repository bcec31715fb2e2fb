//! `infra402 payments`: what the wallet has paid, and what became of it.

use api_types::{PaymentView, PaymentsResponse};
use reqwest::Method;

use super::show;
use crate::{
    api::{Api, read},
    failure::Failure,
    printed::table,
};

pub(super) async fn run(api: &Api, limit: u32) -> Result<u8, Failure> {
    let listed = api
        .call(Method::GET, &format!("/payments?limit={limit}"), None)
        .await?;
    show(api, &listed, || {
        // The state is a text, so that one of a later release does not hide the others.
        let list: PaymentsResponse<String> = read(&listed)?;
        Ok(text(&list.payments))
    })
}

fn text(payments: &[PaymentView<String>]) -> String {
    if payments.is_empty() {
        return "this wallet has paid nothing yet".to_owned();
    }
    let row = |payment: &PaymentView<String>| {
        let state = match payment.owed {
            Some(owed) => format!("{}, {owed} owed to you", payment.state),
            None => payment.state.clone(),
        };
        vec![
            payment.created_at.to_string(),
            payment.amount.to_decimal(),
            state,
            payment.operation.clone(),
            payment
                .transaction
                .clone()
                .unwrap_or_else(|| "-".to_owned()),
        ]
    };
    let rows: Vec<_> = payments.iter().map(row).collect();
    table(&["AT", "USDC", "STATE", "FOR", "TRANSACTION"], &rows)
}

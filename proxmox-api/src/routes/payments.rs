//! `GET /payments`: what a wallet has paid and what became of it, the youngest first, in pages.

use api_types::{PaymentView, PaymentsResponse, Usdc};
use axum::{Extension, Router, extract::State, response::Response, routing::get};
use serde::Deserialize;
use service::request_id::RequestId;
use x402::network::Network;

use super::{Query, leases::bad_query, private};
use crate::{
    App,
    error::ApiError,
    ids::{PaymentId, Wallet},
    lease::view::checksummed,
    operations::registry,
    sessions::WalletSession,
    store::{LARGEST_PAGE, PaymentState, PaymentSummary},
    timestamp::timestamp,
};

/// Payments on a page where the query names no limit.
const PAGE: u32 = 50;

/// The route.
pub fn router() -> Router<App> {
    Router::new().route("/payments", get(list))
}

/// The page that is wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    limit: Option<u32>,
    /// Only payments older than this one.
    before: Option<PaymentId>,
}

async fn list(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Query(page): Query<Page>,
) -> Response {
    private(&id, read(&app, &session.wallet, &page).await)
}

async fn read(app: &App, wallet: &Wallet, page: &Page) -> Result<PaymentsResponse, ApiError> {
    let limit = page.limit.unwrap_or(PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        let message = format!("has to be from 1 to {LARGEST_PAGE}");
        return Err(bad_query("limit", &message));
    }
    // One more than wanted says whether there is a further page.
    let before = page.before.as_ref();
    let mut rows = app
        .store
        .payments_by_payer(wallet, before, limit + 1)
        .await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let simulated = app.facilitator.describe().simulated;
    let last = rows.last().map(|row| row.payment_id.clone());
    Ok(PaymentsResponse {
        payments: rows.into_iter().map(|row| view(row, simulated)).collect(),
        next: last.filter(|_| more).map(String::from),
    })
}

/// No explorer knows the transactions of a `simulated` ledger.
fn view(row: PaymentSummary, simulated: bool) -> PaymentView {
    use api_types::PaymentState as Public;
    let state = match row.state {
        PaymentState::Reserved => Public::Reserved,
        PaymentState::Verified => Public::Verified,
        PaymentState::Released => Public::Released,
        PaymentState::Settling => Public::Settling,
        PaymentState::Unknown => Public::Reconciling,
        PaymentState::Unresolved => Public::Unresolved,
        PaymentState::Settled | PaymentState::Answered if row.due >= row.amount && row.due > 0 => {
            Public::Owed
        }
        PaymentState::Settled | PaymentState::Answered => Public::Settled,
        PaymentState::Refused => Public::Refused,
    };
    let network = Network::by_name(&row.network).filter(|_| !simulated);
    let explorer = |transaction: &String| Some(network?.explorer_tx(transaction));
    PaymentView {
        state,
        operation: registry::route_of(&row.operation),
        amount: Usdc(row.amount),
        asset: checksummed(&row.asset),
        payer: row.payer.checksummed(),
        pay_to: checksummed(&row.pay_to),
        nonce: row.nonce,
        explorer_url: row.transaction.as_ref().and_then(explorer),
        transaction: row.transaction,
        owed: (row.due > 0).then_some(Usdc(row.due)),
        lease_id: row.lease_id.map(String::from),
        reason: row.reason,
        created_at: timestamp(row.created_at),
        settled_at: matches!(state, Public::Settled | Public::Owed)
            .then(|| timestamp(row.updated_at)),
        payment_id: row.payment_id.into(),
        network: row.network,
    }
}

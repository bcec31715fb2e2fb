//! `GET /credit`, `GET /credit/entries`: what a wallet has paid in ahead and what became of it.
//! Where credit is off the routes do not exist.

use api_types::{
    CreditDirection, CreditEntries, CreditEntry, CreditResponse, Size, Timestamp, Usdc, price,
};
use axum::{Extension, Router, extract::State, response::Response, routing::get};
use serde::Deserialize;
use service::request_id::RequestId;

use super::{Query, leases::bad_query, private};
use crate::{
    App,
    config::CreditConfig,
    credit,
    error::ApiError,
    ids::Wallet,
    sessions::WalletSession,
    store::{LARGEST_PAGE, LedgerEntry, PaidLease},
    timestamp::timestamp,
};

/// Movements on a page where the query names no limit.
const PAGE: u32 = 50;

/// The routes.
pub fn router(app: &App) -> Router<App> {
    match app.config.credit {
        Some(_) => Router::new()
            .route("/credit", get(show))
            .route("/credit/entries", get(entries)),
        None => Router::new(),
    }
}

async fn show(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
) -> Response {
    let shown = async {
        let rules = app.config.credit.as_ref().ok_or_else(none)?;
        of_wallet(&app, rules, &session.wallet).await
    };
    private(&id, shown.await)
}

fn none() -> ApiError {
    ApiError::new(api_types::ErrorCode::NotFound, "There is no credit here.")
}

async fn of_wallet(
    app: &App,
    rules: &CreditConfig,
    wallet: &Wallet,
) -> Result<CreditResponse, ApiError> {
    let now = app.now();
    let (credit, leases, spent) = tokio::try_join!(
        app.store.credit_of(wallet),
        app.store.live_leases_of(wallet),
        app.store.spent_since(wallet, credit::midnight(now)),
    )?;
    let burn = burn_per_hour(app, &leases);
    Ok(CreditResponse {
        balance: Usdc(credit.balance),
        held: Usdc(credit.held),
        available: Usdc(credit.available()),
        burn_per_hour: Usdc(burn),
        lasts_until: lasts_until(credit.available(), burn, now),
        spent_today: Usdc(spent),
        top_up: credit::terms(app, rules, wallet, 0).await?,
    })
}

/// What an hour of all leases costs by the rates of today, without the fee of a renewal.
fn burn_per_hour(app: &App, leases: &[PaidLease]) -> u64 {
    let tariff = app.tariff();
    let of_one = |lease: &PaidLease| {
        let lease = &lease.lease;
        let size = Size {
            cores: lease.cores,
            memory_mb: lease.memory_mb,
            disk_gb: lease.disk_gb,
        };
        let price = price::price_renew(tariff, size, 60).ok()?;
        Some(price.total.0.saturating_sub(tariff.call_fee.0))
    };
    let live = leases
        .iter()
        .filter(|lease| lease.lease.state.is_renewable());
    live.filter_map(of_one).fold(0, u64::saturating_add)
}

fn lasts_until(available: u64, burn: u64, now: i64) -> Option<Timestamp> {
    /// A hundred years: a later moment is of no use to anybody.
    const MOST: u128 = 100 * 365 * 24 * 3600;
    if burn == 0 {
        return None;
    }
    let seconds = (u128::from(available) * 3600 / u128::from(burn)).min(MOST);
    let seconds = i64::try_from(seconds).unwrap_or(0);
    Some(timestamp(now.saturating_add(seconds)))
}

/// The page that is wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    limit: Option<u32>,
    /// Only movements before this one.
    before: Option<u64>,
}

async fn entries(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Query(page): Query<Page>,
) -> Response {
    private(&id, read(&app, &session.wallet, &page).await)
}

async fn read(app: &App, wallet: &Wallet, page: &Page) -> Result<CreditEntries, ApiError> {
    let limit = page.limit.unwrap_or(PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        let message = format!("has to be from 1 to {LARGEST_PAGE}");
        return Err(bad_query("limit", &message));
    }
    // One more than wanted says whether there is a further page.
    let found = app.store.credit_entries(wallet, page.before, limit + 1);
    let mut rows = found.await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    Ok(CreditEntries {
        next: rows.last().filter(|_| more).map(|row| row.entry_id),
        entries: rows.into_iter().map(view).collect(),
    })
}

fn view(row: LedgerEntry) -> CreditEntry {
    CreditEntry {
        entry_id: row.entry_id,
        at: timestamp(row.at),
        kind: row.kind,
        direction: match row.adds {
            true => CreditDirection::In,
            false => CreditDirection::Out,
        },
        amount: Usdc(row.amount),
        reference: row.reference,
        key_id: row.key_id.map(String::from),
        lease_id: row.lease_id.map(String::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credit_lasts_for_what_it_buys() {
        assert_eq!(lasts_until(5, 0, 100), None);
        assert_eq!(lasts_until(0, 10, 100), Some(Timestamp(100)));
        assert_eq!(lasts_until(15, 10, 100), Some(Timestamp(100 + 5_400)));
        assert!(lasts_until(u64::MAX, 1, 100).is_some());
    }
}

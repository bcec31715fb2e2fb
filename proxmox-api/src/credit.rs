//! What a wallet may pay in, and how much of it: the terms of a top-up.

use api_types::{CreditShortfall, TopUpTerms, Usdc};

use crate::{
    config::CreditConfig,
    ids::Wallet,
    state::App,
    store::{Credit, StoreError},
};

/// The route of a top-up.
pub const TOP_UP_PATH: &str = "/credit/top-up";
/// What a top-up suggests: clients of x402 without settings refuse to pay more at a time.
const SUGGESTED: u64 = 1_000_000;

/// The begin of the day of UTC, Unix seconds.
pub fn midnight(now: i64) -> i64 {
    const DAY: i64 = 24 * 3600;
    now - now.rem_euclid(DAY)
}

/// The end of the day of UTC, Unix seconds.
pub fn next_midnight(now: i64) -> i64 {
    midnight(now) + 24 * 3600
}

/// The most that a wallet may pay in now; `waiting` is what its payments that are under way may
/// still move.
///
/// # Errors
/// The store failed.
pub async fn most(
    app: &App,
    rules: &CreditConfig,
    wallet: &Wallet,
    waiting: u64,
) -> Result<u64, StoreError> {
    let (credit, today) = tokio::try_join!(
        app.store.credit_of(wallet),
        app.store.topped_up_since(wallet, midnight(app.now())),
    )?;
    let room = |most: u64, used: u64| most.saturating_sub(used).saturating_sub(waiting);
    Ok(room(rules.max, credit.balance).min(room(rules.max_day, today)))
}

/// What a top-up of this wallet has to be; `missing` is what it needs at least.
///
/// # Errors
/// The store failed.
pub async fn terms(
    app: &App,
    rules: &CreditConfig,
    wallet: &Wallet,
    missing: u64,
) -> Result<TopUpTerms, StoreError> {
    let maximum = most(app, rules, wallet, 0).await?;
    let suggested = SUGGESTED.max(missing).max(rules.min_top_up).min(maximum);
    Ok(TopUpTerms {
        method: "POST".to_owned(),
        path: TOP_UP_PATH.to_owned(),
        minimum: Usdc(rules.min_top_up),
        suggested: Usdc(suggested),
        maximum: Usdc(maximum),
    })
}

/// What is said of a wallet's credit to one whose call is not paid.
///
/// # Errors
/// The store failed.
pub async fn shortfall(
    app: &App,
    rules: &CreditConfig,
    wallet: &Wallet,
    required: u64,
) -> Result<CreditShortfall, StoreError> {
    let available = Credit::available(app.store.credit_of(wallet).await?);
    let missing = required.saturating_sub(available);
    Ok(CreditShortfall {
        available: Usdc(available),
        required: Usdc(required),
        shortfall: Usdc(missing),
        top_up: terms(app, rules, wallet, missing).await?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_and_ends_at_midnight() {
        assert_eq!((midnight(86_399), next_midnight(86_399)), (0, 86_400));
        assert_eq!((midnight(86_400), next_midnight(86_400)), (86_400, 172_800));
    }
}

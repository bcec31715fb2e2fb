//! What customers may pay in ahead, and what it buys.

use api_types::Usdc;
use service::env::Env;

use super::variables;
use crate::ids::Minutes;

/// The rules of credit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreditConfig {
    /// The fee of a call that is paid from credit: `PRICE_CALL_CREDIT`.
    pub call_fee: Usdc,
    /// The least of a top-up: `CREDIT_MIN_TOP_UP`.
    pub min_top_up: u64,
    /// The most that a wallet can have by paying in: `CREDIT_MAX`.
    pub max: u64,
    /// The most that a wallet can pay in in a day of UTC: `CREDIT_MAX_DAY`.
    pub max_day: u64,
    /// The first minutes of a lease, which stay paid: `MIN_BILLED_MINUTES`.
    pub min_billed: Minutes,
}

impl CreditConfig {
    /// `None` where credit is off.
    pub(super) fn read(env: &mut Env) -> Option<Self> {
        const MOST: u64 = u64::MAX / 4;
        let is_on = env.read_flag(&variables::CREDIT);
        let call_fee = Usdc(env.read_in(&variables::PRICE_CALL_CREDIT, 1..=1_000_000_000));
        let min_top_up = env.read_in(&variables::CREDIT_MIN_TOP_UP, 1..=1_000_000_000);
        let max = env.read_in(&variables::CREDIT_MAX, 1..=MOST);
        let max_day = env.read_in(&variables::CREDIT_MAX_DAY, 1..=MOST);
        if max < min_top_up || max_day < min_top_up {
            let what = "is more than a wallet may pay in";
            env.reject(&variables::CREDIT_MIN_TOP_UP, what);
        }
        let min_billed = Minutes(env.read_in(&variables::MIN_BILLED_MINUTES, 0..=1440));
        is_on.then_some(Self {
            call_fee,
            min_top_up,
            max,
            max_day,
            min_billed,
        })
    }
}

//! The current rates and the ones before: a quote stays valid for as long as a payment for it can
//! be, also when the operator changes the rates in between.

use api_types::Tariff;
use serde::{Deserialize, Serialize};

use crate::store::Store;

/// Seconds that a payment stays valid after it was signed: the time to make a container and to
/// settle.
pub const MAX_TIMEOUT_SECONDS: u64 = 300;

const NAME: &str = "tariffs";

/// The current rates and the ones before.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tariffs {
    current: Tariff,
    previous: Option<Previous>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Previous {
    tariff: Tariff,
    /// Unix seconds.
    honoured_until: u64,
}

impl Tariffs {
    /// Compares the rates with the stored ones, and stores a change.
    ///
    /// # Errors
    /// The store failed.
    pub async fn load(store: &Store, current: &Tariff, now: u64) -> anyhow::Result<Self> {
        let fresh = Self {
            current: current.clone(),
            previous: None,
        };
        let text = serde_json::to_string(&fresh)?;
        let kept = store.installation_value_or(NAME, text).await?;
        let known: Self = serde_json::from_str(&kept).unwrap_or_else(|_| fresh.clone());
        if known.current == *current {
            return Ok(known);
        }
        let changed = Self {
            previous: Some(Previous {
                tariff: known.current,
                honoured_until: now + MAX_TIMEOUT_SECONDS,
            }),
            ..fresh
        };
        store
            .set_installation_value(NAME, serde_json::to_string(&changed)?)
            .await?;
        Ok(changed)
    }

    /// The rates that a payment of this moment may have been quoted, the current ones first.
    pub fn honoured(&self, now: u64) -> impl Iterator<Item = &Tariff> {
        let previous = self
            .previous
            .as_ref()
            .filter(move |previous| now < previous.honoured_until);
        std::iter::once(&self.current).chain(previous.map(|previous| &previous.tariff))
    }
}

#[cfg(test)]
mod tests {
    use api_types::Usdc;

    use super::*;

    #[tokio::test]
    async fn a_quote_stays_valid_after_a_change_of_rates() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let old = Tariff::default();
        let new = Tariff {
            base_fee: Usdc(9_000),
            ..Tariff::default()
        };
        let rates = |tariffs: &Tariffs, now| tariffs.honoured(now).cloned().collect::<Vec<_>>();
        let first = Tariffs::load(&store, &old, 1_000).await.unwrap();
        assert_eq!(rates(&first, 1_000), std::slice::from_ref(&old));
        for start in [2_000, 2_100] {
            let changed = Tariffs::load(&store, &new, start).await.unwrap();
            assert_eq!(rates(&changed, 2_299), [new.clone(), old.clone()]);
            assert_eq!(rates(&changed, 2_300), std::slice::from_ref(&new));
        }
    }
}

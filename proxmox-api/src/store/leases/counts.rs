//! The numbers of leases, for metrics and the public statistics.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use pve::Vmid;

use super::super::{Store, StoreError};
use crate::ids::LeaseId;

/// How long the number of ended leases is cached: the work of counting grows with history.
const ENDED_FRESH: Duration = Duration::from_secs(3600);

/// The cached number of ended leases, with the time of the count.
#[derive(Debug, Clone, Default)]
pub(in crate::store) struct EndedLeases(Arc<Mutex<Option<(Instant, u32)>>>);

impl EndedLeases {
    fn kept(&self) -> Option<u32> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.filter(|(at, _)| at.elapsed() < ENDED_FRESH)
            .map(|(_, number)| number)
    }

    fn keep(&self, number: u32) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some((Instant::now(), number));
    }
}

impl Store {
    /// How many leases are in each state, by its name; those that wait for a payment that is open, by its state. The number of
    /// the destroyed ones may be an hour old.
    /// # Errors
    /// The database failed.
    pub async fn lease_counts(&self) -> Result<HashMap<String, u32>, StoreError> {
        let kept = self.ended.kept();
        let (mut counts, ended) = self
            .read(move |db| {
                let live: Vec<(String, u32)> = db.all(
                    "SELECT CASE WHEN state <> 'probed' THEN state ELSE
                         (SELECT CASE payments.state WHEN 'settling' THEN 'settling' WHEN 'unknown' THEN 'unknown'
                              WHEN 'unresolved' THEN 'unknown' ELSE 'probed' END
                          FROM payments WHERE payments.payment_id = leases.payment_id) END AS name, count(*) AS leases
                     FROM leases WHERE state <> 'destroyed' GROUP BY name",
                    &[],
                    |row| Ok((row.get("name")?, row.get("leases")?)),
                )?;
                let ended = match kept {
                    Some(number) => number,
                    None => {
                        let sql = "SELECT count(*) AS leases FROM leases WHERE state = 'destroyed'";
                        db.one(sql, &[], |row| row.get("leases"))?
                    }
                };
                Ok((live.into_iter().collect::<HashMap<_, _>>(), ended))
            })
            .await?;
        if kept.is_none() {
            self.ended.keep(ended);
        }
        counts.insert("destroyed".to_owned(), ended);
        Ok(counts)
    }

    /// The leases whose container may be used or is kept, with its number.
    /// # Errors
    /// The database failed.
    pub async fn leased_numbers(&self) -> Result<Vec<(LeaseId, Vmid)>, StoreError> {
        self.read(|db| {
            let sql = "SELECT lease_id, vmid FROM leases
                 WHERE state IN ('active', 'expiring', 'stopped') AND state <> 'destroyed'";
            db.all(sql, &[], |row| Ok((row.get("lease_id")?, row.get("vmid")?)))
        })
        .await
    }
}

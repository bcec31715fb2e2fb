//! The traffic of each lease's container, and its limits because of it. Nodes count from each start
//! of a container, so the stored sum grows by the difference between two samples, which [`meter`]
//! computes.

mod meter;

use std::collections::HashMap;

use api_types::TrafficStep;

use super::{
    Db, Store, StoreError, cells,
    change_lock::ChangeLock,
    events, signed,
    sql::owned_values,
    sql::{self, Cell, ToValue as _, batches, parameters},
    values,
};
use crate::ids::{LeaseId, Wallet};
pub use meter::{ByteCounts, Counters};
use meter::{LastSample, SampleReading};

/// A sample of a lease's container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterSample {
    /// The lease.
    pub lease_id: LeaseId,
    /// Its counters.
    pub counters: Counters,
}

/// The settings of net0 before it was slowed or cut off; `None` while it was not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SavedInterface {
    /// Its limit in bytes per second, 0 without one.
    pub rate: Option<u64>,
    /// Whether its link was down.
    pub down: Option<bool>,
}

/// The traffic of a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traffic {
    /// The lease.
    pub lease_id: LeaseId,
    /// Since its beginning.
    pub counted: ByteCounts,
    /// The step that was set in Proxmox last.
    pub step: TrafficStep,
    /// The settings of net0 before.
    pub kept: SavedInterface,
    /// Minutes that were bought, with all renewals.
    pub minutes: u64,
    /// Seconds for which it ran while it was cut off.
    pub cut_seconds: u64,
    /// Its link is down until the host's firewall has loaded its rules.
    pub waits_for_firewall: bool,
}

/// A step that was set in Proxmox.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct TrafficChange {
    pub lease_id: LeaseId,
    pub from: TrafficStep,
    pub to: TrafficStep,
    /// The settings of net0 to restore.
    pub kept: SavedInterface,
    /// The event's kind, and its details as JSON.
    pub event: (&'static str, String),
}

/// The result of one count of all leases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrafficCount {
    /// The sum of all leases.
    pub counted: ByteCounts,
    /// Leases with implausible counters, for which nothing was counted.
    pub doubtful: Vec<LeaseId>,
}

const TRAFFIC: &str = "SELECT leases.lease_id,
        COALESCE(sent, 0) AS sent, COALESCE(received, 0) AS received,
        COALESCE(step, 'full') AS step, kept_rate, kept_down,
        leases.minutes + CAST(COALESCE((SELECT sum(renewals.minutes) FROM renewals
            WHERE renewals.lease_id = leases.lease_id), 0) AS BIGINT) AS minutes, link_up_at,
        COALESCE(cut_seconds, 0) AS cut_seconds
    FROM leases LEFT JOIN traffic ON traffic.lease_id = leases.lease_id";

/// Samples that are stored by one commit.
const COMMIT: usize = 256;

/// A sum that would overflow stays at the largest number: an error would keep other leases from
/// being counted.
const COUNT: &str = "ON CONFLICT (lease_id) DO UPDATE SET
        sent = CASE WHEN traffic.sent > 9223372036854775807 - excluded.sent
            THEN 9223372036854775807 ELSE traffic.sent + excluded.sent END,
        received = CASE WHEN traffic.received > 9223372036854775807 - excluded.received
            THEN 9223372036854775807 ELSE traffic.received + excluded.received END,
        last_out = excluded.last_out, last_in = excluded.last_in,
        last_uptime = excluded.last_uptime, seen_at = excluded.seen_at,
        cut_seconds = CASE WHEN traffic.step IN ('cut', 'stopped')
            THEN traffic.cut_seconds + excluded.cut_seconds ELSE 0 END";

fn read_traffic(row: &sql::Row<'_>) -> Result<Traffic, StoreError> {
    Ok(Traffic {
        lease_id: row.get("lease_id")?,
        counted: ByteCounts {
            sent: row.get("sent")?,
            received: row.get("received")?,
        },
        step: row.get("step")?,
        kept: SavedInterface {
            rate: row.get("kept_rate")?,
            down: row.get::<Option<i64>>("kept_down")?.map(|down| down != 0),
        },
        minutes: row.get("minutes")?,
        waits_for_firewall: row.get::<Option<i64>>("link_up_at")?.is_some(),
        cut_seconds: row.get("cut_seconds")?,
    })
}

impl Store {
    /// Adds the bytes sent and received since the previous looks, for different leases: by few
    /// statements, and by a commit for every 256, so that other changes need not wait for all of
    /// them.
    /// # Errors
    /// The database failed; nothing is added of the commit in which it did, and of those after it.
    pub async fn count_traffic(
        &self,
        looks: Vec<CounterSample>,
        now: i64,
    ) -> Result<TrafficCount, StoreError> {
        let mut count = TrafficCount::default();
        for looks in looks.chunks(COMMIT) {
            let looks = looks.to_vec();
            let lock = ChangeLock::Named("traffic");
            let part = self
                .write(lock, move |db| count_some(db, &looks, now))
                .await?;
            count.counted.sent = count.counted.sent.saturating_add(part.counted.sent);
            count.counted.received = (count.counted.received).saturating_add(part.counted.received);
            count.doubtful.extend(part.doubtful);
        }
        Ok(count)
    }

    /// The traffic of every lease whose container may be used or is kept.
    /// # Errors
    /// The database failed.
    pub async fn traffic_of_live(&self) -> Result<Vec<Traffic>, StoreError> {
        self.read(|db| {
            let sql = format!(
                "{TRAFFIC} WHERE leases.state IN ('active', 'expiring', 'stopped')
                   AND leases.state <> 'destroyed'"
            );
            db.all(&sql, &[], read_traffic)
        })
        .await
    }

    /// The traffic of one lease; `None` where there is no such lease.
    /// # Errors
    /// The database failed.
    pub async fn traffic(&self, id: &LeaseId) -> Result<Option<Traffic>, StoreError> {
        let id = id.clone();
        self.read(move |db| {
            let sql = format!("{TRAFFIC} WHERE leases.lease_id = ?1");
            db.optional(&sql, values![id], read_traffic)
        })
        .await
    }

    /// The traffic of those of a wallet's live leases that are slowed or cut off, by lease id.
    /// # Errors
    /// The database failed.
    pub async fn limited_traffic(
        &self,
        owner: &Wallet,
    ) -> Result<HashMap<LeaseId, Traffic>, StoreError> {
        let sql = format!(
            "{TRAFFIC} WHERE leases.owner = ?1 AND leases.state <> 'destroyed'
               AND traffic.step <> 'full'"
        );
        let found = self.query(sql, owned_values![owner], read_traffic).await?;
        let by_lease = |traffic: Traffic| (traffic.lease_id.clone(), traffic);
        Ok(found.into_iter().map(by_lease).collect())
    }

    /// Stores the settings of net0 before they are changed.
    /// # Errors
    /// The database failed.
    pub async fn keep_interface(
        &self,
        id: &LeaseId,
        kept: SavedInterface,
    ) -> Result<(), StoreError> {
        let id = id.clone();
        self.write(ChangeLock::None, move |db| {
            let sql = "UPDATE traffic SET kept_rate = ?2, kept_down = ?3 WHERE lease_id = ?1";
            let (rate, down) = columns(kept)?;
            db.execute(sql, values![id, rate, down])?;
            Ok(())
        })
        .await
    }

    /// Stores a step that was set in Proxmox, with its event. False if it was stored before.
    /// # Errors
    /// The database failed.
    pub async fn set_traffic_step(
        &self,
        change: TrafficChange,
        now: i64,
    ) -> Result<bool, StoreError> {
        self.write(ChangeLock::None, move |db| {
            let sql = "UPDATE traffic SET step = ?3, kept_rate = ?4, kept_down = ?5,
                     cut_seconds = cut_seconds * ?6
                 WHERE lease_id = ?1 AND step = ?2";
            let (rate, down) = columns(change.kept)?;
            let (from, to) = (change.from.as_str(), change.to.as_str());
            let stays_cut = i64::from(change.to >= TrafficStep::Cut);
            let id = &change.lease_id;
            if db.execute(sql, values![id, from, to, rate, down, stays_cut])? == 0 {
                return Ok(false);
            }
            let (kind, data) = &change.event;
            db.make(&events::append(now, &change.lease_id, kind, data))?;
            Ok(true)
        })
        .await
    }
}

/// The row of one sample.
struct SampleRow {
    lease_id: LeaseId,
    sent: i64,
    received: i64,
    last_out: i64,
    last_in: i64,
    last_uptime: i64,
    seen_at: i64,
    cut_seconds: i64,
}

impl SampleRow {
    fn of(
        look: &CounterSample,
        last: Option<LastSample>,
        reading: SampleReading,
        now: i64,
    ) -> Self {
        let (counters, more) = (look.counters, reading.counted());
        Self {
            lease_id: look.lease_id.clone(),
            sent: within(more.sent),
            received: within(more.received),
            last_out: within(counters.sent),
            last_in: within(counters.received),
            last_uptime: within(counters.uptime),
            seen_at: now,
            cut_seconds: meter::seen_running(last, counters, now, reading),
        }
    }

    fn cells(&self) -> Vec<Cell<'_>> {
        cells! {
            "lease_id": self.lease_id,
            "sent": self.sent,
            "received": self.received,
            "last_out": self.last_out,
            "last_in": self.last_in,
            "last_uptime": self.last_uptime,
            "seen_at": self.seen_at,
            "step": TrafficStep::Full,
            "cut_seconds": self.cut_seconds,
        }
        .into()
    }
}

/// Stores samples of different leases, and returns the bytes that they add.
fn count_some(db: Db<'_>, looks: &[CounterSample], now: i64) -> Result<TrafficCount, StoreError> {
    let last = last_looks(db, looks)?;
    let (mut count, mut rows) = (TrafficCount::default(), Vec::new());
    for look in looks {
        let last = last.get(&look.lease_id).copied();
        let reading = meter::read(last, look.counters, now);
        if reading == SampleReading::Doubtful {
            count.doubtful.push(look.lease_id.clone());
        }
        if reading != SampleReading::Older {
            let (sum, more) = (&mut count.counted, reading.counted());
            sum.sent = sum.sent.saturating_add(more.sent);
            sum.received = sum.received.saturating_add(more.received);
            rows.push(SampleRow::of(look, last, reading, now));
        }
    }
    let rows: Vec<_> = rows.iter().map(SampleRow::cells).collect();
    db.insert_all("traffic", &rows, COUNT)?;
    Ok(count)
}

/// A counter, which may be any number, as a database's signed integer.
fn within(counter: u64) -> i64 {
    i64::try_from(counter).unwrap_or(i64::MAX)
}

fn columns(kept: SavedInterface) -> Result<(Option<i64>, Option<i64>), StoreError> {
    Ok((kept.rate.map(signed).transpose()?, kept.down.map(i64::from)))
}

/// The previous samples of these leases.
fn last_looks(
    db: Db<'_>,
    looks: &[CounterSample],
) -> Result<HashMap<LeaseId, LastSample>, StoreError> {
    let mut last = HashMap::new();
    for looks in batches(looks) {
        let sql = format!(
            "SELECT lease_id, last_out, last_in, last_uptime, seen_at FROM traffic
             WHERE lease_id IN ({})",
            parameters(1, looks.len())
        );
        let ids: Vec<_> = looks.iter().map(|look| look.lease_id.to_value()).collect();
        let found: Vec<(LeaseId, LastSample)> = db.all(&sql, &ids, |row| {
            let counters = Counters {
                sent: row.get("last_out")?,
                received: row.get("last_in")?,
                uptime: row.get("last_uptime")?,
            };
            let at = row.get("seen_at")?;
            Ok((row.get("lease_id")?, LastSample { counters, at }))
        })?;
        last.extend(found);
    }
    Ok(last)
}

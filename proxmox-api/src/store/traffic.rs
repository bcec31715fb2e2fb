//! What each lease's container has sent and received, and what was done because of it. Nodes count
//! from each start of a container on, so that what is stored grows by the differences between two
//! looks.

use std::collections::HashMap;

use api_types::TrafficStep;

use super::{Db, Store, StoreError, db::Row, events, signed, values};

/// Seconds by which a container may seem to run for longer than it does: the cluster's list lags,
/// and clocks differ.
const LAG: i64 = 60;

/// A container's counters at one look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Bytes sent since its start.
    pub sent: u64,
    /// Bytes received since its start.
    pub received: u64,
    /// Seconds since its start; 0 while it is stopped.
    pub uptime: u64,
}

/// A look at a lease's container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The lease.
    pub lease_id: String,
    /// What was seen.
    pub counters: Counters,
}

/// Bytes that were counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Sent.
    pub sent: u64,
    /// Received.
    pub received: u64,
}

/// What net0 was like before it was slowed or cut off; `None` while that was not done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Its limit in bytes per second, 0 without one.
    pub rate: Option<u64>,
    /// Whether its link was down.
    pub down: Option<bool>,
}

/// The traffic of a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traffic {
    /// The lease.
    pub lease_id: String,
    /// Since its beginning.
    pub counted: Counted,
    /// What Proxmox was told last because of that.
    pub step: TrafficStep,
    /// What net0 was like before.
    pub kept: Kept,
    /// Minutes that were bought, with all renewals.
    pub minutes: u64,
    /// Its link is down until the host's firewall knows its rules.
    pub waits_for_firewall: bool,
}

/// A step that Proxmox was told.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct TrafficChange {
    pub lease_id: String,
    pub from: TrafficStep,
    pub to: TrafficStep,
    /// What is still changed of net0.
    pub kept: Kept,
    /// The event's kind, and its details as JSON.
    pub event: (&'static str, String),
}

/// The counters at the last look, and when that was, Unix seconds.
#[derive(Debug, Clone, Copy)]
struct LastLook {
    counters: Counters,
    at: i64,
}

/// What was sent and received since the last look; `None` for a look that is older than that one.
fn since(last: Option<LastLook>, now: Counters, at: i64) -> Option<Counted> {
    let whole = Counted {
        sent: now.sent,
        received: now.received,
    };
    let Some(LastLook { counters, at: then }) = last else {
        return Some(whole);
    };
    if now.uptime < counters.uptime {
        // It was started since: then it cannot run for longer than it was not looked at.
        let started = i64::try_from(now.uptime).unwrap_or(i64::MAX) <= (at - then).max(0) + LAG;
        return started.then_some(whole);
    }
    // Counters alone begin anew with another hardware address.
    let sent = now.sent.checked_sub(counters.sent);
    let received = now.received.checked_sub(counters.received);
    let both = sent.zip(received);
    Some(both.map_or(whole, |(sent, received)| Counted { sent, received }))
}

const TRAFFIC: &str = "SELECT leases.lease_id,
        COALESCE(sent, 0), COALESCE(received, 0), COALESCE(step, 'full'), kept_rate, kept_down,
        leases.minutes + CAST(COALESCE((SELECT sum(renewals.minutes) FROM renewals
            WHERE renewals.lease_id = leases.lease_id), 0) AS BIGINT), link_up_at
    FROM leases LEFT JOIN traffic ON traffic.lease_id = leases.lease_id";

const COUNT: &str = "INSERT INTO traffic
        (lease_id, sent, received, last_out, last_in, last_uptime, seen_at, step)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'full')
    ON CONFLICT (lease_id) DO UPDATE SET
        sent = traffic.sent + excluded.sent, received = traffic.received + excluded.received,
        last_out = excluded.last_out, last_in = excluded.last_in,
        last_uptime = excluded.last_uptime, seen_at = excluded.seen_at";

fn read_traffic(row: &Row<'_>) -> Result<Traffic, StoreError> {
    let step: String = row.get(3)?;
    Ok(Traffic {
        lease_id: row.get(0)?,
        counted: Counted {
            sent: row.get(1)?,
            received: row.get(2)?,
        },
        step: TrafficStep::parse(&step).ok_or(StoreError::Unreadable("a step of traffic"))?,
        kept: Kept {
            rate: row.get(4)?,
            down: row.get::<Option<i64>>(5)?.map(|down| down != 0),
        },
        minutes: row.get(6)?,
        waits_for_firewall: row.get::<Option<i64>>(7)?.is_some(),
    })
}

impl Store {
    /// Adds what was sent and received since the looks before, by one commit for all of them; the
    /// sum.
    /// # Errors
    /// The database failed.
    pub async fn count_traffic(&self, looks: Vec<Look>, now: i64) -> Result<Counted, StoreError> {
        self.write(move |db| {
            let last = last_looks(db)?;
            let mut sum = Counted::default();
            for Look { lease_id, counters } in &looks {
                let last = last.get(lease_id).copied();
                let Some(more) = since(last, *counters, now) else {
                    continue;
                };
                sum.sent = sum.sent.saturating_add(more.sent);
                sum.received = sum.received.saturating_add(more.received);
                let (sent, received) = (signed(more.sent)?, signed(more.received)?);
                let (last_out, last_in) = (signed(counters.sent)?, signed(counters.received)?);
                let uptime = signed(counters.uptime)?;
                db.execute(
                    COUNT,
                    values![lease_id, sent, received, last_out, last_in, uptime, now],
                )?;
            }
            Ok(sum)
        })
        .await
    }

    /// The traffic of every lease whose container may be used or is kept.
    /// # Errors
    /// The database failed.
    pub async fn traffic_of_live(&self) -> Result<Vec<Traffic>, StoreError> {
        self.read(|db| {
            let sql = format!("{TRAFFIC} WHERE leases.state IN ('active', 'expiring', 'stopped')");
            db.all(&sql, &[], read_traffic)
        })
        .await
    }

    /// The traffic of one lease; `None` where there is no such lease.
    /// # Errors
    /// The database failed.
    pub async fn traffic(&self, id: &str) -> Result<Option<Traffic>, StoreError> {
        let id = id.to_owned();
        self.read(move |db| {
            let sql = format!("{TRAFFIC} WHERE leases.lease_id = ?1");
            db.optional(&sql, values![id], read_traffic)
        })
        .await
    }

    /// The traffic of those of a wallet's leases that are slowed or cut off, by lease id.
    /// # Errors
    /// The database failed.
    pub async fn limited_traffic(
        &self,
        owner: &str,
    ) -> Result<HashMap<String, Traffic>, StoreError> {
        let owner = owner.to_ascii_lowercase();
        self.read(move |db| {
            let sql = format!("{TRAFFIC} WHERE leases.owner = ?1 AND traffic.step <> 'full'");
            db.all(&sql, values![owner], |row| {
                let traffic = read_traffic(row)?;
                Ok((traffic.lease_id.clone(), traffic))
            })
        })
        .await
    }

    /// Keeps what net0 is like, before it is changed.
    /// # Errors
    /// The database failed.
    pub async fn keep_interface(&self, id: &str, kept: Kept) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |db| {
            let sql = "UPDATE traffic SET kept_rate = ?2, kept_down = ?3 WHERE lease_id = ?1";
            let (rate, down) = columns(kept)?;
            db.execute(sql, values![id, rate, down])?;
            Ok(())
        })
        .await
    }

    /// Proxmox was told a step; it is written down with its event. False: it was before.
    /// # Errors
    /// The database failed.
    pub async fn set_traffic_step(
        &self,
        change: TrafficChange,
        now: i64,
    ) -> Result<bool, StoreError> {
        self.write(move |db| {
            let sql = "UPDATE traffic SET step = ?3, kept_rate = ?4, kept_down = ?5
                 WHERE lease_id = ?1 AND step = ?2";
            let (rate, down) = columns(change.kept)?;
            let (from, to) = (change.from.as_str(), change.to.as_str());
            if db.execute(sql, values![change.lease_id, from, to, rate, down])? == 0 {
                return Ok(false);
            }
            let (kind, data) = change.event;
            events::append(db, now, &change.lease_id, kind, &data)?;
            Ok(true)
        })
        .await
    }
}

fn columns(kept: Kept) -> Result<(Option<i64>, Option<i64>), StoreError> {
    Ok((kept.rate.map(signed).transpose()?, kept.down.map(i64::from)))
}

fn last_looks(db: Db<'_>) -> Result<HashMap<String, LastLook>, StoreError> {
    let sql = "SELECT lease_id, last_out, last_in, last_uptime, seen_at
         FROM traffic JOIN leases USING (lease_id)
         WHERE leases.state <> 'destroyed'";
    db.all(sql, &[], |row| {
        let counters = Counters {
            sent: row.get(1)?,
            received: row.get(2)?,
            uptime: row.get(3)?,
        };
        let at = row.get(4)?;
        Ok((row.get(0)?, LastLook { counters, at }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(sent: u64, received: u64, uptime: u64) -> Counters {
        Counters {
            sent,
            received,
            uptime,
        }
    }

    /// Counted by a look at second 1000, after one at 900 that saw 500 sent and 50 received in 300
    /// seconds.
    fn then(now: Counters) -> Option<(u64, u64)> {
        let last = LastLook {
            counters: counters(500, 50, 300),
            at: 900,
        };
        since(Some(last), now, 1000).map(|counted| (counted.sent, counted.received))
    }

    #[test]
    fn differences_are_counted_and_all_of_it_after_a_start() {
        assert_eq!(then(counters(500, 50, 400)), Some((0, 0)));
        assert_eq!(then(counters(700, 51, 400)), Some((200, 1)));
        assert_eq!(
            then(counters(700, 80, 30)),
            Some((700, 80)),
            "started again"
        );
        assert_eq!(then(counters(0, 0, 0)), Some((0, 0)), "stopped");
        let none = since(None, counters(9, 8, 7), 0).unwrap();
        assert_eq!((none.sent, none.received), (9, 8), "the first look");
    }

    #[test]
    fn counters_begin_anew_with_another_hardware_address() {
        assert_eq!(then(counters(20, 60, 400)), Some((20, 60)));
        assert_eq!(then(counters(600, 6, 400)), Some((600, 6)));
    }

    #[test]
    fn a_look_that_is_older_than_the_last_one_counts_nothing() {
        assert_eq!(then(counters(499, 49, 299)), None);
        assert_eq!(then(counters(0, 0, 161)), None);
        assert_eq!(then(counters(1, 1, 160)), Some((1, 1)), "started since");
    }
}

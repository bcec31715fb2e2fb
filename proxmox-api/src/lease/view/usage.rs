//! What a lease's container uses, for its owner: now, before, and on the network since the lease
//! began.

use api_types::{TrafficUsage, UsageNow, UsagePoint, UsageResponse, UsageTimeframe};
use pve::{Consolidation, ContainerStatus, Sample, Timeframe};

use crate::{
    error::ApiError,
    lease::{
        container::locate::{Located, locate},
        network::traffic,
    },
    memory::locations::ContainerLocation,
    state::App,
    store::Lease,
    timestamp::timestamp,
};

/// What a lease's container uses. Where it is gone, or Proxmox does not tell, only what was counted
/// is known.
///
/// # Errors
/// The store failed.
pub async fn show_usage(
    app: &App,
    lease: &Lease,
    timeframe: UsageTimeframe,
) -> Result<UsageResponse, ApiError> {
    let counted = app.store.traffic(&lease.lease_id).await?;
    let traffic = counted.map_or_else(TrafficUsage::default, |traffic| TrafficUsage {
        sent: traffic.counted.sent,
        received: traffic.counted.received,
        included: traffic::included(app, &traffic),
        step: traffic.step,
    });
    let (now, history) = match seen(app, lease, timeframe).await {
        Ok(seen) => seen,
        Err(cause) => {
            let id = &lease.lease_id;
            tracing::warn!(
                lease.id = id.as_str(),
                error = cause,
                "the usage of a lease is shown without Proxmox"
            );
            (None, Vec::new())
        }
    };
    Ok(UsageResponse {
        lease_id: lease.lease_id.to_string(),
        ctid: lease.vmid.get(),
        now,
        traffic,
        timeframe,
        history,
    })
}

type UsageAndHistory = (Option<UsageNow>, Vec<UsagePoint>);

/// What Proxmox shows of a lease's own container; nothing where there is none.
async fn seen(
    app: &App,
    lease: &Lease,
    timeframe: UsageTimeframe,
) -> Result<UsageAndHistory, String> {
    if !lease.state.has_container() {
        return Ok((None, Vec::new()));
    }
    let located = locate(app, lease)
        .await
        .map_err(|error| error.to_string())?;
    let Located::Here(ContainerLocation { node, vmid, .. }) = located else {
        return Ok((None, Vec::new()));
    };
    let client = &app.proxmox.client;
    let timeframe = window(timeframe);
    let (status, samples) = tokio::try_join!(
        client.container(&node, vmid),
        client.history(&node, vmid, timeframe, Consolidation::Average),
    )
    .map_err(|error| error.safe_text())?;
    Ok((Some(now(&status)), samples_since(samples, lease.created_at)))
}

fn window(timeframe: UsageTimeframe) -> Timeframe {
    match timeframe {
        UsageTimeframe::Hour => Timeframe::Hour,
        UsageTimeframe::Day => Timeframe::Day,
        UsageTimeframe::Week => Timeframe::Week,
        UsageTimeframe::Month => Timeframe::Month,
        UsageTimeframe::Year => Timeframe::Year,
    }
}

fn now(status: &ContainerStatus) -> UsageNow {
    UsageNow {
        status: status.status.as_str().to_owned(),
        // What a stopped container does not use is left out by Proxmox.
        cpu: status.cpu.unwrap_or(0.0),
        memory_used: status.mem.unwrap_or(0),
        memory_total: status.maxmem.unwrap_or(0),
        disk_used: status.disk.unwrap_or(0),
        disk_total: status.maxdisk.unwrap_or(0),
        uptime_seconds: status.uptime.unwrap_or(0),
    }
}

/// The samples that begin after a lease did: Proxmox keeps them by number, so that those before are
/// of the tenant before.
fn samples_since(samples: Vec<Sample>, began: i64) -> Vec<UsagePoint> {
    let is_own = |sample: &Sample| i64::try_from(sample.time).is_ok_and(|at| at >= began);
    let own = samples.into_iter().filter(is_own);
    own.filter(|sample| sample.cpu.is_some() || sample.mem.is_some() || sample.netout.is_some())
        .map(|sample| UsagePoint {
            time: timestamp(i64::try_from(sample.time).unwrap_or(i64::MAX)),
            cpu: sample.cpu,
            memory_used: sample.mem,
            disk_used: sample.disk,
            received_per_second: sample.netin,
            sent_per_second: sample.netout,
        })
        .collect()
}

//! The answer of `GET /lease/{lease}/usage`: what a lease's container uses now, what it used
//! before, and what it has sent.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// What a lease's container may do on the network, by what it has sent.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TrafficStep {
    /// It has sent less than is included.
    #[default]
    Full,
    /// It has used up what is included: 1 Mbit/s.
    Slowed,
    /// It has sent twice of what is included: no network.
    Cut,
    /// It ran on for too long without a network: its container is stopped.
    Stopped,
}

impl TrafficStep {
    /// Every step, from the first to the last.
    pub const ALL: [Self; 4] = [Self::Full, Self::Slowed, Self::Cut, Self::Stopped];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Slowed => "slowed",
            Self::Cut => "cut",
            Self::Stopped => "stopped",
        }
    }

    /// The step with this word, if there is one.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == word)
    }
}

/// How far back the history goes. The longer, the further apart its points are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum UsageTimeframe {
    /// The last hour.
    #[default]
    Hour,
    /// The last day.
    Day,
    /// The last week.
    Week,
    /// The last month.
    Month,
    /// The last year.
    Year,
}

/// The answer of `GET /lease/{lease}/usage`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UsageResponse {
    /// The lease.
    pub lease_id: String,
    /// The container's number on Proxmox (VMID).
    pub ctid: u32,
    /// What it uses now; absent where the container is gone or Proxmox does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<UsageNow>,
    /// What it has sent and received.
    pub traffic: TrafficUsage,
    /// How far back `history` goes.
    pub timeframe: UsageTimeframe,
    /// What it used since its lease began, oldest first.
    #[serde(default)]
    pub history: Vec<UsagePoint>,
}

/// What a container uses now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UsageNow {
    /// What Proxmox says of it, such as `running`.
    pub status: String,
    /// Share of its cores in use, from 0 to 1.
    pub cpu: f64,
    /// Memory in use, in bytes.
    pub memory_used: u64,
    /// Memory, in bytes.
    pub memory_total: u64,
    /// Disk in use, in bytes.
    pub disk_used: u64,
    /// Disk, in bytes.
    pub disk_total: u64,
    /// Seconds since it was started.
    pub uptime_seconds: u64,
}

/// What a lease's container has sent and received since the lease began, a minute old at most.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TrafficUsage {
    /// Bytes sent.
    pub sent: u64,
    /// Bytes received.
    pub received: u64,
    /// Bytes that it may send for all the time that was bought; absent where there is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub included: Option<u64>,
    /// What it may do on the network.
    pub step: TrafficStep,
}

/// Averages over a span of time that begins at `time`. A figure is absent where nothing was
/// measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UsagePoint {
    /// When it begins.
    pub time: Timestamp,
    /// Share of its cores in use, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// Memory in use, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_used: Option<f64>,
    /// Disk in use, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_used: Option<f64>,
    /// Bytes received per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_per_second: Option<f64>,
    /// Bytes sent per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_per_second: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_back_and_rise() {
        for step in TrafficStep::ALL {
            assert_eq!(TrafficStep::parse(step.as_str()), Some(step));
            assert_eq!(serde_json::to_value(step).unwrap(), step.as_str());
        }
        assert!(TrafficStep::ALL.is_sorted_by(|one, next| one < next));
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let usage = UsageResponse {
            lease_id: "lease-1".into(),
            ctid: 40_200,
            now: None,
            traffic: TrafficUsage {
                sent: 5,
                received: 7,
                included: None,
                step: TrafficStep::Full,
            },
            timeframe: UsageTimeframe::Day,
            history: Vec::new(),
        };
        let body = serde_json::json!({
            "leaseId": "lease-1", "ctid": 40_200, "timeframe": "day", "history": [],
            "traffic": {"sent": 5, "received": 7, "step": "full"},
        });
        assert_eq!(serde_json::to_value(&usage).unwrap(), body);
    }
}

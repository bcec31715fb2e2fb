//! What a container used in the past, as the node's round-robin database has it.
//!
//! The database is keyed by the VMID and outlives the container: the next one under that number
//! shows the last one's past. Drop every sample from before a container's start.

use serde::Deserialize;

use crate::client::Client;
use crate::error::Error;
use crate::ids::{NodeName, Vmid};
use crate::lenient;
use crate::path::ApiPath;

/// How far back the samples go. The longer, the further apart they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeframe {
    /// The last hour, a sample a minute.
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

impl Timeframe {
    fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

/// What a sample says about its span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consolidation {
    /// The average; of a rate, times the span, is what was moved.
    Average,
    /// The highest value.
    Max,
}

/// One span of time. Everything is absent where nothing was measured, as while the container was
/// stopped.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Sample {
    /// Seconds since 1970 at which the span begins. How long it is follows from the next sample's
    /// time: releases differ in it.
    #[serde(deserialize_with = "lenient::required_u64")]
    pub time: u64,
    /// The fraction of `maxcpu` in use, 0 to 1.
    #[serde(default, deserialize_with = "lenient::opt_f64")]
    pub cpu: Option<f64>,
    /// Processors.
    #[serde(default, deserialize_with = "lenient::opt_f64")]
    pub maxcpu: Option<f64>,
    /// Memory in use, bytes.
    #[serde(default, deserialize_with = "lenient::opt_f64")]
    pub mem: Option<f64>,
    /// Memory, bytes.
    #[serde(default, deserialize_with = "lenient::opt_f64")]
    pub maxmem: Option<f64>,
    /// Root disk in use, bytes.
    #[serde(default, deserialize_with = "lenient::opt_f64")]
    pub disk: Option<f64>,
    /// Root disk, bytes.
    #[serde(default, deserialize_with = "lenient::opt_f64")]
    pub maxdisk: Option<f64>,
    /// Received, bytes per second.
    #[serde(default, deserialize_with = "lenient::opt_f64")]
    pub netin: Option<f64>,
    /// Sent, bytes per second.
    #[serde(default, deserialize_with = "lenient::opt_f64")]
    pub netout: Option<f64>,
    /// Read from disk, bytes per second.
    #[serde(default, deserialize_with = "lenient::opt_f64")]
    pub diskread: Option<f64>,
    /// Written to disk, bytes per second.
    #[serde(default, deserialize_with = "lenient::opt_f64")]
    pub diskwrite: Option<f64>,
}

impl Client {
    /// What a container used (`GET …/rrddata`), oldest first; needs `VM.Audit`. Samples from before
    /// its start may be those of another container that had its number.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn history(
        &self,
        node: &NodeName,
        vmid: Vmid,
        timeframe: Timeframe,
        consolidation: Consolidation,
    ) -> Result<Vec<Sample>, Error> {
        let cf = match consolidation {
            Consolidation::Average => "AVERAGE",
            Consolidation::Max => "MAX",
        };
        let params = vec![
            ("timeframe".to_owned(), timeframe.as_str().to_owned()),
            ("cf".to_owned(), cf.to_owned()),
        ];
        let path = ApiPath::lxc(node, vmid).seg("rrddata");
        let samples: Option<Vec<Sample>> = self.get(path, params).await?;
        Ok(samples.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_read_in_every_spelling_and_without_what_was_not_measured() {
        let samples: Vec<Sample> = serde_json::from_value(serde_json::json!([
            {"time": 1_800_000_000_u64},
            {"time": "1800000060", "netin": 8.5, "netout": "4.25", "cpu": "nan", "maxcpu": 2,
                "mem": 5e8, "pressureiofull": 0},
        ]))
        .unwrap();
        assert_eq!(samples[0].netin, None);
        assert_eq!(samples[1].time, 1_800_000_060);
        assert_eq!(
            (samples[1].netin, samples[1].netout),
            (Some(8.5), Some(4.25))
        );
        assert_eq!((samples[1].cpu, samples[1].maxcpu), (None, Some(2.0)));
    }
}

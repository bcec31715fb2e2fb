//! The command line of a campaign.

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::{Parser, ValueEnum};

/// Where the store is, and so how many processes there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StoreMode {
    /// One process on a file
    Sqlite,
    /// Replicas on a server with a standby
    Postgres,
}

impl StoreMode {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// A campaign that tries to break the service: docs/CHAOS.md.
#[derive(Clone, Debug, Parser)]
#[command(name = "chaos")]
pub struct CampaignOptions {
    /// Seed of every random choice
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Minutes for which customers buy and faults come; fractions are fine
    #[arg(long = "minutes", value_name = "M", default_value = "1", value_parser = parse_minutes)]
    pub length: Duration,
    /// Where the store is
    #[arg(long, value_enum, default_value_t = StoreMode::Sqlite)]
    pub mode: StoreMode,
    /// Customers at a time
    #[arg(long, value_name = "N", default_value = "10", value_parser = parse_at_least_one::<usize>)]
    pub customers: usize,
    /// Processes on PostgreSQL
    #[arg(long, value_name = "N", default_value = "3", value_parser = parse_at_least_one::<usize>)]
    replicas: usize,
    /// How many times faster than real time the campaign's time runs
    #[arg(long, value_name = "N", default_value = "20", value_parser = parse_at_least_one::<u64>)]
    pub speed: u64,
    /// A bug that the service is asked to have; the campaign has to find it
    #[arg(long, value_name = "NAME", value_parser = ["skip-undo", "any-transfer", "claims-side-by-side"])]
    pub bug: Option<String>,
    /// The program of the service
    #[arg(long, value_name = "FILE")]
    pub program: PathBuf,
    /// Where the report and the logs go; it is emptied first
    #[arg(long, value_name = "FOLDER")]
    pub folder: PathBuf,
}

impl CampaignOptions {
    /// How many processes there are: a file has one.
    pub fn replicas(&self) -> usize {
        match self.mode {
            StoreMode::Sqlite => 1,
            StoreMode::Postgres => self.replicas,
        }
    }
}

fn parse_minutes(text: &str) -> Result<Duration, String> {
    let minutes: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    Duration::try_from_secs_f64(minutes * 60.0).map_err(|error| error.to_string())
}

fn parse_at_least_one<N: FromStr + PartialOrd + From<u8>>(text: &str) -> Result<N, String> {
    let number = text.parse().ok();
    number
        .filter(|number| *number >= N::from(1))
        .ok_or_else(|| "not a number of at least 1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<CampaignOptions, clap::Error> {
        CampaignOptions::try_parse_from(["chaos"].into_iter().chain(text.split_whitespace()))
    }

    #[test]
    fn a_campaign_is_read_and_what_is_wrong_is_said() {
        let read = parse("--program p --folder f --seed 7 --minutes 0.5 --mode postgres").unwrap();
        assert_eq!((read.seed, read.mode), (7, StoreMode::Postgres));
        assert_eq!((read.length, read.replicas()), (Duration::from_secs(30), 3));
        let file = parse("--program p --folder f --replicas 5").unwrap();
        assert_eq!(file.replicas(), 1, "a file has one process");
        for wrong in [
            "--seed 7",
            "--program p --folder f --mode mysql",
            "--program p --folder f --bug none",
            "--program p --folder f --seed",
            "--program p --folder f --minutes=-1",
            "--program p --folder f --replicas 0",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}

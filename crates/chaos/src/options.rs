//! What a campaign is told.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};

/// Where the store is, and so how many processes there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreMode {
    /// One process on a file.
    Sqlite,
    /// Replicas on a server that has a standby.
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

/// A campaign.
#[derive(Clone, Debug)]
pub struct CampaignOptions {
    /// Of every random choice.
    pub seed: u64,
    /// How long customers buy and faults come.
    pub length: Duration,
    /// Where the store is.
    pub mode: StoreMode,
    /// Customers at a time.
    pub customers: usize,
    /// Processes, where there may be several.
    pub replicas: usize,
    /// How many times faster than real time the campaign's runs.
    pub speed: u64,
    /// A bug that the service is asked to have.
    pub bug: Option<String>,
    /// The service's program.
    pub program: PathBuf,
    /// Where the report and the logs go.
    pub folder: PathBuf,
}

/// The bugs that there are.
const BUGS: [&str; 3] = ["skip-undo", "any-transfer", "claims-side-by-side"];

/// The text of `--help`.
pub const USAGE: &str = "\
chaos --program FILE --folder FOLDER [--seed N] [--minutes M] [--mode sqlite|postgres]
      [--replicas N] [--customers N] [--speed N] [--bug NAME]

  --seed N       of every random choice (1)
  --minutes M    how long customers buy and faults come; fractions are fine (1)
  --mode         sqlite: one process on a file; postgres: replicas on a server with a standby (sqlite)
  --replicas N   processes on PostgreSQL (3)
  --customers N  customers at a time (10)
  --speed N      how many times faster than real time the campaign's runs (20)
  --bug          skip-undo, any-transfer or claims-side-by-side: a bug that the service is asked to
                 have; the campaign has to find it
";

impl CampaignOptions {
    /// Reads the command line, without the program's name.
    ///
    /// # Errors
    /// What is not understood.
    pub fn read(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            seed: 1,
            length: Duration::from_secs(60),
            mode: StoreMode::Sqlite,
            customers: 10,
            replicas: 3,
            speed: 20,
            bug: None,
            program: PathBuf::new(),
            folder: PathBuf::new(),
        };
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            let value = rest
                .next()
                .with_context(|| format!("{name} needs a value\n\n{USAGE}"))?;
            let wrong = || format!("{name} {value} is not understood\n\n{USAGE}");
            match name.as_str() {
                "--seed" => options.seed = value.parse().with_context(wrong)?,
                "--minutes" => {
                    let minutes: f64 = value.parse().with_context(wrong)?;
                    options.length =
                        Duration::try_from_secs_f64(minutes * 60.0).with_context(wrong)?;
                }
                "--mode" => {
                    options.mode = match value.as_str() {
                        "sqlite" => StoreMode::Sqlite,
                        "postgres" => StoreMode::Postgres,
                        _ => bail!(wrong()),
                    }
                }
                "--customers" => options.customers = value.parse().with_context(wrong)?,
                "--replicas" => options.replicas = value.parse().with_context(wrong)?,
                "--speed" => options.speed = value.parse().with_context(wrong)?,
                "--bug" if BUGS.contains(&value.as_str()) => {
                    options.bug = Some(value.clone());
                }
                "--program" => options.program = value.into(),
                "--folder" => options.folder = value.into(),
                _ => bail!(wrong()),
            }
        }
        if options.program.as_os_str().is_empty() || options.folder.as_os_str().is_empty() {
            bail!("--program and --folder are needed\n\n{USAGE}");
        }
        if options.customers == 0 || options.replicas == 0 || options.speed == 0 {
            bail!("there has to be a customer and a replica, and time has to pass\n\n{USAGE}");
        }
        Ok(options)
    }

    /// How many processes there are: a file has one.
    pub fn replicas(&self) -> usize {
        match self.mode {
            StoreMode::Sqlite => 1,
            StoreMode::Postgres => self.replicas,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<CampaignOptions> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        CampaignOptions::read(&words)
    }

    #[test]
    fn a_campaign_is_read_and_what_is_wrong_is_said() {
        let response =
            read("--program p --folder f --seed 7 --minutes 0.5 --mode postgres").unwrap();
        assert_eq!((response.seed, response.mode), (7, StoreMode::Postgres));
        assert_eq!(
            (response.length, response.replicas()),
            (Duration::from_secs(30), 3)
        );
        let file = read("--program p --folder f --replicas 5").unwrap();
        assert_eq!(file.replicas(), 1, "a file has one process");
        for wrong in [
            "--seed 7",
            "--program p --folder f --mode mysql",
            "--program p --folder f --bug none",
            "--program p --folder f --seed",
            "--program p --folder f --minutes -1",
            "--program p --folder f --replicas 0",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}

//! The arguments of `cargo xtask chaos`. Those of a campaign are passed on to the program `chaos`,
//! which has the defaults (`crates/chaos/src/options.rs`).

use std::num::{NonZeroU64, NonZeroUsize};

use clap::{Args, Subcommand};

use super::seeded_bugs::{SEEDED_BUGS, StoreMode};

/// What `cargo xtask chaos` runs.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ChaosArguments {
    #[command(subcommand)]
    pub(super) command: Option<ChaosCommand>,
    #[command(flatten)]
    pub(super) campaign: CampaignArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub(super) enum ChaosCommand {
    /// Ask the service for each seeded bug, and fail unless the campaign finds it
    Prove,
}

/// One campaign. What is absent has the default of the program.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub(super) struct CampaignArguments {
    /// Seed of every random choice
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Minutes for which customers buy and faults come; fractions are fine
    #[arg(long, value_name = "M")]
    pub(super) minutes: Option<f64>,
    /// Where the store is
    #[arg(long, value_enum)]
    pub(super) mode: Option<StoreMode>,
    /// Processes on PostgreSQL
    #[arg(long, value_name = "N")]
    pub(super) replicas: Option<NonZeroUsize>,
    /// Customers at a time
    #[arg(long, value_name = "N")]
    pub(super) customers: Option<NonZeroUsize>,
    /// How many times faster than real time the campaign's time runs
    #[arg(long, value_name = "N")]
    pub(super) speed: Option<NonZeroU64>,
    /// A bug that the service is asked to have; the campaign has to find it
    #[arg(long, value_name = "NAME", value_parser = SEEDED_BUGS.map(|bug| bug.name))]
    pub(super) bug: Option<String>,
}

impl CampaignArguments {
    /// Its mode, after which its report is named.
    pub(super) fn mode(&self) -> StoreMode {
        self.mode.unwrap_or_default()
    }

    /// The arguments of the program `chaos`.
    pub(super) fn to_words(&self) -> Vec<String> {
        let options = [
            ("--seed", self.seed.map(|seed| seed.to_string())),
            ("--minutes", self.minutes.map(|minutes| minutes.to_string())),
            ("--mode", self.mode.map(|mode| mode.name().to_owned())),
            ("--replicas", self.replicas.map(|number| number.to_string())),
            (
                "--customers",
                self.customers.map(|number| number.to_string()),
            ),
            ("--speed", self.speed.map(|number| number.to_string())),
            ("--bug", self.bug.clone()),
        ];
        let present = options
            .into_iter()
            .filter_map(|(name, value)| Some([name.to_owned(), value?]));
        present.flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct CommandLine {
        #[command(flatten)]
        chaos: ChaosArguments,
    }

    fn parse(text: &str) -> Result<ChaosArguments, clap::Error> {
        let words = ["chaos"].into_iter().chain(text.split_whitespace());
        CommandLine::try_parse_from(words).map(|line| line.chaos)
    }

    #[test]
    fn the_options_of_a_campaign_reach_its_program() {
        let all = "--seed 7 --minutes 0.5 --mode postgres --replicas 5 --customers 3 --speed 10 --bug skip-undo";
        let read = parse(all).unwrap();
        assert_eq!(read.command, None);
        assert_eq!(read.campaign.to_words().join(" "), all);
        let none = parse("").unwrap().campaign;
        assert_eq!(none.to_words(), Vec::<String>::new());
        assert_eq!(none.mode(), StoreMode::Sqlite);
        assert_eq!(
            parse("--mode=postgres").unwrap().campaign.mode(),
            StoreMode::Postgres
        );
    }

    #[test]
    fn prove_takes_no_options_and_wrong_options_are_refused() {
        assert_eq!(parse("prove").unwrap().command, Some(ChaosCommand::Prove));
        for wrong in [
            "prove --seed 7",
            "--seed 7 prove",
            "nothing",
            "--seed",
            "--mode mysql",
            "--bug none",
            "--replicas 0",
            "--minutes long",
            "--program p",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}

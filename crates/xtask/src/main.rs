//! The project's own commands, as `cargo xtask COMMAND`: start the whole system on this machine,
//! set up and run the tests, measure, try the tenants' fence, try to break the service. Each
//! command is one module; [`workspace`] knows where things are.

mod bench;
mod chaos;
mod fence;
mod host;
mod modules;
mod setup;
mod test;
mod up;
mod web;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use workspace::Profile;

/// The commands of this workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct CommandLine {
    #[command(subcommand)]
    command: XtaskCommand,
}

#[derive(Subcommand)]
enum XtaskCommand {
    /// Build and start everything, with a simulated Proxmox and a demo ledger unless .env says
    /// otherwise; Ctrl-C stops it
    Up {
        /// Build release binaries
        #[arg(long)]
        release: bool,
    },
    /// Call the running API and pay for it with a public development key
    Pay {
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            help = "METHOD PATH [JSON]"
        )]
        request: Vec<String>,
    },
    /// Build the browser part into web-ui/dist, small, compressed and within its budget
    Web {
        /// Build quickly, without compression or budget
        #[arg(long)]
        dev: bool,
    },
    /// Try the fence around tenants that `proxmox-api doctor --setup` prints, in network
    /// namespaces, and show what each of its layers closes
    Fence(fence::FenceArguments),
    /// Run a campaign that tries to break the service: docs/CHAOS.md
    Chaos(chaos::ChaosArguments),
    /// Print modules and folders that import each other: there should be none
    Modules,
    /// Set up and run every test, those with clients that other people wrote too
    Test(test::TestArguments),
    /// Measure release builds and compare with the aims
    Bench(bench::BenchArguments),
    /// Only set up what the tests need (npm packages, Python environments)
    Setup,
}

fn main() -> ExitCode {
    match run(&CommandLine::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &XtaskCommand) -> Result<()> {
    let profile = |release: bool| match release {
        true => Profile::Release,
        false => Profile::Dev,
    };
    match command {
        XtaskCommand::Up { release } => up::run(profile(*release)),
        XtaskCommand::Pay { request } => workspace::pay(request),
        XtaskCommand::Web { dev } => web::run(profile(!dev)),
        XtaskCommand::Fence(arguments) => fence::command(arguments),
        XtaskCommand::Chaos(arguments) => chaos::run(arguments),
        XtaskCommand::Modules => modules::run(),
        XtaskCommand::Test(arguments) => test::run(arguments),
        XtaskCommand::Bench(arguments) => bench::run(arguments),
        XtaskCommand::Setup => setup::run(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_wrong_words_are_refused() {
        CommandLine::command().debug_assert();
        for wrong in [
            &["up", "--relase"][..],
            &["setup", "now"],
            &["nothing"],
            &[],
        ] {
            let words = ["cargo xtask"].iter().chain(wrong);
            assert!(CommandLine::try_parse_from(words).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn words_for_other_programs_are_passed_on_as_they_are() {
        let words = [
            "cargo xtask",
            "pay",
            "POST",
            "/lease/container",
            "-{}",
            "--help",
        ];
        let read = CommandLine::try_parse_from(words).unwrap();
        assert!(matches!(read.command, XtaskCommand::Pay { request } if request == words[2..]));
    }
}

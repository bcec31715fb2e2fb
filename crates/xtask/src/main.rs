//! The project's own commands: `cargo xtask up` starts the whole system on this machine, `cargo xtask test` sets up and runs every
//! test, `cargo xtask bench` measures, `cargo xtask fence` tries the tenants' fence, `cargo xtask chaos` tries to break the service,
//! `cargo xtask setup` only sets up. Each command is one module; [`workspace`] knows where things are.

mod bench;
mod chaos;
mod fence;
mod modules;
mod node_tests;
mod setup;
mod test;
mod up;
mod web;
mod workspace;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  up [--release]   build and start everything, with a simulated Proxmox and a demo ledger
                   unless .env says otherwise; Ctrl-C stops it
  pay METHOD PATH [JSON]
                   call the running API and pay for it with a public development key
  web [--dev]      build the browser part into web-ui/dist, small, compressed and within its
                   budget; with --dev quickly and as it is
  fence            try the fence around tenants that `proxmox-api doctor --setup` prints, in
                   network namespaces, and show what each of its layers closes
  chaos [--seed N] [--minutes M] [--mode sqlite|postgres] [--customers N] [--speed N]
                   let customers buy while everything fails, and check what is left: docs/CHAOS.md
  chaos prove      the same for each bug that it has to find
  modules          print modules and folders that import each other: there should be none
  test             set up and run every test: Rust, and the clients by others
  bench [--quick] [--web] [FILE]
                   measure release builds and compare with the aims; figures go to FILE
                   (target/bench.json). --quick only tries whether it works, --web builds
                   the browser part first
  setup            only set up what the tests need (npm packages, Python environments)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["up"] => up::run(workspace::Profile::Dev),
        ["up", "--release"] => up::run(workspace::Profile::Release),
        ["web"] => web::run(workspace::Profile::Release),
        ["web", "--dev"] => web::run(workspace::Profile::Dev),
        ["pay", rest @ ..] => workspace::pay(rest),
        ["bench", rest @ ..] => bench::run(rest),
        ["chaos", rest @ ..] => chaos::run(rest),
        ["modules"] => modules::run(),
        ["fence"] => fence::run(),
        ["fence", part @ ..] => fence::inside(part),
        ["test"] => test::run(),
        ["setup"] => setup::run(),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

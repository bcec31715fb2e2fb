//! The program `infra402`.

use std::process::exit;

fn main() {
    // Not by returning: a read of standard input that is under way would be waited for.
    exit(cli::run(std::env::args_os()).into());
}

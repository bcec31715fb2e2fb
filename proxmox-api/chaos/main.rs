//! The service with a clock that a campaign moves, and with bugs on request: see `cargo xtask
//! chaos`. It has a name of its own, so that it never takes the place of the ordinary program.

#[path = "../src/main.rs"]
mod program;

fn main() -> std::process::ExitCode {
    program::main()
}

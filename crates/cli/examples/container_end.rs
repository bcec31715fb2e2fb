//! The network end of a simulated container, which serves its SSH, for the tests. The simulator
//! starts it as `container_end guest …`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pve_sim::run_guest(std::env::args_os().skip(2))
}

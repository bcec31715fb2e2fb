//! Limits of an open console.

use std::time::Duration;

use service::env::Env;

use super::variables;

/// Limits of an open console.
#[derive(Clone, Copy, Debug)]
pub struct ConsoleConfig {
    /// How long a console stays open without input and output: `CONSOLE_IDLE_MINUTES`.
    pub idle: Duration,
    /// Bytes that one connection may carry in both directions: `CONSOLE_MAX_MIB`.
    pub max_bytes: u64,
}

impl ConsoleConfig {
    pub(super) fn read(env: &mut Env) -> Self {
        let minutes: u64 = env.read_in(&variables::CONSOLE_IDLE_MINUTES, 1..=1440);
        let mib: u64 = env.read_in(&variables::CONSOLE_MAX_MIB, 1..=1_048_576);
        Self {
            idle: Duration::from_secs(minutes * 60),
            max_bytes: mib << 20,
        }
    }
}

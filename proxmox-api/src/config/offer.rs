//! Rates and limits: what an operator sells and for how much.

use api_types::{Bounds, Limits, Tariff, Usdc};
use service::env::{Env, schema::Variable};

use super::variables;

/// The rates, each in atomic USDC (six decimals).
pub(super) fn tariff(env: &mut Env) -> Tariff {
    let mut rate = |variable: &Variable| Usdc(env.read_in(variable, 0..=1_000_000_000));
    Tariff {
        base_fee: rate(&variables::PRICE_BASE),
        core_hour: rate(&variables::PRICE_CORE_HOUR),
        memory_gib_hour: rate(&variables::PRICE_MEMORY_GIB_HOUR),
        disk_gib_hour: rate(&variables::PRICE_DISK_GIB_HOUR),
        call_fee: rate(&variables::PRICE_CALL),
    }
}

/// The limits; the smallest values are the defaults' own.
pub(super) fn limits(env: &mut Env) -> Limits {
    let default = Limits::default();
    let mut up_to = |variable: &Variable, bounds: Bounds, most: u32| {
        Bounds::new(bounds.min, env.read_in(variable, bounds.min..=most))
    };
    Limits {
        cores: up_to(&variables::MAX_CORES, default.cores, 8192),
        memory_mb: up_to(&variables::MAX_MEMORY_MB, default.memory_mb, 4_194_304),
        disk_gb: up_to(&variables::MAX_DISK_GB, default.disk_gb, 65_536),
        runtime_minutes: up_to(
            &variables::MAX_RUNTIME_MINUTES,
            default.runtime_minutes,
            527_040,
        ),
        leases_per_wallet: env.read_in(&variables::LEASES_PER_WALLET, 1..=10_000),
        ..default
    }
}

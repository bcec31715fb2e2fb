//! Rates and limits: what an operator sells and for how much.

use api_types::{Bounds, Limits, Tariff, Usdc};
use service::env::Env;

/// The rates, each in atomic USDC (six decimals).
pub(super) fn tariff(env: &mut Env) -> Tariff {
    let default = Tariff::default();
    let mut rate =
        |name: &str, default: Usdc| Usdc(env.number_in(name, default.0, 0..=1_000_000_000));
    Tariff {
        base_fee: rate("PRICE_BASE", default.base_fee),
        core_hour: rate("PRICE_CORE_HOUR", default.core_hour),
        memory_gib_hour: rate("PRICE_MEMORY_GIB_HOUR", default.memory_gib_hour),
        disk_gib_hour: rate("PRICE_DISK_GIB_HOUR", default.disk_gib_hour),
        call_fee: rate("PRICE_CALL", default.call_fee),
    }
}

/// The limits; the smallest values are the defaults' own.
pub(super) fn limits(env: &mut Env) -> Limits {
    let default = Limits::default();
    let mut up_to = |name: &str, bounds: Bounds, most: u32| {
        Bounds::new(
            bounds.min,
            env.number_in(name, bounds.max, bounds.min..=most),
        )
    };
    Limits {
        cores: up_to("MAX_CORES", default.cores, 8192),
        memory_mb: up_to("MAX_MEMORY_MB", default.memory_mb, 4_194_304),
        disk_gb: up_to("MAX_DISK_GB", default.disk_gb, 65_536),
        runtime_minutes: up_to("MAX_RUNTIME_MINUTES", default.runtime_minutes, 527_040),
        leases_per_wallet: env.number_in(
            "LEASES_PER_WALLET",
            default.leases_per_wallet,
            1..=10_000,
        ),
        ..default
    }
}

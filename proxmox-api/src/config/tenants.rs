//! Limits of tenants, and wallets that may not be tenants.

use std::collections::HashSet;

use alloy::primitives::Address;
use service::env::Env;

use super::variables;
use crate::ids::Wallet;

/// The longest contact for reports of abuse, in characters.
const LONGEST_CONTACT: usize = 200;

/// Limits of tenants, and wallets that may not be tenants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantConfig {
    /// What a container may send for each hour that was bought, in GiB; 0 is no limit:
    /// `TRAFFIC_GIB_PER_HOUR`.
    pub traffic_gib_per_hour: u32,
    /// For how many hours a container may run while it is cut off, until it is stopped; 0 is for
    /// ever: `TRAFFIC_STOP_HOURS`.
    pub traffic_stop_hours: u32,
    /// Wallets that may buy nothing: `REFUSED_WALLETS`.
    pub refused_wallets: HashSet<Address>,
    /// Where to report abuse: `ABUSE_CONTACT`.
    pub abuse_contact: Option<String>,
}

impl TenantConfig {
    pub(super) fn read(env: &mut Env) -> Self {
        Self {
            traffic_gib_per_hour: env.read_in(&variables::TRAFFIC_GIB_PER_HOUR, 0..=100_000),
            traffic_stop_hours: env.read_in(&variables::TRAFFIC_STOP_HOURS, 0..=8760),
            refused_wallets: refused_wallets(env),
            abuse_contact: abuse_contact(env),
        }
    }

    /// Whether the operator sells nothing to this wallet.
    pub fn refuses(&self, wallet: &Wallet) -> bool {
        let mut refused = self.refused_wallets.iter();
        refused.any(|address| Wallet::from(*address) == *wallet)
    }

    /// Where to report abuse, as a sentence for pages; empty where no contact is set.
    pub fn abuse_notice(&self) -> String {
        let contact = self.abuse_contact.as_ref();
        let sentence =
            |contact| format!(" What leased containers do to others is reported to {contact}.");
        contact.map(sentence).unwrap_or_default()
    }

    /// Bytes that may be sent in so many bought minutes; `None` where there is no limit.
    pub fn included_traffic(&self, minutes: u64) -> Option<u64> {
        let per_hour = u128::from(self.traffic_gib_per_hour) << 30;
        let bytes = per_hour * u128::from(minutes) / 60;
        (self.traffic_gib_per_hour > 0).then(|| u64::try_from(bytes).unwrap_or(u64::MAX))
    }

    /// The fewest bought minutes in which so many bytes may be sent; `None` where there is no
    /// limit.
    pub fn minutes_including(&self, bytes: u64) -> Option<u64> {
        let per_hour = u128::from(self.traffic_gib_per_hour) << 30;
        let minutes = (u128::from(bytes) * 60).checked_div(per_hour)?;
        let exact = minutes * per_hour == u128::from(bytes) * 60;
        Some(
            u64::try_from(minutes)
                .unwrap_or(u64::MAX)
                .saturating_add(u64::from(!exact)),
        )
    }

    /// Seconds for which a container may run while it is cut off; `None` for ever.
    pub fn stop_after(&self) -> Option<u64> {
        let seconds = u64::from(self.traffic_stop_hours) * 3600;
        (seconds > 0).then_some(seconds)
    }
}

fn refused_wallets(env: &mut Env) -> HashSet<Address> {
    let mut wallets = HashSet::new();
    let list = env.find_text(&variables::REFUSED_WALLETS);
    let items = list
        .as_deref()
        .unwrap_or_default()
        .split(',')
        .map(str::trim);
    for text in items.filter(|text| !text.is_empty()) {
        match text.parse() {
            Ok(wallet) => _ = wallets.insert(wallet),
            Err(_) => env.reject(
                &variables::REFUSED_WALLETS,
                "has an entry that is no address: 0x and 40 hexadecimal digits",
            ),
        }
    }
    wallets
}

fn abuse_contact(env: &mut Env) -> Option<String> {
    let contact = env.find_text(&variables::ABUSE_CONTACT)?;
    if contact.chars().count() > LONGEST_CONTACT || contact.chars().any(char::is_control) {
        let what = "is longer than 200 characters or has control characters";
        env.reject(&variables::ABUSE_CONTACT, what);
    }
    Some(contact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bought_time_times_the_amount_is_included() {
        let of = |gib, minutes| {
            let config = TenantConfig {
                traffic_gib_per_hour: gib,
                ..TenantConfig::default()
            };
            config.included_traffic(minutes)
        };
        assert_eq!(of(20, 60), Some(20 << 30));
        assert_eq!(of(20, 5), Some((20 << 30) / 12));
        assert_eq!(of(100_000, u64::MAX), Some(u64::MAX));
        assert_eq!(of(20, 0), Some(0));
        assert_eq!(of(0, 60), None, "no limit");
    }

    #[test]
    fn the_fewest_minutes_that_include_so_much_are_told() {
        for gib in [1, 7, 20, 100_000] {
            let config = TenantConfig {
                traffic_gib_per_hour: gib,
                ..TenantConfig::default()
            };
            for bytes in [1, 59, (1 << 30) - 1, 1 << 30, (1 << 30) + 1, 1 << 50] {
                let minutes = config.minutes_including(bytes).unwrap();
                assert!(config.included_traffic(minutes).unwrap() >= bytes);
                assert!(config.included_traffic(minutes - 1).unwrap() < bytes);
            }
        }
        assert_eq!(TenantConfig::default().minutes_including(1), None);
    }
}

//! The addresses of hosts that the operator has named, so that a name is not looked up for every
//! command. `lease::guest` fills this in.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use tokio::{net::lookup_host, time::timeout};

/// How long an answer is good.
const FRESH: Duration = Duration::from_secs(60);
/// How long an answer is waited for.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(1);

/// The addresses that were found last.
#[derive(Default)]
pub struct HostAddresses(tokio::sync::Mutex<Option<(Instant, Vec<IpAddr>)>>);

impl HostAddresses {
    /// The addresses of all these names, always the same ones. A name that is not found keeps the
    /// addresses of before.
    pub async fn of(&self, names: &[String]) -> Vec<IpAddr> {
        let mut kept = self.0.lock().await;
        if let Some((at, found)) = &*kept
            && at.elapsed() < FRESH
        {
            return found.clone();
        }
        let mut found = Vec::new();
        for name in names {
            match timeout(LOOKUP_TIMEOUT, lookup_host((name.as_str(), 0))).await {
                Ok(Ok(all)) => found.extend(all.map(|one| one.ip().to_canonical())),
                _ => {
                    let before = kept.as_ref().map(|(_, before)| before.clone());
                    found.extend(before.unwrap_or_default());
                    tracing::warn!(host = name, "the addresses of a host cannot be looked up");
                }
            }
        }
        found.sort();
        found.dedup();
        *kept = Some((Instant::now(), found.clone()));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_is_its_own_and_an_unknown_name_has_none() {
        let addresses = HostAddresses::default();
        let names = ["::ffff:10.0.0.2".to_owned(), "host.invalid".to_owned()];
        let found = addresses.of(&names).await;
        assert_eq!(found, ["10.0.0.2".parse::<IpAddr>().unwrap()]);
        assert_eq!(addresses.of(&[]).await, found, "kept for a while");
    }
}

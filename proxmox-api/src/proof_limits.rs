//! Limits on signatures that only a chain or the facilitator can check: those of contract wallets.

use std::{
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use service::{
    caller::RateLimit,
    clock::Clock,
    semaphore::{ResizablePermit, ResizableSemaphore},
};

use crate::shares::Shares;

/// Signatures a minute from one address that only a chain or the facilitator can check. A customer
/// with a contract wallet pays for a few requests a minute; each costs a node several requests.
const PER_ADDRESS: NonZeroU32 = NonZeroU32::new(60).expect("it is not zero");
/// The same from all addresses together.
const IN_TOTAL: NonZeroU32 = NonZeroU32::new(600).expect("it is not zero");
/// How many of them are checked at a time.
const AT_A_TIME: usize = 8;
/// How long a check waits for a permit.
const PERMIT_TIMEOUT: Duration = Duration::from_secs(5);

/// The limits on checks of signatures that need a chain or the facilitator.
pub struct ProofLimits {
    per_address: RateLimit,
    in_total: RateLimit,
    at_a_time: ResizableSemaphore,
}

impl ProofLimits {
    /// Limits with nothing counted yet.
    pub fn new(shares: &Shares, clock: &Arc<dyn Clock>) -> Self {
        Self {
            per_address: shares.rate_limit(PER_ADDRESS, clock),
            in_total: shares.rate_limit(IN_TOTAL, clock),
            at_a_time: ResizableSemaphore::new(shares.share_of(AT_A_TIME)),
        }
    }

    /// The counts of each address and of all together, to exchange with other replicas.
    pub fn rates(&self) -> [&RateLimit; 2] {
        [&self.per_address, &self.in_total]
    }

    /// A permit for a request to the chain; `None` if none was free in time.
    pub async fn permit(&self) -> Option<ResizablePermit> {
        let permit = tokio::time::timeout(PERMIT_TIMEOUT, self.at_a_time.acquire());
        permit.await.ok()
    }

    /// Counts a check. A client without an address counts in total only.
    ///
    /// # Errors
    /// The limit is reached; a retry may succeed after this time.
    pub fn count(&self, client: Option<IpAddr>) -> Result<(), Duration> {
        if let Some(client) = client {
            self.per_address.count(client)?;
        }
        self.in_total.count(Ipv4Addr::UNSPECIFIED.into())
    }
}

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

/// Signatures a minute that only a chain or the facilitator can judge, from one address. A contract wallet's customer pays
/// some calls a minute; each costs a node several requests.
const PER_ADDRESS: NonZeroU32 = NonZeroU32::new(60).expect("it is not zero");
/// The same from everybody.
const IN_TOTAL: NonZeroU32 = NonZeroU32::new(600).expect("it is not zero");
/// How many of them are judged at a time.
const AT_A_TIME: usize = 8;
/// How long one waits for its turn.
const WAIT: Duration = Duration::from_secs(5);

/// What bounds the work for signatures that cost more than a computation.
pub struct ProofLimits {
    per_address: RateLimit,
    in_total: RateLimit,
    at_a_time: ResizableSemaphore,
}

impl ProofLimits {
    /// Nothing was asked so far.
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

    /// A turn at the chain, or none where too many others wait for theirs.
    pub async fn permit(&self) -> Option<ResizablePermit> {
        let turn = tokio::time::timeout(WAIT, self.at_a_time.acquire());
        turn.await.ok()
    }

    /// Counts a look. A caller without an address counts in total only.
    ///
    /// # Errors
    /// One too many; worth another try after this time.
    pub fn count(&self, client: Option<IpAddr>) -> Result<(), Duration> {
        if let Some(client) = client {
            self.per_address.count(client)?;
        }
        self.in_total.count(Ipv4Addr::UNSPECIFIED.into())
    }
}

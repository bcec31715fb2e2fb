//! Keeps the gas key's transactions moving. A nonce that the pool lacks is a gap, and no later
//! nonce is mined before it is filled. A transaction that is too cheap and is no longer outbid
//! blocks the later ones as well.

use std::time::Instant;

use super::{
    sender::{Broadcast, InFlight, SendError, SenderTask, unix_now},
    sent::Sent,
};

/// The maximum number of gaps that are filled at once; later checks fill the rest.
const AT_ONCE: u64 = 32;
/// The number of checks after which an expired transaction that is still not mined is outbid.
const SLOW: u32 = 5;

impl SenderTask {
    /// A check without a request. A failure is retried by the next check.
    pub(super) async fn check_gaps(&mut self) {
        if let Err(error) = self.fill_gaps(None).await {
            tracing::error!(%error, "the gas key's transactions cannot be checked for gaps");
        }
    }

    /// Compares our nonce with the chain's and the pool's, and fills the gaps in the pool. A nonce
    /// that is `known` to have been used counts even if it was used before a restart.
    pub(super) async fn fill_gaps(&mut self, known: Option<u64>) -> Result<(), SendError> {
        let counts = self.rpc.nonces(self.signer.address()).await;
        let (mined, pending) = counts.map_err(SendError::Asking)?;
        self.in_flight.retain(|nonce, _| *nonce >= mined);
        let counted = known.map_or(0, |nonce| nonce + 1);
        let next = self.next_nonce.unwrap_or(pending).max(pending).max(counted);
        self.next_nonce = Some(next);
        for nonce in pending..next.min(pending + AT_ONCE) {
            // The nonce of the request itself, which is used next.
            if Some(nonce) != known {
                self.fill(nonce).await?;
            }
        }
        if mined < pending && self.is_abandoned(mined) {
            self.outbid_abandoned(mined).await?;
        }
        Ok(())
    }

    /// Fills one gap: with the transaction that had the nonce while its authorization is valid, or
    /// else with an empty one.
    async fn fill(&mut self, nonce: u64) -> Result<(), SendError> {
        let known = self.in_flight.get(&nonce);
        if known.is_some_and(|known| known.taken && known.since.elapsed() < self.heal_every) {
            return Ok(());
        }
        metrics::counter!("gas_key_gaps_total").increment(1);
        if let Some(known) = known.filter(|known| unix_now() < known.valid_before) {
            tracing::error!(
                nonce,
                transaction = %known.sent.hash,
                "a transaction is not in the pool and is broadcast again"
            );
            match self.broadcast(&known.sent).await {
                Broadcast::Taken => {
                    self.again(nonce);
                    return Ok(());
                }
                Broadcast::NonceMined | Broadcast::PerhapsMined | Broadcast::NonceWaiting => {
                    return Ok(());
                }
                Broadcast::Lost => return Err(SendError::Blocked),
                Broadcast::OutOfGas => return Err(SendError::OutOfGas),
                Broadcast::Underpriced(_) | Broadcast::Refused(_) => {}
            }
        }
        tracing::error!(
            nonce,
            "a gap in the gas key's transactions is filled with an empty one"
        );
        self.send_empty(nonce).await
    }

    /// Records that the node took a transaction.
    fn again(&mut self, nonce: u64) {
        if let Some(known) = self.in_flight.get_mut(&nonce) {
            known.taken = true;
            known.since = Instant::now();
        }
    }

    /// Whether the next transaction to be mined has expired, so that its settlement no longer
    /// outbids it.
    fn is_abandoned(&self, nonce: u64) -> bool {
        self.in_flight.get(&nonce).is_some_and(|known| {
            unix_now() >= known.valid_before && known.since.elapsed() >= self.heal_every * SLOW
        })
    }

    async fn outbid_abandoned(&mut self, nonce: u64) -> Result<(), SendError> {
        metrics::counter!("gas_key_gaps_total").increment(1);
        tracing::error!(
            nonce,
            "a transaction that is not mined stops the gas key's others; an empty one outbids it"
        );
        self.send_empty(nonce).await
    }

    /// Sends an empty transaction with this nonce, with higher fees than the known transaction with
    /// it.
    async fn send_empty(&mut self, nonce: u64) -> Result<(), SendError> {
        let (mut fees, head) = self.rpc.fees().await.map_err(SendError::Asking)?;
        if let Some(known) = self.in_flight.get(&nonce) {
            fees = fees.outbidding(&known.sent);
        }
        if fees.max_fee > self.max_fee {
            return Err(SendError::TooDear);
        }
        let empty = self.signed(self.transaction(nonce, fees), head.number())?;
        match self.broadcast(&empty).await {
            Broadcast::Taken => {
                self.keep(empty);
                Ok(())
            }
            // Another transaction has the nonce, so there is no gap.
            Broadcast::NonceMined | Broadcast::PerhapsMined | Broadcast::NonceWaiting => Ok(()),
            Broadcast::OutOfGas => Err(SendError::OutOfGas),
            Broadcast::Underpriced(_) | Broadcast::Refused(_) | Broadcast::Lost => {
                Err(SendError::Blocked)
            }
        }
    }

    /// Adds an empty transaction. It counts as expired at once, so it is outbid when it is slow.
    fn keep(&mut self, sent: Sent) {
        let in_flight = InFlight {
            taken: true,
            valid_before: 0,
            since: Instant::now(),
            sent,
        };
        self.in_flight
            .insert(in_flight.sent.sender_nonce, in_flight);
    }
}

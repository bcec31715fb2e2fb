//! Keeps the gas key's transactions coming: a nonce that the pool lacks is a gap behind which
//! nothing is mined, and so is a transaction that nobody outbids any more.

use std::time::Instant;

use super::{
    sender::{Broadcast, InFlight, SendError, SenderTask, unix_now},
    sent::Sent,
};

/// Gaps that are filled at once; the rest is found at the next look.
const AT_ONCE: u64 = 32;
/// A transaction that is worth nothing any more and is not mined for so many looks is outbid here.
const SLOW: u32 = 5;

impl SenderTask {
    /// A look without an order. What fails is tried again at the next one.
    pub(super) async fn check_gaps(&mut self) {
        if let Err(error) = self.fill_gaps(None).await {
            tracing::error!(%error, "the gas key's transactions cannot be checked for gaps");
        }
    }

    /// Compares our count with the chain's and the pool's, and fills what the pool lacks. A nonce
    /// that is `known` to have been used counts also where it was used before a restart.
    pub(super) async fn fill_gaps(&mut self, known: Option<u64>) -> Result<(), SendError> {
        let counts = self.rpc.nonces(self.signer.address()).await;
        let (mined, pending) = counts.map_err(SendError::Asking)?;
        self.in_flight.retain(|nonce, _| *nonce >= mined);
        let counted = known.map_or(0, |nonce| nonce + 1);
        let next = self.next_nonce.unwrap_or(pending).max(pending).max(counted);
        self.next_nonce = Some(next);
        for nonce in pending..next.min(pending + AT_ONCE) {
            // The place of the order itself, which is about to be taken.
            if Some(nonce) != known {
                self.fill(nonce).await?;
            }
        }
        if mined < pending && self.is_abandoned(mined) {
            self.outbid_abandoned(mined).await?;
        }
        Ok(())
    }

    /// Fills one gap: with the transaction that belongs there while it can still pay, else with an
    /// empty one.
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

    /// Whether the next transaction to be mined has nobody who outbids it.
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

    /// Sends an empty transaction with this nonce, for more than the one that is known to have it.
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
            // Somebody has the place, so there is no gap.
            Broadcast::NonceMined | Broadcast::PerhapsMined | Broadcast::NonceWaiting => Ok(()),
            Broadcast::OutOfGas => Err(SendError::OutOfGas),
            Broadcast::Underpriced(_) | Broadcast::Refused(_) | Broadcast::Lost => {
                Err(SendError::Blocked)
            }
        }
    }

    /// An empty transaction is worth nothing at any time, so it is outbid when it is slow.
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

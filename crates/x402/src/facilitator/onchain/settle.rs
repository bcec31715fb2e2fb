//! One settlement, from the first sending to the chain's decision.

use std::time::Instant;

use alloy::primitives::Bytes;

use super::{
    OnchainFacilitator,
    evidence::Since,
    examine::{Finding, examine},
    fees::Fees,
    follow::{Fate, Follower},
    rpc::RpcError,
    sender::{Order, SendError},
    sent::{PaymentKey, Sent},
};
use crate::{
    facilitator::{FacilitatorRequest, Settlement, terms::Terms},
    reason::code,
    wire::{Rest, receipt::Receipt},
};

/// What is to be settled.
pub(super) struct Job<'a> {
    pub(super) terms: &'a Terms,
    pub(super) request: &'a FacilitatorRequest,
    pub(super) key: PaymentKey,
    pub(super) call: Bytes,
}

impl Job<'_> {
    fn settlement(&self, fate: Fate) -> Settlement {
        match fate {
            Fate::Moved(transfer) => Settlement::Settled {
                receipt: Receipt {
                    success: true,
                    error_reason: None,
                    transaction: transfer.transaction.clone(),
                    network: self.request.payment_payload.network().to_owned(),
                    payer: Some(self.key.from.to_checksum(None)),
                    rest: Rest::new(),
                },
                evidence: Some(transfer),
            },
            Fate::Reverted(transaction) => Settlement::Refused {
                reason: code::TRANSACTION_FAILED.to_owned(),
                message: Some(format!("the transfer reverted in {transaction}")),
            },
            Fate::Failed { reason, message } => Settlement::Refused {
                reason: reason.to_owned(),
                message: Some(message.to_owned()),
            },
            Fate::Odd(reason, transaction) => Settlement::Unknown {
                reason: reason.to_owned(),
                transaction: Some(transaction.to_string()),
            },
        }
    }
}

/// The outcome while the chain has not spoken.
fn pending(sent: &[Sent], reason: impl Into<String>) -> Settlement {
    Settlement::Unknown {
        reason: reason.into(),
        transaction: sent.last().map(|s| s.hash.to_string()),
    }
}

/// The state may have changed a little by the time the transfer is run.
fn with_margin(gas: u64) -> u64 {
    gas.saturating_add(gas / 4)
}

impl OnchainFacilitator {
    fn follower<'a>(&'a self, terms: &'a Terms) -> Follower<'a> {
        Follower {
            rpc: &self.rpc,
            terms,
            confirmations: self.patience.confirmations,
        }
    }

    /// Sends the transfer, taking the place of an earlier transaction where one is given.
    async fn send(
        &self,
        job: &Job<'_>,
        gas: u64,
        instead_of: Option<&Sent>,
    ) -> Result<Sent, SendError> {
        let (now, after_block) = Fees::now(&self.rpc).await.map_err(SendError::Node)?;
        let fees = instead_of.map_or(now, |old| now.outbidding(old));
        if fees.max_fee > self.patience.max_fee_per_gas {
            return Err(SendError::TooDear);
        }
        let order = Order {
            payment: job.key.clone(),
            to: self.network.usdc.address,
            input: job.call.clone(),
            gas,
            fees,
            after_block,
            instead_of: instead_of.map(|old| old.sender_nonce),
        };
        self.sender.send(order).await
    }

    /// The first sending of a payment, which has to be good in the node's eyes.
    async fn begin(&self, job: &Job<'_>) -> Result<Sent, Settlement> {
        let unknown = |reason: String| pending(&[], reason);
        let found = examine(&self.rpc, job.terms, self.gas_key, &job.call).await;
        match found.map_err(|e| unknown(e.to_string()))? {
            Finding::Bad(reason) => Err(Settlement::Refused {
                reason: reason.code.into_owned(),
                message: Some(reason.message),
            }),
            Finding::Good { gas } => self
                .send(job, with_margin(gas), None)
                .await
                .map_err(|e| unknown(e.to_string())),
        }
    }

    /// Sends a payment that is not getting mined once more: as it is, for more, or anew.
    async fn press(&self, job: &Job<'_>, sent: &mut Vec<Sent>, outbid: bool) -> Result<(), String> {
        let Some(last) = sent.last().cloned() else {
            return Ok(());
        };
        if !outbid {
            match self.rpc.broadcast(&last.raw).await {
                Err(error) if error.says(&["nonce too low"]) => {}
                Err(error) if error.says(&["insufficient funds"]) => return Err(error.to_string()),
                _ => return Ok(()),
            }
        } else {
            match self.send(job, last.gas, Some(&last)).await {
                Ok(more) => {
                    sent.push(more);
                    return Ok(());
                }
                Err(SendError::NonceTaken) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        // Another transaction has that place for good. If it is one of this payment's, its receipt
        // is there; if not, the transfer needs a new place.
        let mined = self.follower(job.terms).mined(sent).await;
        if mined.map_err(|e| e.to_string())?.is_some() {
            return Ok(());
        }
        match examine(&self.rpc, job.terms, self.gas_key, &job.call).await {
            Ok(Finding::Good { gas }) => {
                let anew = self.send(job, with_margin(gas), None).await;
                sent.push(anew.map_err(|e| e.to_string())?);
                Ok(())
            }
            Ok(Finding::Bad(reason)) => Err(reason.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Waits for the chain to decide, pressing now and then.
    async fn follow(&self, job: &Job<'_>, mut sent: Vec<Sent>, resumed: bool) -> Settlement {
        let started = Instant::now();
        let mut pressed = started;
        let mut trouble = None;
        let follower = self.follower(job.terms);
        if resumed {
            match self.decided(&follower, &sent, true).await {
                Ok(Some(fate)) => return job.settlement(fate),
                Ok(None) => trouble = self.press(job, &mut sent, false).await.err(),
                Err(error) => trouble = Some(error.to_string()),
            }
        }
        loop {
            let out_of_time = started.elapsed() >= self.patience.settle;
            let press = pressed.elapsed() >= self.patience.outbid_after;
            match self.decided(&follower, &sent, out_of_time || press).await {
                Ok(Some(fate)) => return job.settlement(fate),
                Ok(None) => {}
                Err(error) => trouble = Some(error.to_string()),
            }
            if out_of_time {
                return pending(
                    &sent,
                    trouble.unwrap_or_else(|| "settlement_pending".into()),
                );
            }
            if press {
                trouble = self.press(job, &mut sent, true).await.err();
                pressed = Instant::now();
            }
            tokio::time::sleep(self.patience.look_every).await;
        }
    }

    async fn decided(
        &self,
        follower: &Follower<'_>,
        sent: &[Sent],
        thoroughly: bool,
    ) -> Result<Option<Fate>, RpcError> {
        match follower.mined(sent).await? {
            None if thoroughly => match sent.first() {
                Some(first) => follower.elsewhere(Since::Block(first.after_block)).await,
                None => Ok(None),
            },
            fate => Ok(fate),
        }
    }

    /// Settles while no copy of the same settlement runs.
    pub(super) async fn settle_alone(&self, job: &Job<'_>) -> Settlement {
        match self.store.sent(&job.key).await {
            Err(error) => pending(&[], error.to_string()),
            Ok(sent) if sent.is_empty() => match self.begin(job).await {
                Ok(first) => self.follow(job, vec![first], false).await,
                Err(settlement) => settlement,
            },
            Ok(sent) => self.follow(job, sent, true).await,
        }
    }
}

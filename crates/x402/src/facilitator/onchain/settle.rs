//! One settlement, from the first sending to the chain's decision.

use std::time::Instant;

use super::{
    OnchainFacilitator,
    evidence::Since,
    examine::{Finding, Plan},
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
}

impl Job<'_> {
    /// The end of the authorization's window, in Unix seconds.
    fn valid_before(&self) -> u64 {
        let end = self.terms.authorization.valid_before;
        u64::try_from(end).unwrap_or(u64::MAX)
    }

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

/// The outcome where surely nothing was sent.
fn unsent(reason: impl Into<String>, retry_after: u64) -> Settlement {
    Settlement::Unsent {
        reason: reason.into(),
        retry_after: Some(retry_after),
    }
}

/// Seconds after which a facilitator that is not ready may be, and after which a node may answer.
const NOT_READY: u64 = 60;
const NO_ANSWER: u64 = 5;

/// How a settlement goes on after its beginning.
enum Begun {
    /// These transactions were sent.
    Sent(Vec<Sent>),
    /// Nothing was, because the authorization was used after we had found it unspent.
    Overtaken,
}

impl OnchainFacilitator {
    fn follower<'a>(&'a self, terms: &'a Terms) -> Follower<'a> {
        Follower {
            rpc: &self.rpc,
            terms,
            confirmations: self.settings.confirmations,
        }
    }

    /// Sends the transfer.
    async fn send(
        &self,
        job: &Job<'_>,
        plan: Plan,
        fees: Fees,
        after_block: u64,
    ) -> Result<Sent, SendError> {
        let order = Order {
            payment: job.key.clone(),
            to: plan.to,
            input: plan.input,
            gas: plan.gas,
            fees,
            after_block,
            valid_before: job.valid_before(),
            instead_of: None,
        };
        self.sender.send(order).await
    }

    /// Sends the same transaction for more, in its own place.
    async fn outbid(&self, job: &Job<'_>, old: &Sent) -> Result<Sent, SendError> {
        let (now, _) = self.rpc.fees().await.map_err(SendError::Asking)?;
        let fees = now.outbidding(old);
        if fees.max_fee > self.settings.gas.max_fee_per_gas {
            return Err(SendError::TooDear);
        }
        let transaction = old.transaction().ok_or(SendError::Unreadable)?;
        let order = Order {
            payment: job.key.clone(),
            to: transaction.to,
            input: transaction.input,
            gas: transaction.gas_limit,
            fees,
            after_block: old.after_block,
            valid_before: job.valid_before(),
            instead_of: Some(old.sender_nonce),
        };
        self.sender.send(order).await
    }

    /// The first sending of a payment, which has to be good in the node's eyes.
    async fn begin(&self, job: &Job<'_>) -> Result<Begun, Settlement> {
        let examined = self.examine(job).await;
        let (finding, fees, block) =
            examined.map_err(|error| unsent(error.to_string(), NO_ANSWER))?;
        match finding {
            // What was unspent when we first looked was spent for this payment, or on purpose.
            Finding::Bad(reason)
                if reason.code == code::NONCE_USED && self.first_seen.block(&job.key).is_some() =>
            {
                Ok(Begun::Overtaken)
            }
            Finding::Bad(reason) => Err(Settlement::Refused {
                reason: reason.code.into_owned(),
                message: Some(reason.message),
            }),
            Finding::NotReady(why) => Err(unsent(why, NOT_READY)),
            Finding::Good(plan) => match self.send(job, plan, fees, block).await {
                Ok(sent) => Ok(Begun::Sent(vec![sent])),
                Err(error) if error.surely_unsent() => {
                    Err(unsent(error.to_string(), error.retry_after()))
                }
                Err(error) => Err(pending(&[], error.to_string())),
            },
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
            match self.outbid(job, &last).await {
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
        match self.examine(job).await {
            Ok((Finding::Good(plan), fees, block)) => {
                let anew = self.send(job, plan, fees, block).await;
                sent.push(anew.map_err(|e| e.to_string())?);
                Ok(())
            }
            Ok((Finding::Bad(reason), ..)) => Err(reason.to_string()),
            Ok((Finding::NotReady(why), ..)) => Err(why),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Waits for the chain to decide, pressing now and then.
    async fn follow(&self, job: &Job<'_>, mut sent: Vec<Sent>, resumed: bool) -> Settlement {
        let started = Instant::now();
        let mut pressed = started;
        let mut trouble = None;
        if resumed {
            match self.decided(job, &sent, true).await {
                Ok(Some(fate)) => return self.settlement(job, fate),
                Ok(None) => trouble = self.press(job, &mut sent, false).await.err(),
                Err(error) => trouble = Some(error.to_string()),
            }
        }
        loop {
            let out_of_time = started.elapsed() >= self.settings.settle_timeout;
            let press = pressed.elapsed() >= self.settings.outbid_after;
            let thoroughly = out_of_time || press || sent.is_empty();
            match self.decided(job, &sent, thoroughly).await {
                Ok(Some(fate)) => return self.settlement(job, fate),
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
            tokio::time::sleep(self.settings.look_every).await;
        }
    }

    async fn decided(
        &self,
        job: &Job<'_>,
        sent: &[Sent],
        thoroughly: bool,
    ) -> Result<Option<Fate>, RpcError> {
        let follower = self.follower(job.terms);
        if let Some(fate) = follower.mined(sent).await? {
            return Ok(Some(fate));
        }
        let first_sent = sent.first().map(|first| first.after_block);
        match first_sent.or_else(|| self.first_seen.block(&job.key)) {
            Some(block) if thoroughly => follower.elsewhere(Since::Block(block)).await,
            _ => Ok(None),
        }
    }

    fn settlement(&self, job: &Job<'_>, fate: Fate) -> Settlement {
        if let Fate::Reverted(transaction) = fate {
            self.backoff
                .reverted(job.key.from, transaction, Instant::now());
        }
        job.settlement(fate)
    }

    /// Settles while no copy of the same settlement runs.
    pub(super) async fn settle_alone(&self, job: &Job<'_>) -> Settlement {
        match self.store.sent(&job.key).await {
            Err(error) => pending(&[], error.to_string()),
            Ok(sent) if sent.is_empty() => match self.begin(job).await {
                Ok(Begun::Sent(first)) => self.follow(job, first, false).await,
                Ok(Begun::Overtaken) => self.follow(job, Vec::new(), false).await,
                Err(settlement) => settlement,
            },
            Ok(sent) => self.follow(job, sent, true).await,
        }
    }
}

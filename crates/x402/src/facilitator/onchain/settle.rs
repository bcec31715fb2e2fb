//! One settlement, from the first broadcast to its outcome on the chain.

use std::time::Instant;

use super::{
    OnchainFacilitator,
    evidence::Since,
    examine::{TransferCheck, TransferPlan},
    fees::Fees,
    follow::{Follower, TransactionFate},
    rpc::RpcError,
    sender::{SendError, SendRequest},
    sent::{PaymentKey, Sent},
};
use crate::{
    facilitator::{FacilitatorRequest, Settlement, terms::TransferTerms},
    reason::code,
    wire::{Rest, receipt::Receipt},
};

/// One settlement with its parameters.
pub(super) struct SettlementJob<'a> {
    pub(super) terms: &'a TransferTerms,
    pub(super) request: &'a FacilitatorRequest,
    pub(super) key: PaymentKey,
}

impl SettlementJob<'_> {
    /// The end of the authorization's window, in Unix seconds.
    fn valid_before(&self) -> u64 {
        let end = self.terms.authorization.valid_before;
        u64::try_from(end).unwrap_or(u64::MAX)
    }

    fn settlement(&self, fate: TransactionFate) -> Settlement {
        match fate {
            TransactionFate::Moved(transfer) => Settlement::Settled {
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
            TransactionFate::Reverted(transaction) => Settlement::Refused {
                reason: code::TRANSACTION_FAILED.to_owned(),
                message: Some(format!("the transfer reverted in {transaction}")),
            },
            TransactionFate::Failed { reason, message } => Settlement::Refused {
                reason: reason.to_owned(),
                message: Some(message.to_owned()),
            },
            TransactionFate::Odd(reason, transaction) => Settlement::Unknown {
                reason: reason.to_owned(),
                transaction: Some(transaction.to_string()),
            },
        }
    }
}

/// The outcome while the chain has not decided: unknown.
fn pending(sent: &[Sent], reason: impl Into<String>) -> Settlement {
    Settlement::Unknown {
        reason: reason.into(),
        transaction: sent.last().map(|s| s.hash.to_string()),
    }
}

/// The outcome if it is certain that nothing was sent.
fn unsent(reason: impl Into<String>, retry_after: u64) -> Settlement {
    Settlement::Unsent {
        reason: reason.into(),
        retry_after: Some(retry_after),
    }
}

/// Seconds until a retry, for a facilitator that is not ready and for a node that does not answer.
const NOT_READY: u64 = 60;
const NO_ANSWER: u64 = 5;

/// The result of a settlement's start.
enum SettlementStart {
    /// These transactions were sent.
    Sent(Vec<Sent>),
    /// Nothing was sent, because the authorization was used after it had been found unspent.
    Overtaken,
}

impl OnchainFacilitator {
    fn follower<'a>(&'a self, terms: &'a TransferTerms) -> Follower<'a> {
        Follower {
            rpc: &self.rpc,
            terms,
            confirmations: self.settings.confirmations,
        }
    }

    /// Sends the transfer.
    async fn send(
        &self,
        job: &SettlementJob<'_>,
        plan: TransferPlan,
        fees: Fees,
        after_block: u64,
    ) -> Result<Sent, SendError> {
        let order = SendRequest {
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

    /// Sends the same transaction with higher fees and the same nonce.
    async fn outbid(&self, job: &SettlementJob<'_>, old: &Sent) -> Result<Sent, SendError> {
        let (now, _) = self.rpc.fees().await.map_err(SendError::Asking)?;
        let fees = now.outbidding(old);
        if fees.max_fee > self.settings.gas.max_fee_per_gas {
            return Err(SendError::TooDear);
        }
        let transaction = old.transaction().ok_or(SendError::Unreadable)?;
        let order = SendRequest {
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

    /// The first broadcast of a payment; it requires a successful simulation.
    async fn begin(&self, job: &SettlementJob<'_>) -> Result<SettlementStart, Settlement> {
        let examined = self.examine(job).await;
        let (finding, fees, block) =
            examined.map_err(|error| unsent(error.to_string(), NO_ANSWER))?;
        match finding {
            // The authorization was unspent before, so it was spent for this payment or by the
            // payer's decision.
            TransferCheck::Bad(reason)
                if reason.code == code::NONCE_USED && self.first_seen.block(&job.key).is_some() =>
            {
                Ok(SettlementStart::Overtaken)
            }
            TransferCheck::Bad(reason) => Err(Settlement::Refused {
                reason: reason.code.into_owned(),
                message: Some(reason.message),
            }),
            TransferCheck::NotReady(why) => Err(unsent(why, NOT_READY)),
            TransferCheck::Good(plan) => match self.send(job, plan, fees, block).await {
                Ok(sent) => Ok(SettlementStart::Sent(vec![sent])),
                Err(error) if error.surely_unsent() => {
                    Err(unsent(error.to_string(), error.retry_after()))
                }
                Err(error) => Err(pending(&[], error.to_string())),
            },
        }
    }

    /// Sends a payment again that is not mined: unchanged, with higher fees, or with a new nonce.
    async fn press(
        &self,
        job: &SettlementJob<'_>,
        sent: &mut Vec<Sent>,
        outbid: bool,
    ) -> Result<(), String> {
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
        // Another transaction with this nonce was mined. If it belongs to this payment, its receipt
        // exists; otherwise the transfer needs a new nonce.
        let mined = self.follower(job.terms).mined(sent).await;
        if mined.map_err(|e| e.to_string())?.is_some() {
            return Ok(());
        }
        match self.examine(job).await {
            Ok((TransferCheck::Good(plan), fees, block)) => {
                let anew = self.send(job, plan, fees, block).await;
                sent.push(anew.map_err(|e| e.to_string())?);
                Ok(())
            }
            Ok((TransferCheck::Bad(reason), ..)) => Err(reason.to_string()),
            Ok((TransferCheck::NotReady(why), ..)) => Err(why),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Waits until the chain has decided, and sends again at intervals.
    async fn follow(
        &self,
        job: &SettlementJob<'_>,
        mut sent: Vec<Sent>,
        resumed: bool,
    ) -> Settlement {
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
        job: &SettlementJob<'_>,
        sent: &[Sent],
        thoroughly: bool,
    ) -> Result<Option<TransactionFate>, RpcError> {
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

    fn settlement(&self, job: &SettlementJob<'_>, fate: TransactionFate) -> Settlement {
        if let TransactionFate::Reverted(transaction) = fate {
            self.backoff
                .reverted(job.key.from, transaction, Instant::now());
        }
        job.settlement(fate)
    }

    /// Settles; the caller makes sure that no copy of the same settlement runs.
    pub(super) async fn settle_alone(&self, job: &SettlementJob<'_>) -> Settlement {
        match self.store.sent(&job.key).await {
            Err(error) => pending(&[], error.to_string()),
            Ok(sent) if sent.is_empty() => match self.begin(job).await {
                Ok(SettlementStart::Sent(first)) => self.follow(job, first, false).await,
                Ok(SettlementStart::Overtaken) => self.follow(job, Vec::new(), false).await,
                Err(settlement) => settlement,
            },
            Ok(sent) => self.follow(job, sent, true).await,
        }
    }
}

//! A payment as it is reserved, stored and listed.

use std::fmt;

use super::super::{StoreError, sql::Row};
use crate::{
    ids::{KeyId, LeaseId, PaymentId, Wallet},
    payment_machine::{Funding, PaymentState, StoredAnswer},
};

/// The network in the row of a payment from credit.
pub const CREDIT_NETWORK: &str = "credit";

/// The request to the facilitator as JSON, stored so that it can be sent again unchanged. It holds
/// a signature, which is worth its amount until it is settled, so `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedRequest(pub String);

impl fmt::Debug for SignedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A payment about to be reserved. Hexadecimal fields may come in any case; `network` must be the
/// CAIP-2 id.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct NewPayment {
    pub payment_id: PaymentId,
    pub network: String,
    pub asset: String,
    pub payer: Wallet,
    pub nonce: String,
    /// Digest of method, path and canonical body.
    pub digest: String,
    pub idempotency_key: Option<String>,
    /// Atomic units.
    pub amount: u64,
    pub pay_to: String,
    /// Unix seconds.
    pub valid_before: i64,
    /// Sent again when the outcome is unknown.
    pub request: SignedRequest,
    /// Name of the paid operation.
    pub operation: String,
    /// What the operation needs to go on after a restart, as JSON; no secrets.
    pub arguments: String,
    /// The lease it is for, where that is known already.
    pub lease_id: Option<LeaseId>,
}

impl NewPayment {
    /// The row as it is once it is reserved under this id.
    pub fn reserved_as(self, payment_id: PaymentId, now: i64) -> Payment {
        Payment {
            payment_id,
            network: self.network,
            asset: self.asset,
            payer: self.payer,
            nonce: self.nonce,
            digest: self.digest,
            idempotency_key: self.idempotency_key,
            state: PaymentState::Reserved,
            amount: self.amount,
            pay_to: self.pay_to,
            valid_before: self.valid_before,
            request: self.request,
            operation: self.operation,
            arguments: self.arguments,
            lease_id: self.lease_id,
            transaction: None,
            log_index: None,
            block: None,
            reason: None,
            answer: None,
            performed_at: None,
            checked_at: None,
            created_at: now,
            updated_at: now,
        }
    }
}

/// A payment as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Payment {
    pub payment_id: PaymentId,
    pub network: String,
    pub asset: String,
    pub payer: Wallet,
    pub nonce: String,
    pub digest: String,
    pub idempotency_key: Option<String>,
    pub state: PaymentState,
    pub amount: u64,
    pub pay_to: String,
    pub valid_before: i64,
    pub request: SignedRequest,
    pub operation: String,
    pub arguments: String,
    pub lease_id: Option<LeaseId>,
    pub transaction: Option<String>,
    /// Which of the transaction's logs is the transfer, where the chain was read.
    pub log_index: Option<u64>,
    /// The block of the transfer, where the chain was read.
    pub block: Option<u64>,
    pub reason: Option<String>,
    /// Its body is empty once it was blanked.
    pub answer: Option<StoredAnswer>,
    /// When an operation that must not run twice was begun.
    pub performed_at: Option<i64>,
    /// When the chain was checked for the last time, once after the end of the window.
    pub checked_at: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
}

impl Payment {
    /// Where its money comes from.
    pub fn funding(&self) -> Funding {
        match self.network == CREDIT_NETWORK {
            true => Funding::Credit,
            false => Funding::X402,
        }
    }

    /// The API key that spends it, where one does.
    pub fn key_id(&self) -> Option<KeyId> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Arguments {
            key_id: Option<KeyId>,
        }
        if self.funding() != Funding::Credit {
            return None;
        }
        let arguments = serde_json::from_str::<Arguments>(&self.arguments);
        arguments.ok().and_then(|arguments| arguments.key_id)
    }
}

/// The outcome of a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reservation {
    /// The nonce is reserved. The id is that of an earlier row if that one was released.
    Reserved {
        /// The id of the payment.
        payment_id: PaymentId,
    },
    /// The same request was seen before, with this payment or, under the same key, with another
    /// one.
    Known {
        /// Row of the payment that was seen.
        payment_id: PaymentId,
    },
    /// The nonce or the key belongs to another request.
    Conflict,
}

/// A payment as lists show it: without the request and the answer, which may be large and hold
/// secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct PaymentSummary {
    pub payment_id: PaymentId,
    pub network: String,
    pub asset: String,
    pub payer: Wallet,
    pub nonce: String,
    pub state: PaymentState,
    pub amount: u64,
    pub pay_to: String,
    pub operation: String,
    pub lease_id: Option<LeaseId>,
    pub transaction: Option<String>,
    pub reason: Option<String>,
    /// The sum of its debts that are due, atomic units.
    pub due: u64,
    pub created_at: i64,
    pub updated_at: i64,
}

pub(super) const COLUMNS: &str = "payment_id, network, asset, payer, nonce, digest, idempotency_key, state, amount, pay_to,
    valid_before, request, operation, transaction_hash, reason, answer_status, answer_body, created_at, updated_at, arguments,
    lease_id, log_index, block, performed_at, checked_at";

pub(super) fn read_payment(row: &Row<'_>) -> Result<Payment, StoreError> {
    let answer = match (row.get("answer_status")?, row.get("answer_body")?) {
        (Some(status), Some(body)) => Some(StoredAnswer { status, body }),
        _ => None,
    };
    Ok(Payment {
        payment_id: row.get("payment_id")?,
        network: row.get("network")?,
        asset: row.get("asset")?,
        payer: row.get("payer")?,
        nonce: row.get("nonce")?,
        digest: row.get("digest")?,
        idempotency_key: row.get("idempotency_key")?,
        state: row.get("state")?,
        amount: row.get("amount")?,
        pay_to: row.get("pay_to")?,
        valid_before: row.get("valid_before")?,
        request: SignedRequest(row.get("request")?),
        operation: row.get("operation")?,
        transaction: row.get("transaction_hash")?,
        reason: row.get("reason")?,
        answer,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        arguments: row.get("arguments")?,
        lease_id: row.get("lease_id")?,
        log_index: row.get("log_index")?,
        block: row.get("block")?,
        performed_at: row.get("performed_at")?,
        checked_at: row.get("checked_at")?,
    })
}

pub(in crate::store) const SUMMARY: &str =
    "payment_id, network, asset, payer, nonce, state, amount, pay_to, operation, lease_id,
    transaction_hash, reason, created_at, updated_at,
    (SELECT CAST(coalesce(sum(debts.amount), 0) AS BIGINT) FROM debts
     WHERE debts.payment_id = payments.payment_id AND debts.state = 'due') AS due";

pub(super) fn read_summary(row: &Row<'_>) -> Result<PaymentSummary, StoreError> {
    Ok(PaymentSummary {
        payment_id: row.get("payment_id")?,
        network: row.get("network")?,
        asset: row.get("asset")?,
        payer: row.get("payer")?,
        nonce: row.get("nonce")?,
        state: row.get("state")?,
        amount: row.get("amount")?,
        pay_to: row.get("pay_to")?,
        operation: row.get("operation")?,
        lease_id: row.get("lease_id")?,
        transaction: row.get("transaction_hash")?,
        reason: row.get("reason")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        due: row.get("due")?,
    })
}

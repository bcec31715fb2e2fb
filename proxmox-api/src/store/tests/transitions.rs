//! A payment's moves as tests of the store make them: from whichever state the table allows.

use x402::facilitator::TransferEvidence;

use super::super::{Change, Claim, ClaimLimits, ClaimOutcome, Store, StoreError, StoredAnswer};
use crate::{
    ids::{LeaseId, PaymentId},
    payment_machine::{NewState, PaymentState, Transition},
};

impl Store {
    async fn move_from(
        &self,
        id: &PaymentId,
        from: &[PaymentState],
        target: NewState,
        changes: Vec<Change>,
        now: i64,
    ) -> Result<bool, StoreError> {
        for from in from {
            let wanted = Transition::in_test(id, *from, target.clone());
            let wanted = wanted.expect("the table allows it");
            if self.move_payment(wanted, changes.clone(), now).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) async fn mark_settling(&self, id: &PaymentId, now: i64) -> Result<bool, StoreError> {
        let from = [PaymentState::Verified, PaymentState::Reserved];
        self.move_from(id, &from, NewState::Settling, Vec::new(), now)
            .await
    }

    pub(super) async fn mark_verified(&self, id: &PaymentId, now: i64) -> Result<bool, StoreError> {
        let from = [PaymentState::Reserved];
        self.move_from(id, &from, NewState::Verified, Vec::new(), now)
            .await
    }

    pub(super) async fn mark_settled(
        &self,
        id: &PaymentId,
        transfer: TransferEvidence,
        now: i64,
    ) -> Result<bool, StoreError> {
        let from = [
            PaymentState::Settling,
            PaymentState::Unknown,
            PaymentState::Unresolved,
            PaymentState::Refused,
        ];
        self.move_from(id, &from, NewState::Settled(transfer), Vec::new(), now)
            .await
    }

    pub(super) async fn mark_refused(
        &self,
        id: &PaymentId,
        why: &str,
        now: i64,
    ) -> Result<bool, StoreError> {
        let from = [
            PaymentState::Settling,
            PaymentState::Unknown,
            PaymentState::Unresolved,
        ];
        self.move_from(id, &from, NewState::Refused(why.into()), Vec::new(), now)
            .await
    }

    pub(super) async fn mark_unknown(
        &self,
        id: &PaymentId,
        transaction: Option<&str>,
        now: i64,
    ) -> Result<bool, StoreError> {
        let target = NewState::Unknown(transaction.map(str::to_owned));
        self.move_from(id, &[PaymentState::Settling], target, Vec::new(), now)
            .await
    }

    pub(super) async fn mark_unresolved(
        &self,
        id: &PaymentId,
        why: &str,
        now: i64,
    ) -> Result<bool, StoreError> {
        let from = [PaymentState::Settling, PaymentState::Unknown];
        self.move_from(id, &from, NewState::Unresolved(why.into()), Vec::new(), now)
            .await
    }

    pub(super) async fn mark_released(
        &self,
        id: &PaymentId,
        why: &str,
        now: i64,
    ) -> Result<bool, StoreError> {
        let from = [PaymentState::Reserved, PaymentState::Verified];
        self.move_from(id, &from, NewState::Released(why.into()), Vec::new(), now)
            .await
    }

    pub(super) async fn mark_unsent(
        &self,
        id: &PaymentId,
        why: &str,
        now: i64,
    ) -> Result<bool, StoreError> {
        let target = NewState::Released(why.into());
        self.move_from(id, &[PaymentState::Settling], target, Vec::new(), now)
            .await
    }

    pub(super) async fn mark_answered(
        &self,
        id: &PaymentId,
        answer: StoredAnswer,
    ) -> Result<bool, StoreError> {
        let target = NewState::Answered(answer);
        self.move_from(id, &[PaymentState::Settled], target, Vec::new(), 0)
            .await
    }

    pub(super) async fn owe_undelivered(
        &self,
        id: &PaymentId,
        reason: &'static str,
        now: i64,
    ) -> Result<bool, StoreError> {
        let amount = self.payment(id).await?.expect("it is there").amount;
        let target = NewState::Answered(super::answer());
        let debt = Change::Debt { reason, amount };
        self.move_from(id, &[PaymentState::Settled], target, vec![debt], now)
            .await
    }

    pub(super) async fn claim(
        &self,
        claim: Claim,
        limits: ClaimLimits,
        now: i64,
    ) -> Result<ClaimOutcome, StoreError> {
        let verified = Transition::in_test(
            &claim.payment_id,
            PaymentState::Reserved,
            NewState::Verified,
        );
        let verified = verified.expect("the table allows it");
        self.claim_lease(claim, limits, verified, Vec::new(), now)
            .await
    }

    /// The answer of a payment, together with the activation of its lease.
    pub(super) async fn activate_lease(
        &self,
        lease_id: &LeaseId,
        payment_id: &PaymentId,
        grace_seconds: i64,
        now: i64,
    ) -> Result<bool, StoreError> {
        let activation = Change::ActivateLease {
            lease_id: lease_id.clone(),
            ip: None,
            grace_seconds,
        };
        let target = NewState::Answered(super::answer());
        let from = [PaymentState::Settled];
        self.move_from(payment_id, &from, target, vec![activation], now)
            .await
    }
}

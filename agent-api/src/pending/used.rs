//! Makes sure that each suspended call is used once. The customer's payment or confirmation is
//! remembered until the call expires, so that the same one can be presented again (the first
//! response may have been lost) and another one cannot. A confirmed call is performed once: copies
//! wait for its outcome, and later ones get it from memory. A payment whose outcome is unknown is
//! remembered for longer, so that only a known outcome closes it. Replicas do not share this
//! memory. Across replicas, a confirmed call names its lease, and the lease API's `Idempotency-Key`
//! makes sure that a paid call is performed once.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::{Pending, PendingError, new_key};
use crate::lease_api::{LeaseApiError, LeaseApiResponse};

/// The maximum number of uses that are remembered; the oldest are forgotten first.
const MOST: usize = 50_000;

/// How long a payment is remembered if its outcome is unknown or if it came without a suspended
/// call, in seconds.
const KEPT: u64 = 24 * 60 * 60;

/// Whether a use is the first or a repetition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// The first use.
    First,
    /// The same use again.
    Same,
}

/// The outcome of a confirmed call.
pub type LeaseApiResult = Result<LeaseApiResponse, LeaseApiError>;

/// A confirmation that was received.
#[derive(Debug)]
pub struct ConfirmedCall {
    /// The sender of the outcome; only the first confirmation gets it and performs the call.
    pub perform: Option<watch::Sender<Option<LeaseApiResult>>>,
    /// The receiver of the outcome, for all confirmations of the call.
    pub outcome: watch::Receiver<Option<LeaseApiResult>>,
}

/// The suspended calls that were used.
#[derive(Debug, Default)]
pub struct UsedCalls(Mutex<HashMap<String, CallUse>>);

#[derive(Debug)]
struct CallUse {
    with: String,
    expires_at: u64,
    outcome: Option<watch::Receiver<Option<LeaseApiResult>>>,
    /// Whether its payment may have moved money and has no known outcome yet.
    open: bool,
    /// The `Idempotency-Key` of a payment that came without a suspended call.
    key: Option<String>,
}

impl UsedCalls {
    /// The idempotency key of a payment that came without a suspended call. It is random, and the
    /// same for every request with the same tag. `now` is in Unix seconds.
    pub fn key_of(&self, tag: &str, now: u64) -> String {
        let mut uses = self.uses();
        make_room(&mut uses, now);
        let used = uses.entry(tag.to_owned()).or_insert_with(|| CallUse {
            key: Some(new_key("voucher")),
            ..CallUse::new(tag, now + KEPT)
        });
        used.key.clone().unwrap_or_else(|| new_key("voucher"))
    }

    /// Marks the call's payment as one that may have moved money. `id` is the suspended call's id
    /// or the payment's tag.
    pub fn mark_open(&self, id: &str, now: u64) {
        if let Some(used) = self.uses().get_mut(id) {
            used.open = true;
            used.expires_at = used.expires_at.max(now + KEPT);
        }
    }

    /// Marks the payment's outcome as known.
    pub fn mark_closed(&self, id: &str) {
        if let Some(used) = self.uses().get_mut(id) {
            used.open = false;
        }
    }

    /// Whether the call's payment may have moved money and has no known outcome yet.
    pub fn is_open(&self, id: &str) -> bool {
        self.uses().get(id).is_some_and(|used| used.open)
    }

    /// Remembers that a call is used with this payment or confirmation. `now` is in Unix seconds.
    ///
    /// # Errors
    /// The call was used with another one.
    pub fn record(&self, pending: &Pending, with: &str, now: u64) -> Result<Reuse, PendingError> {
        record(&mut self.uses(), pending, with, now)
    }

    /// Remembers a confirmation of a call, and returns the channel of its outcome.
    ///
    /// # Errors
    /// As for [`UsedCalls::record`].
    pub fn confirm(
        &self,
        pending: &Pending,
        with: &str,
        now: u64,
    ) -> Result<ConfirmedCall, PendingError> {
        let mut uses = self.uses();
        record(&mut uses, pending, with, now)?;
        let used = uses.get_mut(&pending.id).ok_or(PendingError::Used)?;
        if let Some(outcome) = &used.outcome {
            return Ok(ConfirmedCall {
                perform: None,
                outcome: outcome.clone(),
            });
        }
        let (perform, outcome) = watch::channel(None);
        used.outcome = Some(outcome.clone());
        Ok(ConfirmedCall {
            perform: Some(perform),
            outcome,
        })
    }

    /// Forgets a use that changed nothing, so that the customer can answer differently.
    pub fn forget(&self, pending: &Pending) {
        self.uses().remove(&pending.id);
    }

    fn uses(&self) -> MutexGuard<'_, HashMap<String, CallUse>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CallUse {
    fn new(with: &str, expires_at: u64) -> Self {
        Self {
            with: with.to_owned(),
            expires_at,
            outcome: None,
            open: false,
            key: None,
        }
    }
}

/// Forgets expired uses, and the oldest ones if there are too many.
fn make_room(uses: &mut HashMap<String, CallUse>, now: u64) {
    uses.retain(|_, before| before.expires_at > now);
    if uses.len() >= MOST {
        let oldest = uses.iter().min_by_key(|(_, before)| before.expires_at);
        if let Some(id) = oldest.map(|(id, _)| id.clone()) {
            uses.remove(&id);
        }
    }
}

fn record(
    uses: &mut HashMap<String, CallUse>,
    pending: &Pending,
    with: &str,
    now: u64,
) -> Result<Reuse, PendingError> {
    make_room(uses, now);
    if let Some(before) = uses.get(&pending.id) {
        return match before.with == with {
            true => Ok(Reuse::Same),
            false => Err(PendingError::Used),
        };
    }
    let noted = CallUse::new(with, pending.expires_at);
    uses.insert(pending.id.clone(), noted);
    Ok(Reuse::First)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{pending::CustomerAction, tools, turn::Turn};

    fn pending(expires_at: u64) -> Pending {
        let call = crate::conversation::ToolCall {
            id: "c".into(),
            tool: "list_managed_containers".into(),
            arguments: String::new(),
        };
        Pending {
            id: Pending::new_id(),
            expires_at,
            wallet: None,
            plan: tools::find(&call.tool).unwrap().plan(&call).unwrap(),
            wanted: CustomerAction::Confirmation,
            turn: Turn::new("t", Vec::new()),
        }
    }

    #[test]
    fn a_call_can_be_used_again_with_the_same_answer_only() {
        let (used, call) = (UsedCalls::default(), pending(100));
        assert_eq!(used.record(&call, "header", 0), Ok(Reuse::First));
        assert_eq!(used.record(&call, "header", 1), Ok(Reuse::Same));
        assert_eq!(used.record(&call, "other", 1), Err(PendingError::Used));
        assert_eq!(used.record(&pending(100), "other", 1), Ok(Reuse::First));
        used.forget(&call);
        assert_eq!(used.record(&call, "other", 1), Ok(Reuse::First));
    }

    #[test]
    fn expired_uses_are_forgotten() {
        let used = UsedCalls::default();
        used.record(&pending(100), "a", 0).unwrap();
        used.record(&pending(300), "a", 200).unwrap();
        assert_eq!(used.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_payment_with_an_unknown_outcome_is_remembered_longer_than_its_call() {
        let (used, call) = (UsedCalls::default(), pending(100));
        used.record(&call, "header", 0).unwrap();
        assert!(!used.is_open(&call.id));
        used.mark_open(&call.id, 50);
        used.record(&pending(9_000), "a", 5_000).unwrap();
        assert!(used.is_open(&call.id), "it is past its time");
        assert_eq!(used.record(&call, "other", 5_000), Err(PendingError::Used));
        used.mark_closed(&call.id);
        assert!(!used.is_open(&call.id));
        used.record(&pending(u64::MAX), "a", 50 + KEPT).unwrap();
        assert_eq!(used.0.lock().unwrap().len(), 1, "and forgotten after a day");
    }

    #[test]
    fn the_same_payment_gets_the_same_random_key() {
        let (used, other) = (UsedCalls::default(), UsedCalls::default());
        let key = used.key_of("tag", 0);
        assert_eq!(used.key_of("tag", 1), key);
        assert_ne!(used.key_of("another", 1), key);
        assert_ne!(
            other.key_of("tag", 0),
            key,
            "nothing of it is made from the payment"
        );
    }

    #[test]
    fn a_confirmed_call_is_performed_once_and_its_outcome_remembered() {
        let (used, call) = (UsedCalls::default(), pending(100));
        let first = used.confirm(&call, "yes", 0).unwrap();
        let copy = used.confirm(&call, "yes", 1).unwrap();
        assert!(first.perform.is_some() && copy.perform.is_none());
        first
            .perform
            .unwrap()
            .send_replace(Some(Err(LeaseApiError::Slow)));
        let late = used.confirm(&call, "yes", 99).unwrap();
        assert!(late.perform.is_none());
        for outcome in [copy.outcome, late.outcome] {
            assert_eq!(*outcome.borrow(), Some(Err(LeaseApiError::Slow)));
        }
        let other = used.confirm(&call, "no", 1).unwrap_err();
        assert_eq!(other, PendingError::Used);
    }
}

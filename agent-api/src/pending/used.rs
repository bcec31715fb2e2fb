//! One use of each suspended call. What it was used with is remembered until it has expired, so that the same answer of the customer
//! can come again (the first reply may have got lost) and another cannot. Replicas do not share this: across them, the lease API's
//! `Idempotency-Key` sees to it that a suspended call is performed once.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use super::{Pending, PendingError};

/// The most that are remembered; the oldest go first.
const MOST: usize = 50_000;

/// Which use this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// The first.
    First,
    /// The same again.
    Same,
}

/// The suspended calls that were used.
#[derive(Debug, Default)]
pub struct Used(Mutex<HashMap<String, Use>>);

#[derive(Debug)]
struct Use {
    with: String,
    expires_at: u64,
}

impl Used {
    /// Notes that a call is used with this answer of the customer. `now` is in Unix seconds.
    ///
    /// # Errors
    /// It was used with another.
    pub fn note(&self, pending: &Pending, with: &str, now: u64) -> Result<Reuse, PendingError> {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, before| before.expires_at > now);
        if let Some(before) = used.get(&pending.id) {
            return match before.with == with {
                true => Ok(Reuse::Same),
                false => Err(PendingError::Used),
            };
        }
        if used.len() >= MOST {
            let oldest = used.iter().min_by_key(|(_, before)| before.expires_at);
            if let Some(id) = oldest.map(|(id, _)| id.clone()) {
                used.remove(&id);
            }
        }
        let noted = Use {
            with: with.to_owned(),
            expires_at: pending.expires_at,
        };
        used.insert(pending.id.clone(), noted);
        Ok(Reuse::First)
    }

    /// Forgets a use that came to nothing, so that the customer can answer otherwise.
    pub fn forget(&self, pending: &Pending) {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        used.remove(&pending.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{pending::Wanted, tools, turn::Turn};

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
            wanted: Wanted::Confirmation,
            turn: Turn::new("t", Vec::new()),
        }
    }

    #[test]
    fn the_same_answer_may_come_again_and_another_may_not() {
        let (used, call) = (Used::default(), pending(100));
        assert_eq!(used.note(&call, "header", 0), Ok(Reuse::First));
        assert_eq!(used.note(&call, "header", 1), Ok(Reuse::Same));
        assert_eq!(used.note(&call, "other", 1), Err(PendingError::Used));
        assert_eq!(used.note(&pending(100), "other", 1), Ok(Reuse::First));
        used.forget(&call);
        assert_eq!(used.note(&call, "other", 1), Ok(Reuse::First));
    }

    #[test]
    fn what_has_expired_is_forgotten() {
        let used = Used::default();
        used.note(&pending(100), "a", 0).unwrap();
        used.note(&pending(300), "a", 200).unwrap();
        assert_eq!(used.0.lock().unwrap().len(), 1);
    }
}

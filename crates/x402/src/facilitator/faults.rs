//! A facilitator that fails on command, around a working one. Tests use it to check its callers
//! when the facilitator is away, refuses, or settles and its response is lost.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use super::{
    Description, Facilitator, FacilitatorError, FacilitatorRequest, Settlement, Supported,
    Verification,
};

/// A fault of one settlement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettleFault {
    /// Refused with this reason; no money moves.
    Refuse(String),
    /// Certainly not sent, with this reason; no money moves.
    Unsent(String),
    /// The money moves, and the response is lost.
    LoseAnswer,
    /// The request is lost: no money moves and there is no response.
    LoseRequest,
}

/// The faults that are set. Copies share them.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<FaultState>>);

#[derive(Debug, Default)]
struct FaultState {
    settle: VecDeque<SettleFault>,
    away: bool,
    real: bool,
    not_ready: Option<String>,
    delay: Duration,
    settlements_asked: u64,
}

impl Faults {
    fn state(&self) -> MutexGuard<'_, FaultState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the next settlements fail with these faults, in this order, after the faults that are
    /// already queued.
    pub fn on_settle(&self, faults: impl IntoIterator<Item = SettleFault>) {
        self.state().settle.extend(faults);
    }

    /// Sets whether the facilitator answers nothing at all: it makes no decision, and no money
    /// moves.
    pub fn set_away(&self, away: bool) {
        self.state().away = away;
    }

    /// Makes the facilitator claim that its money is real, as a remote facilitator does. Its
    /// decisions then count as unproven.
    pub fn set_real(&self, real: bool) {
        self.state().real = real;
    }

    /// Sets why nothing can be settled now. Each verification and each readiness check returns this
    /// reason.
    pub fn set_not_ready(&self, why: Option<&str>) {
        self.state().not_ready = why.map(str::to_owned);
    }

    /// Sets the delay of verification and settlement.
    pub fn set_delay(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// The number of requested settlements, including copies.
    #[must_use]
    pub fn settlements_asked(&self) -> u64 {
        self.state().settlements_asked
    }
}

/// A facilitator with [`Faults`].
pub struct Faulty<F> {
    inner: F,
    faults: Faults,
}

impl<F: Facilitator> Faulty<F> {
    /// Behaves as `inner` until a fault is set.
    pub fn new(inner: F, faults: Faults) -> Self {
        Self { inner, faults }
    }

    /// The working facilitator.
    pub fn inner(&self) -> &F {
        &self.inner
    }

    fn is_ready(&self) -> Result<(), FacilitatorError> {
        match self.faults.state().not_ready.clone() {
            Some(why) => Err(FacilitatorError::NotReady(why)),
            None => Ok(()),
        }
    }

    /// Waits for the delay and checks that the facilitator is not away.
    async fn answers(&self) -> Result<(), FacilitatorError> {
        let (delay, away) = {
            let state = self.faults.state();
            (state.delay, state.away)
        };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if away {
            return Err(FacilitatorError::Unreachable("it is away".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl<F: Facilitator> Facilitator for Faulty<F> {
    async fn verify(&self, request: &FacilitatorRequest) -> Result<Verification, FacilitatorError> {
        self.answers().await?;
        self.is_ready()?;
        self.inner.verify(request).await
    }

    async fn settle(&self, request: &FacilitatorRequest) -> Settlement {
        let fault = {
            let mut state = self.faults.state();
            state.settlements_asked += 1;
            if state.away {
                None
            } else {
                state.settle.pop_front()
            }
        };
        let lost = |reason: &str| Settlement::Unknown {
            reason: reason.to_owned(),
            transaction: None,
        };
        if let Err(away) = self.answers().await {
            return lost(&away.to_string());
        }
        match fault {
            None => self.inner.settle(request).await,
            Some(SettleFault::Refuse(reason)) => Settlement::Refused {
                reason,
                message: None,
            },
            Some(SettleFault::Unsent(reason)) => Settlement::Unsent {
                reason,
                retry_after: None,
            },
            Some(SettleFault::LoseAnswer) => {
                self.inner.settle(request).await;
                lost("the answer was lost")
            }
            Some(SettleFault::LoseRequest) => lost("the request was lost"),
        }
    }

    async fn supported(&self) -> Result<Supported, FacilitatorError> {
        self.answers().await?;
        self.inner.supported().await
    }

    async fn ready(&self) -> Result<(), FacilitatorError> {
        self.answers().await?;
        self.is_ready()?;
        self.inner.ready().await
    }

    fn describe(&self) -> Description {
        let real = self.faults.state().real;
        let described = self.inner.describe();
        Description {
            simulated: described.simulated && !real,
            ..described
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        facilitator::{
            demo::DemoFacilitator,
            ledger::{Ledger as _, MemoryLedger},
        },
        testing::{NOW, offer, paid_v2, payer},
    };

    #[tokio::test]
    async fn money_moves_at_most_once_and_only_with_faults_that_move_it() {
        let demo = DemoFacilitator::new(offer().network, MemoryLedger::default())
            .unwrap()
            .with_clock(|| NOW);
        demo.ledger().fund(payer().address(), 10_000);
        let faults = Faults::default();
        let faulty = Faulty::new(demo, faults.clone());
        let request = offer().facilitator_request(&paid_v2(&offer())).unwrap();
        faults.on_settle([
            SettleFault::LoseRequest,
            SettleFault::Refuse("no".into()),
            SettleFault::Unsent("later".into()),
            SettleFault::LoseAnswer,
        ]);
        let mut seen = Vec::new();
        for _ in 0..5 {
            let outcome = faulty.settle(&request).await;
            let balance = faulty.inner().ledger().balance(payer().address()).await;
            seen.push((outcome, balance.unwrap()));
        }
        assert!(matches!(&seen[0], (Settlement::Unknown { .. }, 10_000)));
        assert!(matches!(&seen[1], (Settlement::Refused { reason, .. }, 10_000) if reason == "no"));
        assert!(
            matches!(&seen[2], (Settlement::Unsent { reason, .. }, 10_000) if reason == "later")
        );
        assert!(matches!(&seen[3], (Settlement::Unknown { .. }, 1_100)));
        assert!(matches!(&seen[4], (Settlement::Settled { .. }, 1_100)));
        faults.set_away(true);
        assert!(faulty.verify(&request).await.is_err());
        assert!(matches!(
            faulty.settle(&request).await,
            Settlement::Unknown { .. }
        ));
        assert_eq!(faults.settlements_asked(), 6);
        faults.set_away(false);
        faults.set_not_ready(Some("no gas"));
        for answer in [
            faulty.verify(&request).await.map(drop),
            faulty.ready().await,
        ] {
            assert!(matches!(answer, Err(FacilitatorError::NotReady(why)) if why == "no gas"));
        }
    }
}

//! How long a wallet is waited for, and what the customer says meanwhile.

use std::{cell::Cell, future::Future, rc::Rc};

use super::{
    WalletError,
    asking::{Waiting, first_answer},
};
use crate::engine::clock;

/// How long a wallet may take, in seconds. A person may have to unlock it, read, and find a second device.
const LONGEST: f64 = 120.0;
/// How often it is looked whether the customer has said something, in milliseconds.
const LOOK: i32 = 150;

/// The waiting for one answer. Clones are about the same waiting.
#[derive(Clone, Debug, Default)]
pub struct Patience(Rc<Said>);

#[derive(Debug, Default)]
struct Said {
    stopped: Cell<bool>,
    again: Cell<bool>,
    /// When the wallet was asked last, in seconds of the device's clock.
    since: Cell<f64>,
}

impl Patience {
    /// Asks the wallet once more, for the same.
    pub fn ask_again(&self) {
        self.0.again.set(true);
    }

    /// Ends the waiting. What the wallet answers after that goes nowhere.
    pub fn stop(&self) {
        self.0.stopped.set(true);
    }

    /// Whether the waiting was ended.
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.get()
    }

    /// Waits for the first answer.
    ///
    /// # Errors
    /// The wallet's; or it was not waited for any longer.
    pub async fn wait<T, A>(&self, ask: impl Fn() -> A) -> Result<T, WalletError>
    where
        A: Future<Output = Result<T, WalletError>>,
    {
        self.0.since.set(clock::device());
        first_answer(ask, &*self.0).await
    }
}

impl Waiting for Said {
    fn again(&self) -> bool {
        let again = self.again.take();
        if again {
            self.since.set(clock::device());
        }
        again
    }

    fn quit(&self) -> Option<WalletError> {
        if self.stopped.get() {
            return Some(WalletError::Stopped);
        }
        let waited = clock::device() - self.since.get();
        (waited > LONGEST).then_some(WalletError::Unanswered)
    }

    async fn tick(&self) {
        clock::rest(LOOK).await;
    }
}

//! The wait for one answer of a wallet, with a timeout, which the customer can end or repeat.

use std::{cell::Cell, future::Future, rc::Rc};

use super::{
    WalletError,
    wait::{WaitControl, first_answer},
};
use crate::browser::clock;

/// How long a wallet may take, in seconds. A person may have to unlock it, read, and find a second
/// device.
const WALLET_TIMEOUT: f64 = 120.0;
/// The pause between two checks of the customer's decisions, in milliseconds.
const CHECK_PAUSE: i32 = 150;

/// The wait for one answer. Clones are the same wait.
#[derive(Clone, Debug, Default)]
pub struct WalletWait(Rc<WaitState>);

#[derive(Debug, Default)]
struct WaitState {
    stopped: Cell<bool>,
    ask_again: Cell<bool>,
    /// When the wallet was asked last, in seconds of the device's clock.
    asked_at: Cell<f64>,
}

impl WalletWait {
    /// Asks the wallet the same once more.
    pub fn ask_again(&self) {
        self.0.ask_again.set(true);
    }

    /// Ends the wait. What the wallet answers after that is ignored.
    pub fn stop(&self) {
        self.0.stopped.set(true);
    }

    /// Whether the customer ended the wait.
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.get()
    }

    /// Asks the wallet and waits for its first answer.
    ///
    /// # Errors
    /// The wallet's error, the customer ended the wait, or the timeout passed.
    pub async fn first_answer<T, A>(&self, ask: impl Fn() -> A) -> Result<T, WalletError>
    where
        A: Future<Output = Result<T, WalletError>>,
    {
        self.0.asked_at.set(clock::device_seconds());
        first_answer(ask, &*self.0).await
    }
}

impl WaitControl for WaitState {
    fn take_ask_again(&self) -> bool {
        let ask_again = self.ask_again.take();
        if ask_again {
            self.asked_at.set(clock::device_seconds());
        }
        ask_again
    }

    fn end_reason(&self) -> Option<WalletError> {
        if self.stopped.get() {
            return Some(WalletError::Stopped);
        }
        let waited = clock::device_seconds() - self.asked_at.get();
        (waited > WALLET_TIMEOUT).then_some(WalletError::Unanswered)
    }

    async fn next_check(&self) {
        clock::pause_milliseconds(CHECK_PAUSE).await;
    }
}

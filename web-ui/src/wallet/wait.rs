//! Waiting for a wallet: until the customer stops it or a timeout, for the first of several
//! answers, and for no answer of an attempt that another attempt has replaced.

use std::{
    future::{Future, poll_fn},
    task::Poll,
};

use super::WalletError;

/// Numbers the attempts to connect a wallet, so that an answer to an earlier attempt can be
/// ignored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConnectAttempts {
    last: u64,
}

/// One attempt to connect a wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectAttempt(u64);

impl ConnectAttempts {
    /// Begins an attempt, which makes all earlier ones outdated.
    pub fn begin(&mut self) -> ConnectAttempt {
        self.last += 1;
        ConnectAttempt(self.last)
    }

    /// The latest attempt.
    pub fn current(self) -> ConnectAttempt {
        ConnectAttempt(self.last)
    }

    /// Whether any attempt was begun.
    pub fn any(self) -> bool {
        self.last > 0
    }

    /// Whether no other attempt was begun since.
    pub fn is_current(self, attempt: ConnectAttempt) -> bool {
        attempt.0 == self.last
    }
}

/// What the customer and the clock decide while a wallet is waited for.
pub trait WaitControl {
    /// Whether the wallet is to be asked the same once more. Returns true once for each time.
    fn take_ask_again(&self) -> bool;

    /// Why waiting ends, once it does.
    fn end_reason(&self) -> Option<WalletError>;

    /// Returns when it is time to check both again.
    fn next_check(&self) -> impl Future<Output = ()>;
}

/// Asks a wallet, and asks once more whenever the customer wants that. The first answer counts,
/// since the wallet is asked the same each time. Once waiting has ended no answer counts, not even
/// one that came before the end was noticed.
///
/// # Errors
/// The wallet's error, or why waiting ended.
pub async fn first_answer<T, A>(
    ask: impl Fn() -> A,
    control: &impl WaitControl,
) -> Result<T, WalletError>
where
    A: Future<Output = Result<T, WalletError>>,
{
    let mut asked = vec![Box::pin(ask())];
    let mut check = Box::pin(control.next_check());
    poll_fn(|context| {
        loop {
            if let Some(reason) = control.end_reason() {
                return Poll::Ready(Err(reason));
            }
            if control.take_ask_again() {
                asked.push(Box::pin(ask()));
            }
            let mut index = 0;
            while let Some(one) = asked.get_mut(index) {
                match one.as_mut().poll(context) {
                    // The wallet still shows the earlier request, whose answer counts as well.
                    Poll::Ready(Err(WalletError::EarlierRequest)) if asked.len() > 1 => {
                        drop(asked.swap_remove(index));
                    }
                    Poll::Ready(answer) => return Poll::Ready(answer),
                    Poll::Pending => index += 1,
                }
            }
            if check.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            check = Box::pin(control.next_check());
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::{
        cell::{Cell, RefCell},
        pin::pin,
        task::{Context, Waker},
    };

    use super::*;

    type WalletAnswer = Result<&'static str, WalletError>;

    /// A wallet that answers requests, by their number, when the test says so.
    #[derive(Default)]
    struct Wallet {
        asked: Cell<usize>,
        answers: RefCell<Vec<(usize, WalletAnswer)>>,
    }

    impl Wallet {
        async fn ask(&self) -> WalletAnswer {
            let own = self.asked.get();
            self.asked.set(own + 1);
            poll_fn(|_| {
                let answers = self.answers.borrow();
                let mine = answers.iter().find(|(number, _)| *number == own);
                mine.map_or(Poll::Pending, |(_, answer)| Poll::Ready(answer.clone()))
            })
            .await
        }

        fn answer(&self, number: usize, answer: WalletAnswer) {
            self.answers.borrow_mut().push((number, answer));
        }
    }

    #[derive(Default)]
    struct Customer {
        ask_again: Cell<bool>,
        end: RefCell<Option<WalletError>>,
    }

    impl WaitControl for Customer {
        fn take_ask_again(&self) -> bool {
            self.ask_again.take()
        }

        fn end_reason(&self) -> Option<WalletError> {
            self.end.borrow().clone()
        }

        async fn next_check(&self) {
            std::future::pending().await
        }
    }

    /// Polls a wait in which the wallet is asked twice, then calls `act` and polls again.
    fn wait_with(act: impl FnOnce(&Wallet, &Customer)) -> (Poll<WalletAnswer>, usize) {
        let (wallet, customer) = (Wallet::default(), Customer::default());
        let mut wait = pin!(first_answer(|| wallet.ask(), &customer));
        let mut context = Context::from_waker(Waker::noop());
        assert!(wait.as_mut().poll(&mut context).is_pending());
        customer.ask_again.set(true);
        assert!(wait.as_mut().poll(&mut context).is_pending());
        act(&wallet, &customer);
        let poll = wait.as_mut().poll(&mut context);
        (poll, wallet.asked.get())
    }

    #[test]
    fn the_first_answer_counts() {
        for number in [0, 1] {
            let (answer, asked) = wait_with(|wallet, _| wallet.answer(number, Ok("signature")));
            assert_eq!(answer, Poll::Ready(Ok("signature")));
            assert_eq!(asked, 2);
        }
    }

    #[test]
    fn waiting_goes_on_while_the_wallet_shows_the_first_request() {
        let (answer, _) = wait_with(|wallet, _| wallet.answer(1, Err(WalletError::EarlierRequest)));
        assert_eq!(answer, Poll::Pending);
        let (answer, _) = wait_with(|wallet, _| wallet.answer(1, Err(WalletError::Declined)));
        assert_eq!(answer, Poll::Ready(Err(WalletError::Declined)));
    }

    #[test]
    fn no_answer_counts_once_waiting_has_ended() {
        for reason in [WalletError::Stopped, WalletError::Unanswered] {
            let (answer, _) = wait_with(|wallet, customer| {
                customer.end.replace(Some(reason.clone()));
                wallet.answer(0, Ok("late"));
            });
            assert_eq!(answer, Poll::Ready(Err(reason)));
        }
    }

    #[test]
    fn only_the_last_attempt_is_current() {
        let mut attempts = ConnectAttempts::default();
        let none = attempts.current();
        assert!(attempts.is_current(none) && !attempts.any());
        let first = attempts.begin();
        assert!(attempts.is_current(first));
        let second = attempts.begin();
        assert!(!attempts.is_current(first) && attempts.is_current(second));
        assert!(!attempts.is_current(none) && attempts.any());
    }
}

//! Waiting for a wallet: no longer than the customer does, for the first answer where it is asked again, and for nobody's answer once
//! another attempt has begun.

use std::{
    future::{Future, poll_fn},
    task::Poll,
};

use super::WalletError;

/// Numbers the attempts to connect a wallet, so that the answer to an earlier one can be told from the answer to the last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attempts {
    last: u64,
}

/// One attempt to connect a wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt(u64);

impl Attempts {
    /// Begins an attempt; all earlier ones are outdated.
    pub fn begin(&mut self) -> Attempt {
        self.last += 1;
        Attempt(self.last)
    }

    /// What goes on as long as nothing is begun.
    pub fn current(self) -> Attempt {
        Attempt(self.last)
    }

    /// Whether any has been begun.
    pub fn any(self) -> bool {
        self.last > 0
    }

    /// Whether nothing has been begun or left since.
    pub fn is_current(self, attempt: Attempt) -> bool {
        attempt.0 == self.last
    }
}

/// What the customer, or the clock, says while a wallet is waited for.
pub trait Waiting {
    /// Whether the wallet is to be asked once more, for the same. Each time it says so once.
    fn again(&self) -> bool;

    /// Why it is not waited for any longer.
    fn quit(&self) -> Option<WalletError>;

    /// Comes back when it is time to look at both again.
    fn tick(&self) -> impl Future<Output = ()>;
}

/// Asks, and asks once more when that is wanted. The first answer counts, since the same thing is asked for every time. Once the waiting
/// is ended no answer counts, not even one that comes before that was noticed.
///
/// # Errors
/// The wallet's, or why it was not waited for any longer.
pub async fn first_answer<T, A>(
    ask: impl Fn() -> A,
    waiting: &impl Waiting,
) -> Result<T, WalletError>
where
    A: Future<Output = Result<T, WalletError>>,
{
    let mut asked = vec![Box::pin(ask())];
    let mut tick = Box::pin(waiting.tick());
    poll_fn(|context| {
        loop {
            if let Some(why) = waiting.quit() {
                return Poll::Ready(Err(why));
            }
            if waiting.again() {
                asked.push(Box::pin(ask()));
            }
            let mut number = 0;
            while let Some(one) = asked.get_mut(number) {
                match one.as_mut().poll(context) {
                    // The wallet still shows the earlier request, whose answer is as good.
                    Poll::Ready(Err(WalletError::Waiting)) if asked.len() > 1 => {
                        drop(asked.swap_remove(number));
                    }
                    Poll::Ready(answer) => return Poll::Ready(answer),
                    Poll::Pending => number += 1,
                }
            }
            if tick.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            tick = Box::pin(waiting.tick());
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

    type Answer = Result<&'static str, WalletError>;

    /// A wallet whose answers come when the test says so, by the number of the request.
    #[derive(Default)]
    struct Wallet {
        asked: Cell<usize>,
        answers: RefCell<Vec<(usize, Answer)>>,
    }

    impl Wallet {
        async fn ask(&self) -> Answer {
            let own = self.asked.get();
            self.asked.set(own + 1);
            poll_fn(|_| {
                let answers = self.answers.borrow();
                let mine = answers.iter().find(|(number, _)| *number == own);
                mine.map_or(Poll::Pending, |(_, answer)| Poll::Ready(answer.clone()))
            })
            .await
        }

        fn answer(&self, number: usize, answer: Answer) {
            self.answers.borrow_mut().push((number, answer));
        }
    }

    #[derive(Default)]
    struct Customer {
        again: Cell<bool>,
        quit: RefCell<Option<WalletError>>,
    }

    impl Waiting for Customer {
        fn again(&self) -> bool {
            self.again.take()
        }

        fn quit(&self) -> Option<WalletError> {
            self.quit.borrow().clone()
        }

        async fn tick(&self) {
            std::future::pending().await
        }
    }

    /// Polls a wait of two requests, between which the test does something.
    fn waited(act: impl FnOnce(&Wallet, &Customer)) -> (Poll<Answer>, usize) {
        let (wallet, customer) = (Wallet::default(), Customer::default());
        let mut wait = pin!(first_answer(|| wallet.ask(), &customer));
        let mut context = Context::from_waker(Waker::noop());
        assert!(wait.as_mut().poll(&mut context).is_pending());
        customer.again.set(true);
        assert!(wait.as_mut().poll(&mut context).is_pending());
        act(&wallet, &customer);
        let poll = wait.as_mut().poll(&mut context);
        (poll, wallet.asked.get())
    }

    #[test]
    fn whichever_request_is_answered_first_counts() {
        for number in [0, 1] {
            let (answer, asked) = waited(|wallet, _| wallet.answer(number, Ok("signature")));
            assert_eq!(answer, Poll::Ready(Ok("signature")));
            assert_eq!(asked, 2);
        }
    }

    #[test]
    fn a_wallet_that_shows_the_first_request_still_is_waited_for() {
        let (answer, _) = waited(|wallet, _| wallet.answer(1, Err(WalletError::Waiting)));
        assert_eq!(answer, Poll::Pending);
        let (answer, _) = waited(|wallet, _| wallet.answer(1, Err(WalletError::Declined)));
        assert_eq!(answer, Poll::Ready(Err(WalletError::Declined)));
    }

    #[test]
    fn once_the_waiting_is_ended_no_answer_counts() {
        for why in [WalletError::Stopped, WalletError::Unanswered] {
            let (answer, _) = waited(|wallet, customer| {
                customer.quit.replace(Some(why.clone()));
                wallet.answer(0, Ok("late"));
            });
            assert_eq!(answer, Poll::Ready(Err(why)));
        }
    }

    #[test]
    fn only_the_last_attempt_is_current() {
        let mut attempts = Attempts::default();
        let quiet = attempts.current();
        assert!(attempts.is_current(quiet) && !attempts.any());
        let first = attempts.begin();
        assert!(attempts.is_current(first));
        let second = attempts.begin();
        assert!(!attempts.is_current(first) && attempts.is_current(second));
        assert!(!attempts.is_current(quiet) && attempts.any());
    }
}

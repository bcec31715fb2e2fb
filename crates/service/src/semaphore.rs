//! A semaphore whose size may change while permits are held. It is used for this process's share of
//! a limit that several processes have together.

use std::{future::pending, sync::Arc};

use tokio::sync::{Mutex, watch};

/// A semaphore whose size is a watched number. If the number shrinks, held permits stay valid, and
/// a new one is given only after enough of them were returned. Clones share the permits.
#[derive(Clone, Debug)]
pub struct ResizableSemaphore(Arc<SemaphoreState>);

#[derive(Debug)]
struct SemaphoreState {
    size: watch::Receiver<usize>,
    taken: watch::Sender<usize>,
    /// The queue of waiting callers, in order of arrival.
    queue: Mutex<()>,
}

/// A permit, returned when it is dropped.
#[derive(Debug)]
pub struct ResizablePermit(Arc<SemaphoreState>);

impl Drop for ResizablePermit {
    fn drop(&mut self) {
        self.0.taken.send_modify(|taken| *taken -= 1);
    }
}

impl ResizableSemaphore {
    /// A semaphore with this size. It keeps the last size if the sender is dropped.
    pub fn new(size: watch::Receiver<usize>) -> Self {
        let (taken, queue) = (watch::Sender::new(0), Mutex::default());
        Self(Arc::new(SemaphoreState { size, taken, queue }))
    }

    /// Takes a permit if one is free.
    pub fn try_acquire(&self) -> Option<ResizablePermit> {
        let size = *self.0.size.borrow();
        let got = self.0.taken.send_if_modified(|taken| {
            let is_free = *taken < size;
            *taken += usize::from(is_free);
            is_free
        });
        got.then(|| ResizablePermit(Arc::clone(&self.0)))
    }

    /// Waits for a permit. Waiting callers get permits in order of arrival.
    pub async fn acquire(&self) -> ResizablePermit {
        let _first = self.0.queue.lock().await;
        let (mut size, mut taken) = (self.0.size.clone(), self.0.taken.subscribe());
        loop {
            size.mark_unchanged();
            taken.mark_unchanged();
            if let Some(permit) = self.try_acquire() {
                return permit;
            }
            let resized = async {
                if size.changed().await.is_err() {
                    pending().await
                }
            };
            tokio::select! {
                () = resized => {}
                // The sender is in `self`, so it still exists.
                _ = taken.changed() => {}
            }
        }
    }

    /// The number of permits that are taken.
    pub fn taken(&self) -> usize {
        *self.0.taken.borrow()
    }

    /// Waits until all permits were returned.
    pub async fn all_returned(&self) {
        let mut taken = self.0.taken.subscribe();
        // Fails only without a sender, and the sender is in `self`.
        let _ = taken.wait_for(|taken| *taken == 0).await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_smaller_size_waits_for_permits_and_a_larger_one_wakes_the_first_waiter() {
        let (resize, size) = watch::channel(3);
        let semaphore = ResizableSemaphore::new(size);
        let mut taken: Vec<_> = (0..3).map(|_| semaphore.try_acquire().unwrap()).collect();
        assert!(semaphore.try_acquire().is_none());
        resize.send_replace(1);
        let mut first = Box::pin(semaphore.acquire());
        let mut second = Box::pin(semaphore.acquire());
        for left in [2, 1] {
            taken.pop();
            assert!(first.as_mut().now_or_never().is_none(), "{left} are taken");
            assert_eq!(semaphore.taken(), left);
        }
        resize.send_replace(2);
        assert!(second.as_mut().now_or_never().is_none(), "it asked later");
        let first = first.now_or_never().expect("one of two is free");
        assert!(second.as_mut().now_or_never().is_none());
        drop(taken);
        let second = second.now_or_never().expect("one came back");
        assert!(semaphore.all_returned().now_or_never().is_none());
        drop((first, second));
        assert!(semaphore.all_returned().now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_waiter_that_gives_up_does_not_block_the_others() {
        let semaphore = ResizableSemaphore::new(watch::channel(1).1);
        let taken = semaphore.acquire().await;
        let waits = Box::pin(semaphore.acquire());
        let mut next = Box::pin(semaphore.acquire());
        assert!(waits.now_or_never().is_none(), "and is dropped by this");
        assert!(next.as_mut().now_or_never().is_none());
        drop(taken);
        assert!(next.now_or_never().is_some());
    }
}

//! Notices a connection whose guest has vanished without a word, for as long as files are read or
//! written on it. The SSH keepalive takes a minute for that, and is meant for connections that are
//! idle; TCP takes a quarter of an hour.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::connection::Connection;

/// Watches until it is dropped.
pub(crate) struct Watch {
    task: AbortHandle,
    gone: watch::Receiver<bool>,
}

impl Watch {
    /// Ends the connection if nothing is `received` and no question is answered for the time of
    /// two intervals.
    pub(crate) fn start(
        connection: Weak<Connection>,
        received: Arc<AtomicU64>,
        interval: Duration,
    ) -> Self {
        let (tell, gone) = watch::channel(false);
        let task = tokio::spawn(async move {
            until_gone(connection, &received, interval).await;
            // An error means that the watch was dropped.
            let _ = tell.send(true);
        });
        Self {
            task: task.abort_handle(),
            gone,
        }
    }

    /// Waits until the connection is gone.
    pub(crate) async fn gone(&self) {
        // An error means that the task ended, which it does only then.
        let _ = self.gone.clone().wait_for(|gone| *gone).await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn until_gone(connection: Weak<Connection>, received: &AtomicU64, interval: Duration) {
    let mut before = 0;
    loop {
        sleep(interval).await;
        let Some(connection) = connection.upgrade().filter(|one| !one.is_closed()) else {
            return;
        };
        let now = received.load(Ordering::Relaxed);
        if now != before {
            before = now;
            continue;
        }
        // On a slow way the question waits behind the data, which the guest then answers.
        let answered = timeout(interval, connection.answer()).await.is_ok();
        if !answered && received.load(Ordering::Relaxed) == before {
            tracing::debug!("a guest stopped answering while files were read or written");
            connection.abort();
            return;
        }
    }
}

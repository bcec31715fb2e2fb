//! A connection of a visitor or an SSH client to a port of a container's own loopback. It is cut
//! when what allowed it is over, and when nothing goes through it for long.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use ::guest::{GuestError, GuestStream};
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::connect;
use crate::{
    memory::{
        guest_routes::SshObstacle,
        guest_streams::{StreamKind, StreamPermit},
    },
    state::App,
    store::{Lease, LeaseState, StoreError},
};

/// How often it is looked whether a connection may go on, where nothing says so before.
const LOOK: Duration = Duration::from_secs(15);

/// Why no connection was made.
#[derive(Debug)]
pub enum NoStream {
    /// The container's lease has as many connections as it may have.
    Full,
    /// SSH into the container works, and nothing listens on the port.
    NothingListens,
    /// The container's SSH server forbids connections to ports.
    Prohibited,
    /// There is no SSH into the container.
    Obstacle(SshObstacle),
    /// What allowed it was over before it was made.
    Over,
}

/// Whether a connection may go on; asked for again and again.
pub type StillAllowed = Box<dyn Fn() -> BoxFuture<'static, Result<bool, StoreError>> + Send + Sync>;

/// What went through a connection, and when last.
#[derive(Debug)]
pub struct StreamActivity {
    begun: Instant,
    /// Milliseconds from the beginning to the last byte.
    last: AtomicU64,
}

impl StreamActivity {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            begun: Instant::now(),
            last: AtomicU64::new(0),
        })
    }

    fn touch(&self) {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    /// How long nothing has gone through it.
    pub fn idle(&self) -> Duration {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        self.begun.elapsed().saturating_sub(last)
    }
}

/// The connection. Dropping it closes it.
pub struct WatchedStream {
    stream: GuestStream,
    activity: Arc<StreamActivity>,
    cut: CutSignal,
    _permit: StreamPermit,
}

/// Says that a connection is cut, to all that wait for it and as often as they ask.
struct CutSignal {
    cut: watch::Receiver<bool>,
    /// The wait of what reads and writes the connection; none once it is over.
    waiting: Option<BoxFuture<'static, ()>>,
}

impl CutSignal {
    fn new() -> (watch::Sender<bool>, Self) {
        let (cutting, cut) = watch::channel(false);
        let waiting = Some(is_cut(cut.clone()));
        (cutting, Self { cut, waiting })
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if let Some(waiting) = &mut self.waiting
            && waiting.as_mut().poll(cx).is_ready()
        {
            self.waiting = None;
        }
        match self.waiting {
            Some(_) => Ok(()),
            None => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

/// Completes when the connection is cut, also by a task that broke off.
fn is_cut(mut cut: watch::Receiver<bool>) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        // An error means that the task is gone.
        let _ = cut.wait_for(|cut| *cut).await;
    })
}

/// Connects to a port of a lease's container.
///
/// # Errors
/// [`NoStream`].
pub async fn open(
    app: &App,
    lease: &Lease,
    (kind, port): (StreamKind, u16),
    longest_idle: Duration,
    allowed: StillAllowed,
) -> Result<WatchedStream, NoStream> {
    let permit = app.guest_streams.enter(&lease.lease_id, kind).await;
    let permit = permit.ok_or(NoStream::Full)?;
    let stream = dial(app, lease, port).await?;
    let changes = permit.changes();
    // It was allowed before the wait for a free connection, and before the container answered.
    if !allowed().await.unwrap_or(true) {
        return Err(NoStream::Over);
    }
    let activity = StreamActivity::new();
    let (cutting, cut) = CutSignal::new();
    tokio::spawn(cut_when_over(
        changes,
        activity.clone(),
        longest_idle,
        allowed,
        cutting,
    ));
    Ok(WatchedStream {
        stream,
        activity,
        cut,
        _permit: permit,
    })
}

async fn dial(app: &App, lease: &Lease, port: u16) -> Result<GuestStream, NoStream> {
    let guest = match connect::ssh_connected(app, lease) {
        Some(guest) => guest,
        None => tried(app, lease).await?,
    };
    let error = match guest.dial(port).await {
        Ok(stream) => return Ok(stream),
        Err(error) => error,
    };
    match error {
        GuestError::TooMany => Err(NoStream::Full),
        GuestError::ForwardingProhibited => Err(NoStream::Prohibited),
        // Refused by the port, or by the SSH server.
        _ => match tried(app, lease).await {
            Ok(_) if error == GuestError::Refused => Err(NoStream::NothingListens),
            // Lost on the way, and found again.
            Ok(guest) => guest.dial(port).await.map_err(|error| match error {
                GuestError::TooMany => NoStream::Full,
                GuestError::Refused => NoStream::NothingListens,
                _ => NoStream::Obstacle(SshObstacle::Unreachable),
            }),
            Err(refused) => Err(refused),
        },
    }
}

async fn tried(app: &App, lease: &Lease) -> Result<::guest::Guest, NoStream> {
    let found = connect::ssh(app, lease).await;
    found.map_err(|error| match error {
        connect::NoSsh::Full => NoStream::Full,
        connect::NoSsh::Obstacle(obstacle) => NoStream::Obstacle(obstacle),
    })
}

/// Cuts the connection when it is idle for too long or no longer allowed. Ends with it.
async fn cut_when_over(
    mut changes: watch::Receiver<()>,
    activity: Arc<StreamActivity>,
    longest_idle: Duration,
    allowed: StillAllowed,
    cutting: watch::Sender<bool>,
) {
    loop {
        tokio::select! {
            () = cutting.closed() => return,
            // The sender lives as long as the connection does.
            _ = changes.changed() => {}
            () = sleep(LOOK) => {}
        }
        // A store that is away for a moment cuts nobody off.
        if activity.idle() >= longest_idle || !allowed().await.unwrap_or(true) {
            cutting.send_replace(true);
            return;
        }
    }
}

/// Whether a lease's paid time runs.
pub fn runs(app: &App, lease: &Lease) -> bool {
    lease.state == LeaseState::Active && lease.expires_at.is_none_or(|end| end > app.now())
}

impl WatchedStream {
    /// What goes through it.
    pub fn activity(&self) -> Arc<StreamActivity> {
        self.activity.clone()
    }

    /// Completes when it is cut. Reading and writing fail then; who waits for the other side
    /// meanwhile does neither.
    pub fn over(&self) -> BoxFuture<'static, ()> {
        is_cut(self.cut.cut.clone())
    }
}

impl AsyncRead for WatchedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.cut.poll(cx)?;
        let read = Pin::new(&mut self.stream).poll_read(cx, out);
        if read.is_ready() {
            self.activity.touch();
        }
        read
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.cut.poll(cx)?;
        let written = Pin::new(&mut self.stream).poll_write(cx, data);
        if written.is_ready() {
            self.activity.touch();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[tokio::test]
    async fn a_cut_is_told_to_all_that_ask_however_often() {
        let mut cx = Context::from_waker(Waker::noop());
        let (cutting, mut signal) = CutSignal::new();
        let over = is_cut(signal.cut.clone());
        assert!(signal.poll(&mut cx).is_ok());
        cutting.send_replace(true);
        drop(cutting);
        // What reads and what writes ask one after the other.
        for _ in 0..3 {
            let error = signal.poll(&mut cx).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
        }
        over.await;
        let (cutting, mut signal) = CutSignal::new();
        drop(cutting);
        assert!(signal.poll(&mut cx).is_err(), "its task broke off");
    }
}

//! A cable between program and service that loses the answers to payments.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinSet,
};

/// The cable; it is gone when this is dropped.
pub struct Cable {
    pub url: String,
    losses: Arc<AtomicUsize>,
    _carrying: JoinSet<()>,
}

impl Cable {
    /// A cable to this service that loses nothing yet.
    pub async fn to(url: &str) -> Self {
        let target = url.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let losses = Arc::new(AtomicUsize::new(0));
        let mut carrying = JoinSet::new();
        let ours = losses.clone();
        carrying.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&target).await.unwrap();
                connections.spawn(carry(client, server, ours.clone()));
            }
        });
        Self {
            url,
            losses,
            _carrying: carrying,
        }
    }

    /// Loses the answers to the next so many payments: the connection is cut when the service
    /// begins to answer.
    pub fn lose(&self, answers: usize) {
        self.losses.store(answers, Ordering::Relaxed);
    }
}

async fn carry(client: TcpStream, server: TcpStream, losses: Arc<AtomicUsize>) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let is_lost = AtomicBool::new(false);
    tokio::select! {
        () = requests(from_client, to_server, &losses, &is_lost) => {}
        () = answers(from_server, to_client, &is_lost) => {}
    }
}

async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    losses: &AtomicUsize,
    is_lost: &AtomicBool,
) {
    let mut piece = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        let pays = String::from_utf8_lossy(&piece[..length]).contains("payment-signature:");
        let take = |left: usize| left.checked_sub(1);
        if pays
            && losses
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                .is_ok()
        {
            is_lost.store(true, Ordering::Relaxed);
        }
        if to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, is_lost: &AtomicBool) {
    let mut piece = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        let is_cut = is_lost.load(Ordering::Relaxed);
        if is_cut || to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}

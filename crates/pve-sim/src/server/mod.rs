//! The network side, like pveproxy: HTTPS with HTTP/1, idle connections closed after five
//! seconds, plain HTTP redirected. Each connection's requests go to [`handle`].

mod body;
mod handle;
mod operation;
mod receive;

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::cluster::Cluster;
use crate::wire::{Reset, Wire};

/// How long pveproxy waits for the next request on a connection.
const IDLE: Duration = Duration::from_secs(5);

/// Accepts connections for as long as the simulator lives.
pub(crate) async fn serve(
    cluster: Arc<Cluster>,
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
) {
    let tls = tls.map(TlsAcceptor::from);
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, usually; they come back when connections close.
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let connection = connection(cluster.clone(), stream, tls.clone());
        cluster.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended with an error");
            }
        });
    }
}

async fn connection(
    cluster: Arc<Cluster>,
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let Some(tls) = tls else {
        let (wire, reset) = Wire::new(stream);
        return requests(cluster, wire, reset).await;
    };
    let mut first = [0];
    let waited = tokio::time::timeout(IDLE, stream.peek(&mut first)).await??;
    if waited == 0 {
        return Ok(());
    }
    // A TLS connection begins with a handshake record (22); anything else is plain HTTP on the
    // wrong port.
    if first[0] != 22 {
        return redirect(stream).await;
    }
    let (wire, reset) = Wire::new(stream);
    let stream = tokio::time::timeout(IDLE, tls.accept(wire)).await??;
    requests(cluster, stream, reset).await
}

async fn requests<S>(cluster: Arc<Cluster>, stream: S, reset: Reset) -> anyhow::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service =
        service_fn(move |request| handle::handle(cluster.clone(), reset.clone(), request));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_headers(256)
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await?;
    Ok(())
}

/// Sends a plain HTTP client to HTTPS.
async fn redirect(mut stream: TcpStream) -> anyhow::Result<()> {
    let address = stream.local_addr()?;
    let answer = format!(
        "HTTP/1.1 301 Moved Permanently\r\nLocation: https://{address}/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    Ok(())
}

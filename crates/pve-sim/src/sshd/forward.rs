//! Channels that lead to a port of the container (`direct-tcpip`, `ssh -L`).

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use russh::server::{ChannelOpenHandle, Msg};
use russh::{Channel, ChannelOpenFailure};
use tokio::io::DuplexStream;
use tokio::net::TcpStream;

/// Serves one more connection of the container's own SSH server, which has no listener in the
/// container.
pub(super) type OwnSsh = Arc<dyn Fn(DuplexStream) + Send + Sync>;

/// What is in flight to the container's own SSH server.
const BUFFER: usize = 64 * 1024;

/// Connects, answers, and copies until both sides have ended. A container of the simulator reaches
/// nothing but itself.
pub(super) async fn open(
    channel: Channel<Msg>,
    host: String,
    port: u16,
    own_address: String,
    own_ssh: OwnSsh,
    reply: ChannelOpenHandle,
) {
    let is_here = ["localhost", "127.0.0.1", "::1", own_address.as_str()].contains(&host.as_str());
    if is_here && port == 22 {
        let (mut server, served) = tokio::io::duplex(BUFFER);
        own_ssh(served);
        reply.accept().await;
        // Either side may break off.
        let _ = tokio::io::copy_bidirectional(&mut channel.into_stream(), &mut server).await;
        return;
    }
    let connected = match is_here {
        true => to_localhost(port).await.ok(),
        false => None,
    };
    let Some(mut server) = connected else {
        return reply.reject(ChannelOpenFailure::ConnectFailed).await;
    };
    // Small messages go at once; a failure costs only speed.
    let _ = server.set_nodelay(true);
    reply.accept().await;
    // The channel is closed when its stream is dropped.
    let mut client = channel.into_stream();
    // Either side may break off.
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}

/// A connection to a port of the container, on whichever loopback address a server listens.
pub(super) async fn to_localhost(port: u16) -> io::Result<TcpStream> {
    match TcpStream::connect((Ipv6Addr::LOCALHOST, port)).await {
        Ok(stream) => Ok(stream),
        Err(_) => TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await,
    }
}

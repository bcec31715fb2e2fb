//! The way to the containers from outside: one SOCKS 5 proxy that knows the addresses of the
//! running containers. It hands each connection into the container's own guest process
//! ([`crate::sshd`]) and reaches nothing else.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::cluster::Cluster;
use crate::socks::{self, Destination, Host, Refusal, Reply, reply};
use crate::ssh_defects::SshDefects;
use crate::sshd::handing::ConnectionOrder;
use crate::terminal::GuestOrder;
use crate::world::World;
use crate::world::container::Container;

/// How long a client may take to say where it wants to go.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The pause after a connection that could not be accepted, as where no descriptors are left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a guest may take no connection before one is dropped, and the pause between two tries.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(60);
const HAND_OVER_PAUSE: Duration = Duration::from_millis(20);

/// The container behind an address.
struct Found {
    order: GuestOrder,
    defects: SshDefects,
    /// Seconds since its start.
    up_for: f64,
}

/// Serves clients until it is dropped.
pub(crate) async fn serve(cluster: Arc<Cluster>, listener: TcpListener) {
    let mut clients = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((client, peer)) => {
                let cluster = cluster.clone();
                clients.spawn(async move {
                    if let Err(error) = lead(&cluster, client, peer).await {
                        tracing::debug!(%error, "a client of the proxy has ended");
                    }
                });
            }
            Err(error) => {
                tracing::debug!(%error, "the proxy cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
        while clients.try_join_next().is_some() {}
    }
}

/// Leads one client to its container.
async fn lead(
    cluster: &Arc<Cluster>,
    mut client: TcpStream,
    peer: SocketAddr,
) -> std::io::Result<()> {
    let asked = tokio::time::timeout(REQUEST_TIMEOUT, socks::request(&mut client)).await?;
    let Destination { host, port } = match asked {
        Ok(destination) => destination,
        Err(Refusal::Answer(answer)) => return client.write_all(&reply(answer)).await,
        Err(Refusal::Broken(error)) => return Err(error),
    };
    let address = match host {
        Host::Address(IpAddr::V4(address)) => address,
        Host::Address(IpAddr::V6(_)) => return client.write_all(&reply(Reply::NotAllowed)).await,
        // The simulator has no name server.
        Host::Name(_) => return client.write_all(&reply(Reply::HostUnreachable)).await,
    };
    let Some(found) = find(cluster, address) else {
        return client.write_all(&reply(unknown(address))).await;
    };
    if found.defects.filtered {
        return wait_for_end(&mut client).await;
    }
    match cluster.terminals.real_address(&found.order).await {
        Ok(Some(real)) => return relay(client, (real, port).into()).await,
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(%error, vmid = found.order.vmid, "a real container cannot be started");
            return client.write_all(&reply(Reply::GeneralFailure)).await;
        }
    }
    let late = found.up_for < found.defects.late.as_secs_f64();
    let serves = found.order.first_files.has_sshd && !found.defects.no_server && !late;
    if port == 22 && !serves {
        return client.write_all(&reply(Reply::ConnectionRefused)).await;
    }
    let vmid = found.order.vmid;
    let guest = match cluster.terminals.guest(&found.order).await {
        Ok(Some(guest)) => guest,
        Ok(None) => return client.write_all(&reply(Reply::ConnectionRefused)).await,
        Err(error) => {
            tracing::warn!(%error, vmid, "a container's network end cannot be started");
            return client.write_all(&reply(Reply::GeneralFailure)).await;
        }
    };
    let runs = |one: &Container| one.running();
    if !cluster.world().containers.get(&vmid).is_some_and(runs) {
        // It was stopped while its guest process was started.
        cluster.terminals.end(vmid);
        return client.write_all(&reply(Reply::HostUnreachable)).await;
    }
    let frozen = found.defects.frozen;
    if frozen {
        guest.freeze(true);
        // The kernel of a frozen container still accepts connections.
        client.write_all(&reply(Reply::Succeeded)).await?;
    }
    let order = ConnectionOrder {
        port,
        peer,
        address: address.to_string(),
        answered: frozen,
        defects: found.defects,
    };
    let client = client.into_std()?;
    let handed_over = async {
        loop {
            match guest.hand_over(&client, &order) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    tokio::time::sleep(HAND_OVER_PAUSE).await;
                }
                done => return done,
            }
        }
    };
    tokio::time::timeout(HAND_OVER_TIMEOUT, handed_over).await?
}

/// Leads a client to a real container.
async fn relay(mut client: TcpStream, container: SocketAddr) -> std::io::Result<()> {
    let mut server = match TcpStream::connect(container).await {
        Ok(server) => server,
        Err(error) => {
            let answer = match error.kind() {
                ErrorKind::ConnectionRefused => Reply::ConnectionRefused,
                _ => Reply::HostUnreachable,
            };
            return client.write_all(&reply(answer)).await;
        }
    };
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    client.write_all(&reply(Reply::Succeeded)).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// The answer about an address that no running container has.
fn unknown(address: Ipv4Addr) -> Reply {
    match is_of_network(address) {
        true => Reply::HostUnreachable,
        false => Reply::NotAllowed,
    }
}

/// Whether an address is one of those that the simulated network gives.
fn is_of_network(address: Ipv4Addr) -> bool {
    address.octets()[0] == 10
}

/// Waits for the client to give up.
async fn wait_for_end(client: &mut TcpStream) -> std::io::Result<()> {
    let mut ignored = [0; 1024];
    while client.read(&mut ignored).await? > 0 {}
    Ok(())
}

/// The running container that has an address: the one that was given it, or else one that claims
/// it.
fn find(cluster: &Cluster, address: Ipv4Addr) -> Option<Found> {
    let world = cluster.world();
    let now = cluster.clock.now();
    let delay = cluster.clock.scaled(cluster.config.address_delay);
    let up_for = |one: &Container| one.running_since.map(|since| (now - since).max(0.0));
    let owns = |one: &&Container| {
        let given = up_for(one).and_then(|up_for| one.ipv4(up_for, delay.as_secs_f64()));
        given.is_some_and(|given| without_prefix(&given) == Some(address))
    };
    let owner = world.containers.values().find(owns);
    // A claim leads nowhere else than to the containers' own network.
    let claimed = || is_of_network(address).then(|| claimant(&world, address));
    let container = owner.or_else(|| claimed().flatten())?;
    Some(Found {
        defects: world.ssh_defects(container.vmid),
        up_for: up_for(container)?,
        order: GuestOrder::new(container),
    })
}

fn claimant(world: &World, address: Ipv4Addr) -> Option<&Container> {
    let claims = world.claimed_addresses.iter();
    let mut claims = claims.filter(|(_, claimed)| without_prefix(claimed) == Some(address));
    let (vmid, _) = claims.next()?;
    world.containers.get(vmid).filter(|one| one.running())
}

fn without_prefix(address: &str) -> Option<Ipv4Addr> {
    address.split('/').next()?.parse().ok()
}

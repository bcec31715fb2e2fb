//! Hands TCP connections into a container: each goes as a descriptor over a socket pair, with an
//! order that says to which port of the container it leads. The socket pair crosses the
//! container's namespaces, which nothing else does.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::{Deserialize, Serialize};

use crate::ssh_defects::SshDefects;

/// The longest order in bytes.
const LONGEST: usize = 4096;

/// What the guest is to do with a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConnectionOrder {
    /// The port of the container.
    pub(crate) port: u16,
    /// The client's address as the container sees it.
    pub(crate) peer: SocketAddr,
    /// The container's own address.
    pub(crate) address: String,
    /// Whether the client was told already that the connection stands.
    pub(crate) answered: bool,
    pub(crate) defects: SshDefects,
}

/// The simulator's end and the guest's. The end of the first is an end of file for the second.
///
/// # Errors
/// The kernel's.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// Sends a connection. Never waits, because a tenant may keep the guest from taking any.
///
/// # Errors
/// The guest has ended, or has not taken what was sent before ([`io::ErrorKind::WouldBlock`]).
pub(crate) fn send(
    socket: &OwnedFd,
    connection: impl AsFd,
    order: &ConnectionOrder,
) -> io::Result<()> {
    let text = serde_json::to_vec(order)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [connection.as_fd()];
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    let parts = [IoSlice::new(&text)];
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    sendmsg(socket, &parts, &mut control, flags)?;
    Ok(())
}

/// Waits for the next connection; `None` when the simulator has gone.
///
/// # Errors
/// The kernel's, or what was sent is no order.
pub(super) fn receive(socket: BorrowedFd<'_>) -> io::Result<Option<(OwnedFd, ConnectionOrder)>> {
    let mut text = [0; LONGEST];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let mut parts = [IoSliceMut::new(&mut text)];
        match recvmsg(socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(error) if error == rustix::io::Errno::INTR => {}
            received => break received?,
        }
    };
    if received.bytes == 0 {
        return Ok(None);
    }
    let mut descriptors = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    let connection = descriptors.next();
    let connection = connection.ok_or_else(|| io::Error::other("an order without a connection"))?;
    let order = serde_json::from_slice(&text[..received.bytes])?;
    Ok(Some((connection, order)))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_goes_over_with_its_order_and_the_end_is_seen() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (served, peer) = listener.accept().unwrap();
        let (outside, inside) = pair().unwrap();
        let order = ConnectionOrder {
            port: 8000,
            peer,
            address: "10.0.0.5".into(),
            answered: false,
            defects: SshDefects::default(),
        };
        send(&outside, &served, &order).unwrap();
        drop(served);
        drop(outside);
        let (connection, read) = receive(inside.as_fd()).unwrap().unwrap();
        assert_eq!(read, order);
        TcpStream::from(connection).write_all(b"hello").unwrap();
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
        assert!(receive(inside.as_fd()).unwrap().is_none());
    }

    #[test]
    fn a_guest_that_takes_nothing_holds_nobody_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (outside, inside) = pair().unwrap();
        let order = ConnectionOrder {
            port: 22,
            peer: listener.local_addr().unwrap(),
            address: "10.0.0.5".into(),
            answered: false,
            defects: SshDefects::default(),
        };
        let refused = (0..100_000).find_map(|_| send(&outside, &listener, &order).err());
        assert_eq!(refused.unwrap().kind(), io::ErrorKind::WouldBlock);
        drop(inside);
    }
}

//! What can go wrong between the service and a guest, in words that say what to do next.

use std::io;

/// A failed operation on a guest. [`GuestError::may_have_run`] says whether it may have had an
/// effect; every other variant is certain to have had none on commands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuestError {
    /// Nothing listens at the port: no sshd in the guest, or no server behind a dialled port.
    #[error("the connection was refused")]
    Refused,
    /// No answer in time, or no route: stopped, frozen, behind a firewall, another address.
    #[error("the guest does not answer")]
    Unreachable,
    /// The proxy on the way refused or failed; the guest was not asked.
    #[error("the proxy to the guests: {0}")]
    Proxy(String),
    /// A server answers that does not speak SSH.
    #[error("the server is not an SSH server")]
    NotSsh,
    /// The guest's sshd refuses this address for some seconds (OpenSSH's PerSourcePenalties).
    #[error("the guest's SSH server refuses this address for a while")]
    Penalized,
    /// No host key is known, so nothing was dialled.
    #[error("no host key of the guest is known")]
    NoHostKey,
    /// The server has another host key. It got neither a signature nor data.
    #[error("the server's host key is not the guest's")]
    HostKeyMismatch,
    /// The lease's key was refused: the customer removed it.
    #[error("the guest refuses the lease's key")]
    AuthRefused,
    /// All connections of the lease stayed busy, or the guest's sshd takes no more of them.
    #[error("too many operations on the guest at once")]
    TooMany,
    /// The connection ended in the middle.
    #[error("the connection to the guest was lost")]
    Lost {
        /// The command's request was written, so the command may have run.
        may_have_run: bool,
    },
    /// The SSH server refuses commands or shells, for instance by a forced command.
    #[error("the guest's SSH server refuses the request")]
    RequestRefused,
    /// The SSH server has no SFTP, its program for it is not installed, or a start-up file of the
    /// login shell prints something in its place.
    #[error("the guest's SSH server offers no SFTP")]
    NoSftp,
    /// The login shell ended before it started the command.
    #[error("the guest's login shell did not start the command")]
    NotStarted,
    /// The SSH server forbids port forwarding.
    #[error("the guest's SSH server forbids port forwarding")]
    ForwardingProhibited,
    /// The user of a command does not exist. Nothing ran.
    #[error("no such user in the guest")]
    NoSuchUser,
    /// The working directory of a command does not exist or is closed to the user. Nothing ran.
    #[error("no such directory in the guest")]
    NoSuchDirectory,
    /// The request cannot be expressed: a NUL byte, or a name that is no variable's.
    #[error("{0}")]
    InvalidCommand(&'static str),
    /// No file or directory with the path.
    #[error("no such file or directory")]
    NotFound,
    /// The guest's permissions forbid it.
    #[error("permission denied")]
    Permission,
    /// A directory is needed, or a part of the path is not one.
    #[error("not a directory")]
    NotADirectory,
    /// A file is needed, and the path is a directory.
    #[error("is a directory")]
    IsADirectory,
    /// The path exists already.
    #[error("already exists")]
    Exists,
    /// A file is needed, and the path is a device, a pipe or a socket.
    #[error("not a regular file")]
    NotAFile,
    /// A directory with entries was to be removed without its entries.
    #[error("the directory is not empty")]
    NotEmpty,
    /// The disk or a quota is full.
    #[error("no space left in the guest")]
    NoSpace,
    /// The data is longer than the caller's limit.
    #[error("larger than the limit")]
    TooLarge,
    /// The file became shorter while it was read.
    #[error("the file became shorter while it was read")]
    Changed,
    /// The source of an upload failed.
    #[error("the upload broke off")]
    Upload,
    /// The guest's SFTP server or `rm` refused a request on a file, in its words.
    #[error("the guest refuses it: {0}")]
    FileRefused(String),
    /// The path is empty, relative, too long, has a NUL byte or leaves the root.
    #[error("invalid path: {0}")]
    InvalidPath(&'static str),
    /// The connection failed in another way.
    #[error("{0}")]
    Other(String),
}

impl GuestError {
    /// Whether a command may have run. `false` is certain: no request for it was written.
    pub fn may_have_run(&self) -> bool {
        matches!(self, Self::Lost { may_have_run: true })
    }

    /// The failure of a TCP connect to the guest.
    pub(crate) fn connect(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            _ => Self::Unreachable,
        }
    }
}

/// A loss before a command's request was written.
pub(crate) const LOST: GuestError = GuestError::Lost {
    may_have_run: false,
};

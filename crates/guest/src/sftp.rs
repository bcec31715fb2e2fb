//! SFTP sessions (version 3, with OpenSSH's extensions) on control connections, one for each
//! operation. The server sends only what was asked for, so a reader that stalls stops nothing.

use std::sync::Arc;

use russh::ChannelMsg;
use russh_sftp::client::error::Error;
use russh_sftp::client::rawsession::Limits;
use russh_sftp::client::{Config, RawSftpSession};
use russh_sftp::protocol::{FileAttributes, OpenFlags, Packet, StatusCode};

use crate::error::{GuestError, LOST};
use crate::pool::Guest;
use crate::stream::GuestStream;
use crate::watch::Watch;

/// Seconds for one request. A full disk's `fsync` takes its time.
const REQUEST_TIMEOUT: u64 = 60;
/// How much to read or write with one request, if the server does not allow less.
const CHUNK: u32 = 128 * 1024;
/// What every server takes with one request.
const SMALL_CHUNK: u32 = 32 * 1024;

/// An SFTP session. Clones share it; the last one closes it.
#[derive(Clone)]
pub(crate) struct Sftp {
    raw: Arc<RawSftpSession>,
    extensions: Arc<Extensions>,
    watch: Arc<Watch>,
}

struct Extensions {
    fsync: bool,
    statvfs: bool,
    posix_rename: bool,
    chunk: u32,
}

impl Sftp {
    pub(crate) async fn open(guest: &Guest) -> Result<Self, GuestError> {
        let mut channel = guest.lease().session().await?;
        let (read, write) = channel.halves();
        write
            .request_subsystem(true, "sftp")
            .await
            .map_err(|_| LOST)?;
        loop {
            match read.wait().await {
                Some(ChannelMsg::Success) => break,
                Some(ChannelMsg::Failure) => return Err(GuestError::NoSftp),
                None | Some(ChannelMsg::Close) => return Err(LOST),
                Some(_) => {}
            }
        }
        let connection = channel.connection();
        let stream = GuestStream::new(channel.ends_with_input());
        let watch = Watch::start(
            Arc::downgrade(&connection),
            stream.received(),
            guest.check_interval(),
        );
        let config = Config {
            request_timeout_secs: REQUEST_TIMEOUT,
            ..Config::default()
        };
        let mut raw = RawSftpSession::new_with_config(stream, config);
        // A server without the program for SFTP accepts the request all the same, and its shell
        // ends at once.
        let version = raw.init().await.map_err(|error| match error {
            Error::Timeout => GuestError::Unreachable,
            _ if connection.is_closed() => LOST,
            _ => GuestError::NoSftp,
        })?;
        let has = |name: &str| version.extensions.contains_key(name);
        let mut chunk = SMALL_CHUNK;
        if has("limits@openssh.com") {
            let limits = Limits::from(raw.limits().await.map_err(plain)?);
            raw.set_limits(limits);
            let small = u64::from(SMALL_CHUNK);
            let least = limits
                .read_len
                .unwrap_or(small)
                .min(limits.write_len.unwrap_or(small));
            chunk = u32::try_from(least).unwrap_or(CHUNK).clamp(1024, CHUNK);
        }
        let extensions = Extensions {
            fsync: has("fsync@openssh.com"),
            statvfs: has("statvfs@openssh.com"),
            posix_rename: has("posix-rename@openssh.com"),
            chunk,
        };
        Ok(Self {
            raw: Arc::new(raw),
            extensions: Arc::new(extensions),
            watch: Arc::new(watch),
        })
    }

    pub(crate) fn raw(&self) -> &RawSftpSession {
        &self.raw
    }

    /// Waits until the connection is gone.
    pub(crate) async fn gone(&self) {
        self.watch.gone().await;
    }

    /// Bytes to read or write with one request.
    pub(crate) fn chunk(&self) -> u32 {
        self.extensions.chunk
    }

    /// Creates a file that must not exist, for its owner alone.
    pub(crate) async fn create(&self, path: &str) -> Result<String, Error> {
        let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUDE;
        let attributes = FileAttributes {
            permissions: Some(0o600),
            ..FileAttributes::empty()
        };
        Ok(self.raw.open(path, flags, attributes).await?.handle)
    }

    /// Forces a file's data to the disk, if the server can.
    pub(crate) async fn fsync(&self, handle: &str) -> Result<(), Error> {
        if self.extensions.fsync {
            self.raw.fsync(handle).await?;
        }
        Ok(())
    }

    /// Renames, and replaces what has the new name, in one step if the server can.
    pub(crate) async fn replace(&self, from: &str, to: &str) -> Result<(), Error> {
        if !self.extensions.posix_rename {
            // Two steps: the file is missing for a moment, but never half.
            let _ = self.raw.remove(to).await;
            return self.raw.rename(from, to).await.map(drop);
        }
        let mut data = Vec::with_capacity(8 + from.len() + to.len());
        for path in [from, to] {
            let length = u32::try_from(path.len()).unwrap_or(u32::MAX);
            data.extend(length.to_be_bytes());
            data.extend_from_slice(path.as_bytes());
        }
        match self.raw.extended("posix-rename@openssh.com", data).await? {
            Packet::Status(status) if status.status_code == StatusCode::Ok => Ok(()),
            Packet::Status(status) => Err(status.into()),
            _ => Err(Error::UnexpectedPacket),
        }
    }

    /// Whether the file system of a path has no room for more data or more files.
    pub(crate) async fn is_full(&self, path: &str) -> bool {
        if !self.extensions.statvfs {
            return false;
        }
        let Ok(info) = self.raw.statvfs(path).await else {
            return false;
        };
        let free = info.blocks_avail.saturating_mul(info.fragment_size);
        // A write of one request may fail with less than that free.
        let full = free < u64::from(CHUNK);
        full || (info.inodes > 0 && info.inodes_avail == 0)
    }
}

/// A failure by its status alone. OpenSSH's `Failure` stands for most of errno.
pub(crate) fn plain(error: Error) -> GuestError {
    match error {
        Error::Status(status) => match status.status_code {
            StatusCode::NoSuchFile => GuestError::NotFound,
            StatusCode::PermissionDenied => GuestError::Permission,
            StatusCode::NoConnection | StatusCode::ConnectionLost => LOST,
            StatusCode::BadMessage => GuestError::InvalidPath("the file system refuses it"),
            code => GuestError::FileRefused(code.to_string()),
        },
        // The rest of a session that does not answer, or not as the protocol says, is worth nothing.
        _ => LOST,
    }
}

/// Whether the server said no more than `Failure`.
pub(crate) fn is_failure(error: &Error) -> bool {
    matches!(error, Error::Status(status) if status.status_code == StatusCode::Failure)
}

/// A file for one command, in a folder that every distribution has. It is removed on drop unless
/// the command removes it.
pub(crate) struct StagedFile {
    guest: Guest,
    path: String,
    left: bool,
}

impl StagedFile {
    pub(crate) async fn write(
        guest: &Guest,
        path: String,
        data: &[u8],
    ) -> Result<Self, GuestError> {
        let sftp = Sftp::open(guest).await?;
        let handle = sftp.create(&path).await.map_err(plain)?;
        let staged = Self {
            guest: guest.clone(),
            path,
            left: false,
        };
        let mut offset = 0;
        for chunk in data.chunks(sftp.chunk() as usize) {
            let written = sftp
                .raw
                .write(handle.as_str(), offset, chunk.to_vec())
                .await;
            if let Err(error) = written {
                let full = is_failure(&error) && sftp.is_full(&staged.path).await;
                return Err(if full {
                    GuestError::NoSpace
                } else {
                    plain(error)
                });
            }
            offset += chunk.len() as u64;
        }
        let mode = FileAttributes {
            permissions: Some(0o700),
            ..FileAttributes::empty()
        };
        sftp.raw
            .fsetstat(handle.as_str(), mode)
            .await
            .map_err(plain)?;
        sftp.raw.close(handle).await.map_err(plain)?;
        Ok(staged)
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Leaves the file to the command.
    pub(crate) fn leave(&mut self) {
        self.left = true;
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if !self.left {
            remove_later(&self.guest, std::mem::take(&mut self.path));
        }
    }
}

/// Removes a temporary file in a task of its own, on a new session, because what failed may have
/// been the old one.
pub(crate) fn remove_later(guest: &Guest, path: String) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return;
    };
    let guest = guest.clone();
    runtime.spawn(async move {
        let removed = async {
            let sftp = Sftp::open(&guest).await?;
            match sftp.raw.remove(path.as_str()).await.map_err(plain) {
                Ok(_) | Err(GuestError::NotFound) => Ok(()),
                Err(error) => Err(error),
            }
        };
        if let Err(error) = removed.await {
            let lease = &guest.target().lease_id;
            tracing::warn!(lease.id = %lease, %error, "a temporary file stays in the guest");
        }
    });
}

//! Contents of files, out of a guest and into it.

use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, FuturesOrdered, Stream, StreamExt as _};
use russh_sftp::client::error::Error;
use russh_sftp::protocol::{FileAttributes, OpenFlags, StatusCode};

use crate::error::{GuestError, LOST};
use crate::files::{FileKind, FileStat};
use crate::pool::Guest;
use crate::sftp::{Sftp, plain, remove_later};
use crate::{paths, script};

/// Requests under way at once: 2 MiB with OpenSSH, which is what its window takes.
const REQUESTS: usize = 16;

/// A part of a file that is being read. It reads ahead, at most 2 MiB.
pub struct FileReader {
    sftp: Sftp,
    handle: Arc<str>,
    stat: FileStat,
    requests: FuturesOrdered<BoxFuture<'static, Answer>>,
    /// Where the next request starts.
    next: u64,
    /// Where the part ends, if the file is that long.
    end: u64,
    /// The part's end follows from the file's length when it was opened.
    promised: bool,
}

/// The answer to one request: its offset, the length asked for, and the data.
type Answer = (u64, u32, Result<Vec<u8>, Error>);

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteOptions {
    /// Its permission bits. If they are not given, those of the file it replaces, or `0o644`.
    pub mode: Option<u32>,
    /// Make the directories above it.
    pub parents: bool,
    /// More data than this is [`GuestError::TooLarge`].
    pub max_bytes: u64,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            mode: None,
            parents: false,
            max_bytes: u64::MAX,
        }
    }
}

impl Guest {
    /// Opens a regular file to read `length` bytes from `offset`, or all from there.
    ///
    /// A file of length 0 is read to its end, because those in `/proc` have no length.
    ///
    /// # Errors
    /// [`GuestError::IsADirectory`], the other errors of files, and those of a connection.
    pub async fn read_file(
        &self,
        path: &str,
        offset: u64,
        length: Option<u64>,
    ) -> Result<FileReader, GuestError> {
        let path = paths::clean(path)?;
        let sftp = Sftp::open(self).await?;
        // Opening a pipe would wait for its other end.
        regular(sftp.stat(&path).await?.kind)?;
        let opened = sftp
            .raw()
            .open(path, OpenFlags::READ, FileAttributes::empty())
            .await;
        let handle = opened.map_err(plain)?.handle;
        let stat = sftp.raw().fstat(handle.as_str()).await.map_err(plain)?;
        let stat = FileStat::from_attributes(&stat.attrs);
        let whole = if stat.size == 0 {
            u64::MAX
        } else {
            stat.size.max(offset)
        };
        let end = length.map_or(whole, |length| offset.saturating_add(length).min(whole));
        Ok(FileReader {
            sftp,
            handle: handle.into(),
            stat,
            requests: FuturesOrdered::new(),
            next: offset,
            end,
            promised: whole != u64::MAX,
        })
    }

    /// Writes a file whole: under another name in the same directory first, which then replaces
    /// the path in one step. Whatever fails, and if the future is dropped, the path keeps what it
    /// had. A symbolic link is followed.
    ///
    /// Returns the length.
    ///
    /// # Errors
    /// [`GuestError::NoSpace`], [`GuestError::TooLarge`], [`GuestError::Upload`] for an error of
    /// the source, the other errors of files, and those of a connection.
    pub async fn write_file<E>(
        &self,
        path: &str,
        source: impl Stream<Item = Result<Bytes, E>> + Send,
        options: WriteOptions,
    ) -> Result<u64, GuestError> {
        let mut path = paths::clean(path)?;
        let sftp = Sftp::open(self).await?;
        let mut old = sftp.lstat(&path).await.ok();
        if old.is_some_and(|stat| stat.kind == FileKind::Symlink) {
            let real = sftp.raw().realpath(path.as_str()).await.map_err(plain)?;
            let real = real.files.into_iter().next().ok_or(GuestError::NotFound)?;
            path = paths::clean(&real.filename)?;
            old = sftp.stat(&path).await.ok();
        }
        if let Some(old) = old {
            regular(old.kind)?;
        }
        let word = script::random_word()?;
        let beside = paths::beside(&path, &word).ok_or(GuestError::IsADirectory)?;
        if options.parents
            && let Some((folder, _)) = paths::split(&path)
        {
            sftp.make_dirs(folder).await?;
        }
        let handle = match sftp.create(&beside).await {
            Ok(handle) => handle,
            Err(error) => return Err(sftp.explain(error, &path).await),
        };
        let temporary = Temporary {
            guest: self.clone(),
            path: Some(beside),
        };
        let length = write_all(&sftp, &handle, &path, source, options.max_bytes).await?;
        // The owner can be kept by root alone, so it is asked for apart from the mode.
        if let Some(old) = old {
            let owner = FileAttributes {
                uid: Some(old.uid),
                gid: Some(old.gid),
                ..FileAttributes::empty()
            };
            let _ = sftp.raw().fsetstat(handle.as_str(), owner).await;
        }
        let mode = options.mode.or(old.map(|stat| stat.mode)).unwrap_or(0o644);
        let mode = FileAttributes {
            permissions: Some(mode & 0o7777),
            ..FileAttributes::empty()
        };
        let finish = async {
            sftp.raw().fsetstat(handle.as_str(), mode).await?;
            sftp.fsync(&handle).await?;
            sftp.raw().close(handle.as_str()).await?;
            sftp.replace(temporary.path.as_deref().unwrap_or_default(), &path)
                .await
        };
        if let Err(error) = finish.await {
            return Err(sftp.explain(error, &path).await);
        }
        temporary.keep();
        Ok(length)
    }
}

fn regular(kind: FileKind) -> Result<(), GuestError> {
    match kind {
        FileKind::File => Ok(()),
        FileKind::Directory => Err(GuestError::IsADirectory),
        _ => Err(GuestError::NotAFile),
    }
}

/// Removes the unfinished file unless it was renamed.
struct Temporary {
    guest: Guest,
    path: Option<String>,
}

impl Temporary {
    fn keep(mut self) {
        self.path = None;
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            remove_later(&self.guest, path);
        }
    }
}

async fn write_all<E>(
    sftp: &Sftp,
    handle: &str,
    path: &str,
    source: impl Stream<Item = Result<Bytes, E>>,
    max_bytes: u64,
) -> Result<u64, GuestError> {
    tokio::pin!(source);
    let chunk = sftp.chunk() as usize;
    let mut requests = FuturesOrdered::new();
    let mut waiting = BytesMut::new();
    let (mut received, mut sent) = (0_u64, 0_u64);
    let mut ended = false;
    // The source may be waited for while nothing is asked of the guest.
    let gone = sftp.gone();
    tokio::pin!(gone);
    loop {
        let whole = waiting.len() >= chunk || (ended && !waiting.is_empty());
        if whole && requests.len() < REQUESTS {
            let data = waiting.split_to(waiting.len().min(chunk)).to_vec();
            let offset = sent;
            sent += data.len() as u64;
            requests.push_back(sftp.raw().write(handle, offset, data));
            continue;
        }
        if ended && waiting.is_empty() && requests.is_empty() {
            return Ok(sent);
        }
        tokio::select! {
            Some(written) = requests.next(), if !requests.is_empty() => {
                if let Err(error) = written {
                    return Err(sftp.explain(error, path).await);
                }
            }
            () = &mut gone => return Err(LOST),
            data = source.next(), if !ended && !whole => match data {
                Some(data) => {
                    let data = data.map_err(|_| GuestError::Upload)?;
                    received = received.saturating_add(data.len() as u64);
                    if received > max_bytes {
                        return Err(GuestError::TooLarge);
                    }
                    waiting.extend_from_slice(&data);
                }
                None => ended = true,
            },
        }
    }
}

impl FileReader {
    /// The file, as it was when it was opened.
    pub fn stat(&self) -> FileStat {
        self.stat
    }

    /// The next data, nothing at the end. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`GuestError::Changed`] if the file became shorter, the other errors of files, and those of
    /// a connection.
    pub async fn next(&mut self) -> Option<Result<Bytes, GuestError>> {
        while self.requests.len() < REQUESTS && self.next < self.end {
            let left = self.end - self.next;
            let length = u32::try_from(left)
                .unwrap_or(u32::MAX)
                .min(self.sftp.chunk());
            self.requests.push_back(request(
                self.sftp.clone(),
                self.handle.clone(),
                self.next,
                length,
            ));
            self.next += u64::from(length);
        }
        let (offset, length, data) = self.requests.next().await?;
        let data = match data {
            Ok(data) => data,
            Err(Error::Status(status)) if status.status_code == StatusCode::Eof => Vec::new(),
            Err(error) => return self.end_with(Some(plain(error))),
        };
        if data.is_empty() {
            return self.end_with(self.promised.then_some(GuestError::Changed));
        }
        if data.len() < length as usize {
            // What was asked for after it would leave a gap.
            self.requests = FuturesOrdered::new();
            self.next = offset + data.len() as u64;
        }
        Some(Ok(data.into()))
    }

    fn end_with(&mut self, error: Option<GuestError>) -> Option<Result<Bytes, GuestError>> {
        self.requests = FuturesOrdered::new();
        self.next = self.end;
        error.map(Err)
    }

    /// The data as a stream.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, GuestError>> + Send {
        stream::unfold(self, |mut reader| async {
            let data = reader.next().await?;
            Some((data, reader))
        })
    }
}

fn request(sftp: Sftp, handle: Arc<str>, offset: u64, length: u32) -> BoxFuture<'static, Answer> {
    Box::pin(async move {
        let data = sftp.raw().read(&*handle, offset, length).await;
        (offset, length, data.map(|data| data.data))
    })
}

impl fmt::Debug for FileReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileReader")
            .field("stat", &self.stat)
            .finish_non_exhaustive()
    }
}

//! Files in a guest: what there is, and small changes. Reading and writing are in
//! [`crate::transfer`].
//!
//! Paths are absolute, and `..` in them is resolved by the text. Symbolic links are the
//! customer's own: what root in the guest can reach through them, the customer can.

use std::time::{Duration, SystemTime};

use russh_sftp::client::error::Error;
use russh_sftp::protocol::{FileAttributes, StatusCode};

use crate::command::CommandRequest;
use crate::error::GuestError;
use crate::pool::Guest;
use crate::sftp::{Sftp, is_failure, plain};
use crate::{paths, sftp};

/// Linux takes names of 255 bytes, and each byte that is no UTF-8 is shown as three. A server that
/// sends longer ones tries to use up our memory.
const MAX_NAME: usize = 3 * 255;
/// Entries of a directory that are passed over: `.`, `..`, and names that no file can have.
const MAX_PASSED_OVER: usize = 100;
/// For the removal of a whole tree.
const REMOVE_TIMEOUT: Duration = Duration::from_secs(600);

/// What something in a file system is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, pipe or socket.
    Other,
}

/// What is known of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStat {
    /// What it is.
    pub kind: FileKind,
    /// Its length in bytes.
    pub size: u64,
    /// Its permission bits, `0o7777` at most.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// When it was last changed, in whole seconds.
    pub modified: Option<SystemTime>,
}

impl FileStat {
    pub(crate) fn from_attributes(attributes: &FileAttributes) -> Self {
        let mode = attributes.permissions.unwrap_or(0);
        let modified = attributes.mtime.map(u64::from).map(Duration::from_secs);
        Self {
            kind: match mode & 0o170_000 {
                0o100_000 => FileKind::File,
                0o040_000 => FileKind::Directory,
                0o120_000 => FileKind::Symlink,
                _ => FileKind::Other,
            },
            size: attributes.size.unwrap_or(0),
            mode: mode & 0o7777,
            uid: attributes.uid.unwrap_or(0),
            gid: attributes.gid.unwrap_or(0),
            modified: modified.map(|seconds| SystemTime::UNIX_EPOCH + seconds),
        }
    }
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// Its name.
    pub name: String,
    /// The name is not UTF-8: each other byte is shown as U+FFFD, and no path reaches the file.
    /// The removal of its directory takes it along.
    pub lossy: bool,
    /// What it is; a symbolic link is not followed.
    pub stat: FileStat,
}

/// The entries of a directory, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Not more of them than were asked for.
    pub entries: Vec<DirEntry>,
    /// There are more.
    pub truncated: bool,
}

/// The entries of a directory as they come. The server decides how many and how long they are, so
/// what is kept of them has a bound, and their number too.
struct Listed {
    entries: Vec<DirEntry>,
    max: usize,
    passed_over: usize,
    truncated: bool,
}

impl Listed {
    fn new(max: usize) -> Self {
        Self {
            entries: Vec::new(),
            max,
            passed_over: 0,
            truncated: false,
        }
    }

    fn add(&mut self, name: String, attributes: &FileAttributes) {
        let is_name = !matches!(name.as_str(), "" | "." | "..") && !name.contains('/');
        if !is_name || name.len() > MAX_NAME {
            self.passed_over += 1;
            self.truncated |= self.passed_over > MAX_PASSED_OVER;
        } else if self.entries.len() >= self.max {
            self.truncated = true;
        } else {
            self.entries.push(DirEntry {
                lossy: name.contains(char::REPLACEMENT_CHARACTER),
                name,
                stat: FileStat::from_attributes(attributes),
            });
        }
    }

    fn sorted(mut self) -> Listing {
        self.entries.sort_by(|one, other| one.name.cmp(&other.name));
        Listing {
            entries: self.entries,
            truncated: self.truncated,
        }
    }
}

impl Guest {
    /// What a path is, symbolic links followed.
    ///
    /// # Errors
    /// [`GuestError::NotFound`] also for a link to nothing, the other errors of files, and those
    /// of a connection.
    pub async fn stat(&self, path: &str) -> Result<FileStat, GuestError> {
        let path = paths::clean(path)?;
        Sftp::open(self).await?.stat(&path).await
    }

    /// The entries of a directory, `max` of them at most.
    ///
    /// # Errors
    /// [`GuestError::NotADirectory`], the other errors of files, and those of a connection.
    pub async fn list(&self, path: &str, max: usize) -> Result<Listing, GuestError> {
        let path = paths::clean(path)?;
        let sftp = Sftp::open(self).await?;
        if sftp.stat(&path).await?.kind != FileKind::Directory {
            return Err(GuestError::NotADirectory);
        }
        let handle = sftp.raw().opendir(path).await.map_err(plain)?.handle;
        let mut listed = Listed::new(max);
        while !listed.truncated {
            let files = match sftp.raw().readdir(handle.as_str()).await {
                Ok(name) if !name.files.is_empty() => name.files,
                Ok(_) => break,
                Err(Error::Status(status)) if status.status_code == StatusCode::Eof => break,
                Err(error) => return Err(plain(error)),
            };
            for file in files {
                listed.add(file.filename, &file.attrs);
            }
        }
        Ok(listed.sorted())
    }

    /// Makes a directory, with `parents` also those above it; then one that exists is no error.
    ///
    /// # Errors
    /// [`GuestError::Exists`], [`GuestError::NoSpace`], the other errors of files, and those of a
    /// connection.
    pub async fn make_dir(&self, path: &str, parents: bool) -> Result<(), GuestError> {
        let path = paths::clean(path)?;
        let sftp = Sftp::open(self).await?;
        if parents {
            sftp.make_dirs(&path).await
        } else {
            sftp.make_dir(&path).await
        }
    }

    /// Renames. With `replace` a file that has the new name is replaced in one step.
    ///
    /// # Errors
    /// [`GuestError::Exists`], the other errors of files, and those of a connection.
    pub async fn rename(&self, from: &str, to: &str, replace: bool) -> Result<(), GuestError> {
        let (from, to) = (paths::clean(from)?, paths::clean(to)?);
        let sftp = Sftp::open(self).await?;
        sftp.lstat(&from).await?;
        let target = sftp.lstat(&to).await.ok();
        if target.is_some_and(|stat| !replace || stat.kind == FileKind::Directory) {
            return Err(GuestError::Exists);
        }
        let renamed = if replace {
            sftp.replace(&from, &to).await
        } else {
            sftp.raw()
                .rename(from.as_str(), to.as_str())
                .await
                .map(drop)
        };
        match renamed {
            // Something may have come there since it was looked.
            Err(error) if is_failure(&error) && !replace && sftp.lstat(&to).await.is_ok() => {
                Err(GuestError::Exists)
            }
            Err(error) => Err(sftp.explain(error, &to).await),
            Ok(()) => Ok(()),
        }
    }

    /// Removes a file, a symbolic link or an empty directory; with `recursive` a directory with
    /// all that is in it.
    ///
    /// # Errors
    /// [`GuestError::NotEmpty`], the other errors of files, and those of a connection. A recursive
    /// removal that fails may have removed a part.
    pub async fn remove(&self, path: &str, recursive: bool) -> Result<(), GuestError> {
        let path = paths::clean(path)?;
        if path == "/" {
            return Err(GuestError::InvalidPath("it is the root"));
        }
        let sftp = Sftp::open(self).await?;
        let stat = sftp.lstat(&path).await?;
        if stat.kind != FileKind::Directory {
            return sftp.raw().remove(path).await.map(drop).map_err(plain);
        }
        if recursive {
            drop(sftp);
            return self.remove_tree(path).await;
        }
        match sftp.raw().rmdir(path.as_str()).await {
            Err(error) if is_failure(&error) => Err(GuestError::NotEmpty),
            result => result.map(drop).map_err(plain),
        }
    }

    /// By a command, because only the guest itself knows names that are not UTF-8, and a tree of
    /// many files would take a request for each.
    async fn remove_tree(&self, path: String) -> Result<(), GuestError> {
        let mut request = CommandRequest::new("LC_ALL=C exec rm -rf -- \"$I402_PATH\"");
        request.env = vec![("I402_PATH".to_owned(), path)];
        request.timeout = REMOVE_TIMEOUT;
        request.limit_bytes = 4096;
        let outcome = self.open_command(false).await?.run(request, None).await?;
        if outcome.exit_code == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&outcome.stderr);
        let refused = ["Permission denied", "not permitted", "Read-only"];
        if refused.iter().any(|part| text.contains(part)) {
            return Err(GuestError::Permission);
        }
        Err(GuestError::FileRefused(
            text.lines().next().unwrap_or("rm failed").to_owned(),
        ))
    }
}

impl Sftp {
    pub(crate) async fn stat(&self, path: &str) -> Result<FileStat, GuestError> {
        let attributes = self.raw().stat(path).await.map_err(plain)?;
        Ok(FileStat::from_attributes(&attributes.attrs))
    }

    pub(crate) async fn lstat(&self, path: &str) -> Result<FileStat, GuestError> {
        let attributes = self.raw().lstat(path).await.map_err(plain)?;
        Ok(FileStat::from_attributes(&attributes.attrs))
    }

    async fn make_dir(&self, path: &str) -> Result<(), GuestError> {
        match self.raw().mkdir(path, FileAttributes::empty()).await {
            Err(error) if is_failure(&error) && self.lstat(path).await.is_ok() => {
                Err(GuestError::Exists)
            }
            Err(error) => Err(self.explain(error, path).await),
            Ok(_) => Ok(()),
        }
    }

    pub(crate) async fn make_dirs(&self, path: &str) -> Result<(), GuestError> {
        for (end, _) in path.match_indices('/').skip(1).chain([(path.len(), "")]) {
            let part = &path[..end];
            match self.make_dir(part).await {
                Ok(()) => {}
                Err(GuestError::Exists) => {
                    if self.stat(part).await?.kind != FileKind::Directory {
                        return Err(GuestError::NotADirectory);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What a failed change of a path means: OpenSSH does not tell a full disk.
    pub(crate) async fn explain(&self, error: Error, path: &str) -> GuestError {
        let folder = paths::split(path).map_or("/", |(folder, _)| folder);
        if sftp::is_failure(&error) && self.is_full(folder).await {
            return GuestError::NoSpace;
        }
        match plain(error) {
            // ENOTDIR comes as "no such file".
            GuestError::NotFound => match self.stat(folder).await {
                Ok(stat) if stat.kind != FileKind::Directory => GuestError::NotADirectory,
                _ => GuestError::NotFound,
            },
            error => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_names_and_their_number_are_bounded() {
        let attributes = FileAttributes::empty();
        let mut listed = Listed::new(2);
        for name in ["b", ".", "..", "", "x/y"] {
            listed.add(name.to_owned(), &attributes);
        }
        listed.add("n".repeat(MAX_NAME + 1), &attributes);
        listed.add("\u{fffd}".repeat(255), &attributes);
        assert!(!listed.truncated);
        listed.add("c".to_owned(), &attributes);
        assert!(listed.truncated);
        let listing = listed.sorted();
        let names: Vec<_> = listing
            .entries
            .iter()
            .map(|entry| entry.name.len())
            .collect();
        assert_eq!(names, [1, 765]);
        let mut endless = Listed::new(2);
        for _ in 0..=MAX_PASSED_OVER {
            endless.add(".".to_owned(), &attributes);
        }
        assert!(endless.truncated);
    }
}

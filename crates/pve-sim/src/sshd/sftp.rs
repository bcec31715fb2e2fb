//! SFTP where the host lacks OpenSSH's program: version 3 with the extensions that its client
//! uses, on the plain file system, which the confinement has cut down to the container's.

use std::collections::HashMap;
use std::fs::{self, File, FileTimes, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use russh_sftp::protocol::{
    Attrs, Data, File as NamedFile, FileAttributes, Handle, Name, OpenFlags, Packet, Status,
    StatusCode, Version,
};
use russh_sftp::server::Handler;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

/// The most bytes of one read, as OpenSSH's server has it.
const LONGEST_READ: u32 = 255 << 10;
/// Names in one answer about a folder.
const NAMES: usize = 100;
/// Handles that one client may have.
const HANDLES: usize = 200;

/// Serves a channel until the client closes it.
pub(super) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    home: PathBuf,
) {
    let (alive, ended) = oneshot::channel();
    let server = SftpServer {
        home,
        open: HashMap::new(),
        next: 0,
        _alive: alive,
    };
    russh_sftp::server::run(stream, server).await;
    // The server is dropped when its task ends.
    let _ = ended.await;
}

struct SftpServer {
    /// Where paths that do not begin with `/` begin.
    home: PathBuf,
    open: HashMap<String, OpenThing>,
    next: u64,
    _alive: oneshot::Sender<()>,
}

enum OpenThing {
    File(File),
    /// Names that were not sent yet.
    Folder(Vec<NamedFile>),
}

impl SftpServer {
    fn path(&self, text: &str) -> PathBuf {
        self.home.join(text)
    }

    fn keep(&mut self, id: u32, thing: OpenThing) -> Result<Handle, StatusCode> {
        if self.open.len() >= HANDLES {
            return Err(StatusCode::Failure);
        }
        self.next += 1;
        let handle = self.next.to_string();
        self.open.insert(handle.clone(), thing);
        Ok(Handle { id, handle })
    }

    fn file(&self, handle: &str) -> Result<&File, StatusCode> {
        match self.open.get(handle) {
            Some(OpenThing::File(file)) => Ok(file),
            _ => Err(StatusCode::Failure),
        }
    }
}

fn refusal(error: io::Error) -> StatusCode {
    match error.kind() {
        ErrorKind::NotFound => StatusCode::NoSuchFile,
        ErrorKind::PermissionDenied => StatusCode::PermissionDenied,
        ErrorKind::UnexpectedEof => StatusCode::Eof,
        _ => StatusCode::Failure,
    }
}

fn done(id: u32, result: io::Result<()>) -> Result<Status, StatusCode> {
    result.map_err(refusal)?;
    Ok(Status {
        id,
        status_code: StatusCode::Ok,
        error_message: "Success".into(),
        language_tag: String::new(),
    })
}

fn attributes(about: &fs::Metadata) -> FileAttributes {
    let seconds = |time: i64| u32::try_from(time).unwrap_or(0);
    FileAttributes {
        size: Some(about.len()),
        uid: Some(about.uid()),
        gid: Some(about.gid()),
        permissions: Some(about.mode()),
        atime: Some(seconds(about.atime())),
        mtime: Some(seconds(about.mtime())),
        ..FileAttributes::default()
    }
}

/// Applies what a client sets, in OpenSSH's order.
fn change(file: &File, wanted: &FileAttributes) -> io::Result<()> {
    if let Some(size) = wanted.size {
        file.set_len(size)?;
    }
    if let Some(mode) = wanted.permissions {
        file.set_permissions(Permissions::from_mode(mode & 0o7777))?;
    }
    if let (Some(accessed), Some(modified)) = (wanted.atime, wanted.mtime) {
        let at = |seconds: u32| UNIX_EPOCH + Duration::from_secs(seconds.into());
        file.set_times(
            FileTimes::new()
                .set_accessed(at(accessed))
                .set_modified(at(modified)),
        )?;
    }
    if wanted.uid.is_some() || wanted.gid.is_some() {
        std::os::unix::fs::fchown(file, wanted.uid, wanted.gid)?;
    }
    Ok(())
}

/// A path without links, `.` and `..`; of one that does not exist, the text alone is reduced.
fn real(path: &Path) -> PathBuf {
    if let Ok(found) = path.canonicalize() {
        return found;
    }
    let mut reduced = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => reduced.push(name),
            Component::ParentDir => {
                reduced.pop();
            }
            _ => {}
        }
    }
    reduced
}

/// Two strings of an extension's data.
fn two_paths(data: &[u8]) -> Option<(String, String)> {
    let (first, rest) = one_path(data)?;
    let (second, _) = one_path(rest)?;
    Some((first, second))
}

fn one_path(data: &[u8]) -> Option<(String, &[u8])> {
    let (length, rest) = data.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let text = rest.get(..length)?;
    Some((String::from_utf8(text.to_vec()).ok()?, &rest[length..]))
}

impl Handler for SftpServer {
    type Error = StatusCode;

    fn unimplemented(&self) -> Self::Error {
        StatusCode::OpUnsupported
    }

    async fn init(
        &mut self,
        _version: u32,
        _extensions: HashMap<String, String>,
    ) -> Result<Version, Self::Error> {
        let mut version = Version::new();
        for name in ["posix-rename", "fsync", "hardlink"] {
            version
                .extensions
                .insert(format!("{name}@openssh.com"), "1".into());
        }
        Ok(version)
    }

    async fn open(
        &mut self,
        id: u32,
        name: String,
        flags: OpenFlags,
        wanted: FileAttributes,
    ) -> Result<Handle, Self::Error> {
        let mode = wanted.permissions.unwrap_or(0o666) & 0o7777;
        let mut options = OpenOptions::from(flags);
        let file = options.mode(mode).open(self.path(&name)).map_err(refusal)?;
        self.keep(id, OpenThing::File(file))
    }

    async fn close(&mut self, id: u32, handle: String) -> Result<Status, Self::Error> {
        let known = self.open.remove(&handle).is_some();
        match known {
            true => done(id, Ok(())),
            false => Err(StatusCode::Failure),
        }
    }

    async fn read(
        &mut self,
        id: u32,
        handle: String,
        offset: u64,
        length: u32,
    ) -> Result<Data, Self::Error> {
        let mut data = vec![0; length.min(LONGEST_READ) as usize];
        let count = self
            .file(&handle)?
            .read_at(&mut data, offset)
            .map_err(refusal)?;
        if count == 0 {
            return Err(StatusCode::Eof);
        }
        data.truncate(count);
        Ok(Data { id, data })
    }

    async fn write(
        &mut self,
        id: u32,
        handle: String,
        offset: u64,
        data: Vec<u8>,
    ) -> Result<Status, Self::Error> {
        done(id, self.file(&handle)?.write_all_at(&data, offset))
    }

    async fn lstat(&mut self, id: u32, path: String) -> Result<Attrs, Self::Error> {
        let about = self.path(&path).symlink_metadata().map_err(refusal)?;
        Ok(Attrs {
            id,
            attrs: attributes(&about),
        })
    }

    async fn stat(&mut self, id: u32, path: String) -> Result<Attrs, Self::Error> {
        let about = self.path(&path).metadata().map_err(refusal)?;
        Ok(Attrs {
            id,
            attrs: attributes(&about),
        })
    }

    async fn fstat(&mut self, id: u32, handle: String) -> Result<Attrs, Self::Error> {
        let about = self.file(&handle)?.metadata().map_err(refusal)?;
        Ok(Attrs {
            id,
            attrs: attributes(&about),
        })
    }

    async fn setstat(
        &mut self,
        id: u32,
        path: String,
        wanted: FileAttributes,
    ) -> Result<Status, Self::Error> {
        let path = self.path(&path);
        let writes = wanted.size.is_some();
        let changed = OpenOptions::new()
            .read(!writes)
            .write(writes)
            .open(path)
            .and_then(|file| change(&file, &wanted));
        done(id, changed)
    }

    async fn fsetstat(
        &mut self,
        id: u32,
        handle: String,
        wanted: FileAttributes,
    ) -> Result<Status, Self::Error> {
        done(id, change(self.file(&handle)?, &wanted))
    }

    async fn opendir(&mut self, id: u32, path: String) -> Result<Handle, Self::Error> {
        let path = self.path(&path);
        let mut names: Vec<NamedFile> = [".", ".."]
            .into_iter()
            .filter_map(|name| {
                let about = path.join(name).metadata().ok()?;
                Some(NamedFile::new(name, attributes(&about)))
            })
            .collect();
        for entry in fs::read_dir(&path).map_err(refusal)?.flatten() {
            // One that was removed just now is left out.
            if let Ok(about) = entry.path().symlink_metadata() {
                let name = entry.file_name().to_string_lossy().into_owned();
                names.push(NamedFile::new(name, attributes(&about)));
            }
        }
        self.keep(id, OpenThing::Folder(names))
    }

    async fn readdir(&mut self, id: u32, handle: String) -> Result<Name, Self::Error> {
        match self.open.get_mut(&handle) {
            Some(OpenThing::Folder(names)) if names.is_empty() => Err(StatusCode::Eof),
            Some(OpenThing::Folder(names)) => {
                let files = names.drain(..names.len().min(NAMES)).collect();
                Ok(Name { id, files })
            }
            _ => Err(StatusCode::Failure),
        }
    }

    async fn remove(&mut self, id: u32, path: String) -> Result<Status, Self::Error> {
        done(id, fs::remove_file(self.path(&path)))
    }

    async fn mkdir(
        &mut self,
        id: u32,
        path: String,
        wanted: FileAttributes,
    ) -> Result<Status, Self::Error> {
        use std::os::unix::fs::DirBuilderExt as _;
        let mode = wanted.permissions.unwrap_or(0o777) & 0o7777;
        let made = fs::DirBuilder::new().mode(mode).create(self.path(&path));
        done(id, made)
    }

    async fn rmdir(&mut self, id: u32, path: String) -> Result<Status, Self::Error> {
        done(id, fs::remove_dir(self.path(&path)))
    }

    async fn realpath(&mut self, id: u32, path: String) -> Result<Name, Self::Error> {
        let name = real(&self.path(&path)).display().to_string();
        let files = vec![NamedFile::dummy(name)];
        Ok(Name { id, files })
    }

    /// Fails where the new name exists, as version 3 wants it.
    async fn rename(&mut self, id: u32, old: String, new: String) -> Result<Status, Self::Error> {
        let new = self.path(&new);
        if new.symlink_metadata().is_ok() {
            return Err(StatusCode::Failure);
        }
        done(id, fs::rename(self.path(&old), new))
    }

    async fn readlink(&mut self, id: u32, path: String) -> Result<Name, Self::Error> {
        let target = fs::read_link(self.path(&path)).map_err(refusal)?;
        let files = vec![NamedFile::dummy(target.display().to_string())];
        Ok(Name { id, files })
    }

    /// OpenSSH sends the target first, against the draft.
    async fn symlink(
        &mut self,
        id: u32,
        target: String,
        link: String,
    ) -> Result<Status, Self::Error> {
        done(id, std::os::unix::fs::symlink(target, self.path(&link)))
    }

    async fn extended(
        &mut self,
        id: u32,
        request: String,
        data: Vec<u8>,
    ) -> Result<Packet, Self::Error> {
        let result = match request.as_str() {
            "posix-rename@openssh.com" => {
                let (old, new) = two_paths(&data).ok_or(StatusCode::BadMessage)?;
                fs::rename(self.path(&old), self.path(&new))
            }
            "hardlink@openssh.com" => {
                let (old, new) = two_paths(&data).ok_or(StatusCode::BadMessage)?;
                fs::hard_link(self.path(&old), self.path(&new))
            }
            "fsync@openssh.com" => {
                let (handle, _) = one_path(&data).ok_or(StatusCode::BadMessage)?;
                self.file(&handle)?.sync_all()
            }
            _ => return Err(StatusCode::OpUnsupported),
        };
        done(id, result).map(Packet::Status)
    }
}

//! Copies into a container. Each file is digested while it is sent, and the digest is compared with
//! the one of what the container has written.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use api_types::FileKind;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::Body;
use ring::digest::{Context, SHA256};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{AT_ONCE, Copied, CopiedFile, Endpoint, PIECE, below, remote::RemoteFiles};
use crate::{
    failure::{ExitStatus, Failure},
    state_files::hex,
};

/// What is to be copied.
#[derive(Debug, Default)]
struct Plan {
    /// Files here, and their paths in the container.
    files: Vec<(PathBuf, String)>,
    /// Directories that have no files of their own.
    empty: Vec<String>,
    skipped: Vec<String>,
}

/// Copies a file, a directory or standard input to a path in a container.
///
/// # Errors
/// Something cannot be read or written; what was copied before stays.
pub async fn run(
    files: &RemoteFiles<'_>,
    source: &Endpoint,
    target: &str,
) -> Result<Copied, Failure> {
    let Endpoint::Local(source) = source else {
        let copied = standard_input(files, target).await?;
        return Ok(Copied {
            files: vec![copied],
            skipped: Vec::new(),
        });
    };
    let about = fs::metadata(source).map_err(|error| Failure::file(source, &error))?;
    let existing = files.about(target).await?;
    let into = existing.is_some_and(|found| found.kind == FileKind::Directory);
    let name = source
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let target = match name {
        Some(name) if into => below(target, &name),
        Some(name) if target.ends_with('/') => below(target, &name),
        _ => target.to_owned(),
    };
    let mut plan = Plan::default();
    if about.is_dir() {
        plan.add_directory(source, &target)?;
    } else {
        plan.add_file(source, &target, &about);
    }
    for directory in &plan.empty {
        files.make_directory(directory).await?;
    }
    let sent = plan
        .files
        .iter()
        .map(|(local, remote)| send(files, local, remote));
    let sent = stream::iter(sent).buffer_unordered(AT_ONCE);
    Ok(Copied {
        files: sent.try_collect().await?,
        skipped: plan.skipped,
    })
}

impl Plan {
    fn add_directory(&mut self, local: &Path, remote: &str) -> Result<(), Failure> {
        let failed = |error| Failure::file(local, &error);
        let mut entries = Vec::new();
        for entry in fs::read_dir(local).map_err(failed)? {
            entries.push(entry.map_err(failed)?);
        }
        entries.sort_by_key(fs::DirEntry::file_name);
        let before = self.files.len();
        let mut directories = Vec::new();
        for entry in entries {
            let path = entry.path();
            let Ok(name) = entry.file_name().into_string() else {
                self.skipped
                    .push(format!("{}: its name is no UTF-8", path.display()));
                continue;
            };
            let remote = below(remote, &name);
            let is_link = entry.file_type().map_err(failed)?.is_symlink();
            match fs::metadata(&path) {
                // A link could lead back to where we are.
                Ok(about) if about.is_dir() && is_link => {
                    let why = "a symbolic link to a directory";
                    self.skipped.push(format!("{}: {why}", path.display()));
                }
                Ok(about) if about.is_dir() => directories.push((path, remote)),
                Ok(about) => self.add_file(&path, &remote, &about),
                Err(error) => self.skipped.push(format!("{}: {error}", path.display())),
            }
        }
        if self.files.len() == before {
            self.empty.push(remote.to_owned());
        }
        for (path, remote) in directories {
            self.add_directory(&path, &remote)?;
        }
        Ok(())
    }

    fn add_file(&mut self, local: &Path, remote: &str, about: &fs::Metadata) {
        match about.is_file() {
            true => self.files.push((local.to_owned(), remote.to_owned())),
            // A pipe or a device may never end.
            false => self
                .skipped
                .push(format!("{}: it is no file", local.display())),
        }
    }
}

async fn send(files: &RemoteFiles<'_>, local: &Path, remote: &str) -> Result<CopiedFile, Failure> {
    let failed = |error| Failure::file(local, &error);
    let about = fs::metadata(local).map_err(failed)?;
    let mode = format!("{:o}", about.permissions().mode() & 0o777);
    let digest = Digest::default();
    let content = || {
        let file = File::open(local).map_err(failed)?;
        Ok(digest.body(tokio::fs::File::from_std(file)))
    };
    let written = files.write(remote, Some(&mode), content).await?;
    digest.compare(remote, written)
}

async fn standard_input(files: &RemoteFiles<'_>, target: &str) -> Result<CopiedFile, Failure> {
    // It can be read once: a session that has ended must not be noticed afterwards.
    files.about(target).await?;
    let digest = Digest::default();
    let mut input = Some(tokio::io::stdin());
    let content = || match input.take() {
        Some(input) => Ok(digest.body(input)),
        None => Err(Failure::local(
            "standard input cannot be sent a second time",
        )),
    };
    let written = files.write(target, None, content).await?;
    digest.compare(target, written)
}

/// The digest of what is being sent.
#[derive(Default)]
struct Digest(Arc<Mutex<Option<Context>>>);

impl Digest {
    /// A body that is digested while it is read; it begins anew with each body.
    fn body(&self, reader: impl AsyncRead + Send + Unpin + 'static) -> Body {
        let digest = self.0.clone();
        *lock(&digest) = Some(Context::new(&SHA256));
        let pieces = stream::try_unfold((reader, digest), |(mut reader, digest)| async move {
            let mut piece = vec![0; PIECE];
            let length = reader.read(&mut piece).await?;
            piece.truncate(length);
            if let Some(context) = lock(&digest).as_mut() {
                context.update(&piece);
            }
            let more = length > 0;
            Ok::<_, std::io::Error>(more.then(|| (Bytes::from(piece), (reader, digest))))
        });
        Body::wrap_stream(pieces)
    }

    fn compare(
        &self,
        remote: &str,
        written: api_types::WrittenFile,
    ) -> Result<CopiedFile, Failure> {
        let context = lock(&self.0).take();
        let sha256 = context
            .map(|context| hex(context.finish().as_ref()))
            .unwrap_or_default();
        if sha256 != written.sha256 {
            let message = format!("{remote} was written with another content than was sent");
            return Err(Failure::new(ExitStatus::Failed, "not_the_same", message));
        }
        Ok(CopiedFile {
            remote: remote.to_owned(),
            size: written.size,
            sha256,
        })
    }
}

fn lock(digest: &Mutex<Option<Context>>) -> std::sync::MutexGuard<'_, Option<Context>> {
    digest.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Copies out of a container. A file is written beside its name first and renamed when it is whole.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use api_types::{FileKind, FileView};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use ring::digest::{Context, SHA256};
use tempfile::NamedTempFile;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::{
    AT_ONCE, Copied, CopiedFile, Endpoint, below, is_name, last_name, remote::RemoteFiles,
};
use crate::{
    failure::{ExitStatus, Failure},
    state_files::hex,
};

/// How deep directories may lie in each other: a container can pretend to have any number.
const DEEPEST: usize = 128;

/// What is to be copied.
#[derive(Debug, Default)]
struct Plan {
    files: Vec<PlannedFile>,
    directories: Vec<PathBuf>,
    skipped: Vec<String>,
}

#[derive(Debug)]
struct PlannedFile {
    remote: String,
    local: PathBuf,
    mode: u32,
}

/// Copies a file or directory of a container to a path here, or a file to standard output.
///
/// # Errors
/// Something cannot be read or written; what was copied before stays.
pub async fn run(
    files: &RemoteFiles<'_>,
    source: &str,
    target: &Endpoint,
) -> Result<Copied, Failure> {
    let about = files.about(source).await?.ok_or_else(|| {
        let message = format!("the container has no file {source}");
        Failure::new(ExitStatus::NotFound, "file_not_found", message)
    })?;
    let Endpoint::Local(target) = target else {
        return standard_output(files, source, &about).await;
    };
    let local = match last_name(source) {
        Some(name) if target.is_dir() => target.join(name),
        _ => target.clone(),
    };
    let mut plan = Plan::default();
    match about.kind {
        FileKind::Directory => plan.add_directory(files, source, local).await?,
        _ => plan.add_file(source, local, &about),
    }
    for directory in &plan.directories {
        fs::create_dir_all(directory).map_err(|error| Failure::file(directory, &error))?;
    }
    let fetched = plan.files.iter().map(|file| fetch(files, file));
    let fetched = stream::iter(fetched).buffer_unordered(AT_ONCE);
    Ok(Copied {
        files: fetched.try_collect().await?,
        skipped: plan.skipped,
    })
}

impl Plan {
    /// Adds all that is in a directory, by a list of what is still to be looked at.
    async fn add_directory(
        &mut self,
        files: &RemoteFiles<'_>,
        remote: &str,
        local: PathBuf,
    ) -> Result<(), Failure> {
        let mut open = vec![(remote.to_owned(), local, 0)];
        while let Some((remote, local, depth)) = open.pop() {
            let listed = files.list(&remote).await?;
            if listed.truncated {
                self.skipped
                    .push(format!("{remote}: it has more files than are listed"));
            }
            self.directories.push(local.clone());
            for entry in listed.entries {
                let path = below(&remote, &entry.name);
                if !is_name(&entry.name) || entry.name.contains(char::REPLACEMENT_CHARACTER) {
                    self.skipped
                        .push(format!("{path}: its name cannot be used here"));
                    continue;
                }
                let here = local.join(&entry.name);
                match self.entry(files, &path, &entry).await? {
                    FileKind::Directory if entry.kind == FileKind::Symlink => {
                        self.skipped
                            .push(format!("{path}: a symbolic link to a directory"));
                    }
                    FileKind::Directory if depth == DEEPEST => {
                        self.skipped.push(format!("{path}: it lies too deep"));
                    }
                    FileKind::Directory => open.push((path, here, depth + 1)),
                    FileKind::File => self.add_file(&path, here, &entry),
                    FileKind::Symlink => self.skipped.push(format!("{path}: it leads nowhere")),
                    FileKind::Other => self.skipped.push(format!("{path}: it is no file")),
                }
            }
        }
        Ok(())
    }

    /// The kind of an entry, or of what a link leads to.
    async fn entry(
        &self,
        files: &RemoteFiles<'_>,
        path: &str,
        entry: &FileView,
    ) -> Result<FileKind, Failure> {
        if entry.kind != FileKind::Symlink {
            return Ok(entry.kind);
        }
        let led_to = files.about(path).await?;
        Ok(led_to.map_or(FileKind::Symlink, |led_to| led_to.kind))
    }

    fn add_file(&mut self, remote: &str, local: PathBuf, about: &FileView) {
        let mode = u32::from_str_radix(&about.mode, 8).unwrap_or(0o644);
        self.files.push(PlannedFile {
            remote: remote.to_owned(),
            local,
            // Neither set-user-id nor sticky, and others do not write it: it is this user's now.
            mode: mode & 0o755,
        });
    }
}

async fn fetch(files: &RemoteFiles<'_>, file: &PlannedFile) -> Result<CopiedFile, Failure> {
    let failed = |error| Failure::file(&file.local, &error);
    let folder = match file.local.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let temporary = NamedTempFile::new_in(folder).map_err(failed)?;
    let writer = temporary.reopen().map_err(failed)?;
    let mut writer = tokio::fs::File::from_std(writer);
    let copied = pass(files, &file.remote, &mut writer).await?;
    let permissions = fs::Permissions::from_mode(file.mode);
    temporary
        .as_file()
        .set_permissions(permissions)
        .map_err(failed)?;
    temporary
        .persist(&file.local)
        .map_err(|error| failed(error.error))?;
    Ok(copied)
}

async fn standard_output(
    files: &RemoteFiles<'_>,
    source: &str,
    about: &FileView,
) -> Result<Copied, Failure> {
    if about.kind == FileKind::Directory {
        let message = format!("{source} is a directory, which standard output cannot take");
        return Err(Failure::usage(message));
    }
    let copied = pass(files, source, &mut tokio::io::stdout()).await?;
    Ok(Copied {
        files: vec![copied],
        skipped: Vec::new(),
    })
}

/// Passes the content of a file on.
async fn pass(
    files: &RemoteFiles<'_>,
    remote: &str,
    writer: &mut (impl AsyncWrite + Unpin),
) -> Result<CopiedFile, Failure> {
    let mut response = files.read(remote).await?;
    let (mut digest, mut size) = (Context::new(&SHA256), 0);
    let broken = |_| {
        let message = format!("{remote} broke off before its end");
        Failure::new(ExitStatus::Unreachable, "broken_off", message)
    };
    let unwritten = |error: std::io::Error| Failure::local(format!("{remote}: {error}"));
    while let Some(piece) = response.chunk().await.map_err(broken)? {
        digest.update(&piece);
        size += piece.len() as u64;
        writer.write_all(&piece).await.map_err(unwritten)?;
    }
    writer.flush().await.map_err(unwritten)?;
    Ok(CopiedFile {
        remote: remote.to_owned(),
        size,
        sha256: hex(digest.finish().as_ref()),
    })
}

//! The disk usage of a container's files.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, statat, statvfs};
use rustix::io::Errno;

use crate::processes;

/// Folders in folders that are looked into; more are taken for too many files.
const DEPTH: usize = 100;

/// How folders are opened.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Bytes of a block in `st_blocks`.
const BLOCK: u64 = 512;

/// Bytes on disk, and names.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContainerUsage {
    pub(super) bytes: u64,
    pub(super) files: u64,
}

/// Adds up until there are more than so many files.
struct FileCount {
    usage: ContainerUsage,
    most_files: u64,
    /// Files with several names that have been counted.
    linked: HashSet<(u64, u64)>,
}

/// What is below a folder, and what the processes have open but removed. Where there are more than
/// `most_files`, counting stops.
pub(super) fn measure(
    root: &Path,
    processes: &[u32],
    most_files: u64,
) -> io::Result<ContainerUsage> {
    let mut count = FileCount {
        usage: ContainerUsage::default(),
        most_files,
        linked: HashSet::new(),
    };
    count.folder(openat(CWD, root, READ, Mode::empty())?, 0)?;
    for id in processes {
        for file in processes::open_files(*id) {
            if count.full() {
                return Ok(count.usage);
            }
            count.open_file(&file);
        }
    }
    Ok(count.usage)
}

impl FileCount {
    fn full(&self) -> bool {
        self.usage.files > self.most_files
    }

    /// By open folders, so that no link that appears meanwhile leads elsewhere.
    fn folder(&mut self, folder: OwnedFd, depth: usize) -> io::Result<()> {
        if depth > DEPTH {
            self.usage.files = self.most_files + 1;
        }
        for entry in Dir::read_from(&folder)? {
            if self.full() {
                return Ok(());
            }
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            // A file that was removed meanwhile counts nothing.
            let Ok(about) = statat(folder.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            self.usage.files += 1;
            let once = about.st_nlink < 2 || FileType::from_raw_mode(about.st_mode).is_dir();
            if once || self.linked.insert((about.st_dev, about.st_ino)) {
                self.usage.bytes += u64::try_from(about.st_blocks).unwrap_or_default() * BLOCK;
            }
            if FileType::from_raw_mode(about.st_mode).is_dir()
                && let Some(inner) = open_folder(&folder, name)
            {
                self.folder(inner, depth + 1)?;
            }
        }
        Ok(())
    }

    fn open_file(&mut self, path: &Path) {
        self.usage.files += 1;
        if let Ok(about) = fs::metadata(path)
            && about.is_file()
            && about.nlink() == 0
            && self.linked.insert((about.dev(), about.ino()))
        {
            self.usage.bytes += about.blocks() * BLOCK;
        }
    }
}

/// Opens a folder to be read, also one that its owner has closed, as root in a real container is
/// stopped by no permission either; `None` if it is no folder any more.
fn open_folder(parent: &OwnedFd, name: &OsStr) -> Option<OwnedFd> {
    match openat(parent.as_fd(), name, READ, Mode::empty()) {
        Ok(folder) => return Some(folder),
        Err(error) if error != Errno::ACCESS => return None,
        Err(_) => {}
    }
    let path = READ.difference(OFlags::RDONLY).union(OFlags::PATH);
    let closed = openat(parent.as_fd(), name, path, Mode::empty()).ok()?;
    // The link leads to what is open, whatever has its name by now.
    let link = format!("/proc/self/fd/{}", closed.as_raw_fd());
    fs::set_permissions(link, Permissions::from_mode(0o700)).ok()?;
    openat(closed.as_fd(), ".", READ, Mode::empty()).ok()
}

/// Bytes that are free on the file system of a folder, and its size.
pub(super) fn free(folder: &Path) -> io::Result<(u64, u64)> {
    let about = statvfs(folder)?;
    Ok((
        about.f_bavail * about.f_frsize,
        about.f_blocks * about.f_frsize,
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder with a file of 64 KiB.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), [1; 64 << 10]).unwrap();
        folder
    }

    #[test]
    fn a_file_counts_once_under_all_its_names_and_no_link_is_followed() {
        let (own, other) = (folder(), folder());
        let before = measure(own.path(), &[], 1000).unwrap();
        assert!(before.bytes >= 64 << 10 && before.files == 1, "{before:?}");
        fs::hard_link(own.path().join("file"), own.path().join("again")).unwrap();
        symlink(other.path(), own.path().join("folder")).unwrap();
        symlink(other.path().join("file"), own.path().join("link")).unwrap();
        let after = measure(own.path(), &[], 1000).unwrap();
        assert_eq!((after.bytes, after.files), (before.bytes, 4));
    }

    #[test]
    fn what_is_hidden_from_an_ordinary_look_counts() {
        let own = folder();
        let before = measure(own.path(), &[], 1000).unwrap();
        let closed = own.path().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::write(closed.join("file"), [1; 64 << 10]).unwrap();
        fs::set_permissions(&closed, Permissions::from_mode(0o000)).unwrap();
        let after = measure(own.path(), &[], 1000).unwrap();
        assert!(after.bytes >= before.bytes + (64 << 10), "{after:?}");

        let path = own.path().join("file");
        let open = fs::File::open(&path).unwrap();
        fs::remove_file(path).unwrap();
        let without = measure(own.path(), &[], 1000).unwrap();
        let with = measure(own.path(), &[std::process::id()], 1000).unwrap();
        assert!(
            with.bytes >= without.bytes + (64 << 10),
            "{without:?} {with:?}"
        );
        drop(open);
    }

    #[test]
    fn counting_ends_at_too_many_files_and_at_too_deep_folders() {
        let own = tempfile::tempdir().unwrap();
        for name in 0..50 {
            fs::write(own.path().join(name.to_string()), "").unwrap();
        }
        assert_eq!(measure(own.path(), &[], 50).unwrap().files, 50);
        assert_eq!(measure(own.path(), &[], 20).unwrap().files, 21);
        let deep: std::path::PathBuf = vec!["deep"; DEPTH + 2].into_iter().collect();
        fs::create_dir_all(own.path().join(deep)).unwrap();
        assert!(measure(own.path(), &[], 1000).unwrap().files > 1000);
    }
}

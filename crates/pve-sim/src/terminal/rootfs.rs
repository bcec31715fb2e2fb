//! The root folders of confined shells: one per container, kept until the container is destroyed. They hold what is the
//! container's own; programs come read-only from the host.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

use super::confine::{NOBODY, is_root};
use crate::encoding;

const FOLDERS: &[&str] = &[
    "dev", "etc", "home", "mnt", "opt", "proc", "root", "run", "srv", "sys", "tmp", "usr", "var",
    "var/log", "var/tmp",
];

/// Where the folders are.
pub(super) struct RootFolders {
    given: Option<PathBuf>,
    /// Set when shells cannot reach the given place.
    elsewhere: AtomicBool,
    /// Made when it is first needed, if no place was given.
    temporary: Mutex<Option<TempDir>>,
}

impl RootFolders {
    pub(super) fn new(given: Option<PathBuf>) -> Self {
        Self {
            given,
            elsewhere: AtomicBool::new(false),
            temporary: Mutex::default(),
        }
    }

    /// A root folder with everything that a shell expects. What is there already stays.
    pub(super) fn prepare(&self, name: &str, hostname: &str) -> io::Result<PathBuf> {
        let root = self.base()?.join(name);
        for folder in FOLDERS {
            fs::create_dir_all(root.join(folder))?;
        }
        for link in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
            // The host's own layout: a link where it has one, else a place to mount its folder on.
            let place = root.join(link);
            if place.symlink_metadata().is_ok() {
                continue;
            }
            match fs::read_link(Path::new("/").join(link)) {
                Ok(target) => symlink(target, &place)?,
                Err(_) if Path::new("/").join(link).is_dir() => fs::create_dir_all(&place)?,
                Err(_) => {}
            }
        }
        for (path, text) in files(hostname) {
            let path = root.join(path);
            if !path.exists() {
                fs::write(path, text)?;
            }
        }
        if is_root() {
            give_away(&root)?;
        }
        Ok(root)
    }

    /// An empty folder.
    pub(super) fn bare(&self, name: &str) -> io::Result<PathBuf> {
        let root = self.base()?.join(name);
        fs::create_dir_all(&root)?;
        Ok(root)
    }

    /// Removes a root folder. It is out of the way at once, even if something in it is still busy.
    pub(super) fn remove(&self, name: &str) {
        let Ok(base) = self.base() else {
            return;
        };
        let trash = base.join(format!(
            "{name}.{}",
            encoding::hex(&encoding::random::<4>())
        ));
        if fs::rename(base.join(name), &trash).is_err() {
            // There is none.
            return;
        }
        if let Err(error) = fs::remove_dir_all(&trash) {
            tracing::warn!(%error, name, "cannot remove all of a root folder");
        }
    }

    /// Gives up a place that shells cannot reach; false if there was none to give up.
    pub(super) fn go_elsewhere(&self) -> bool {
        self.given.is_some() && !self.elsewhere.swap(true, Ordering::Relaxed)
    }

    fn base(&self) -> io::Result<PathBuf> {
        let elsewhere = self.elsewhere.load(Ordering::Relaxed);
        if let Some(given) = self.given.as_ref().filter(|_| !elsewhere) {
            fs::create_dir_all(given)?;
            return given.canonicalize();
        }
        let mut temporary = self
            .temporary
            .lock()
            .expect("no code panics while it holds the folder");
        if temporary.is_none() {
            let folder = tempfile::Builder::new().prefix("pve-sim-").tempdir()?;
            // The ordinary user that a shell becomes has to find its way through.
            fs::set_permissions(folder.path(), Permissions::from_mode(0o711))?;
            *temporary = Some(folder);
        }
        let folder = temporary.as_ref().map(TempDir::path).map(Path::to_path_buf);
        folder.ok_or_else(|| io::Error::other("no temporary folder"))
    }
}

fn files(hostname: &str) -> [(&'static str, String); 7] {
    [
        ("etc/hostname", format!("{hostname}\n")),
        ("etc/hosts", format!("127.0.0.1 localhost\n127.0.1.1 {hostname}\n")),
        ("etc/passwd", "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n".into()),
        ("etc/group", "root:x:0:\nnogroup:x:65534:\n".into()),
        (
            "etc/os-release",
            "PRETTY_NAME=\"Debian GNU/Linux 12 (simulated)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nID=debian\n".into(),
        ),
        ("etc/bash.bashrc", "PS1='\\u@\\h:\\w# '\n".into()),
        ("root/.profile", "PS1='\\u@\\h:\\w# '\n".into()),
    ]
}

fn give_away(path: &Path) -> io::Result<()> {
    let found = path.symlink_metadata()?;
    if found.is_symlink() {
        return Ok(());
    }
    chown(path, Some(NOBODY), Some(NOBODY))?;
    if found.is_dir() {
        for entry in fs::read_dir(path)? {
            give_away(&entry?.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_folder_keeps_what_was_written_until_it_is_removed() {
        let place = tempfile::tempdir().unwrap();
        let roots = RootFolders::new(Some(place.path().join("roots")));
        let root = roots.prepare("100", "web").unwrap();
        fs::write(root.join("root/note"), "hi").unwrap();
        let again = roots.prepare("100", "web").unwrap();
        assert_eq!(root, again);
        assert_eq!(fs::read_to_string(root.join("root/note")).unwrap(), "hi");
        assert_eq!(
            fs::read_to_string(root.join("etc/hostname")).unwrap(),
            "web\n"
        );
        roots.remove("100");
        assert!(!root.exists());
    }
}

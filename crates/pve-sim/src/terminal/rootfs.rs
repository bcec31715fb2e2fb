//! The root folders of confined shells: one per container, kept until the container is destroyed.
//! They hold the container's own files; programs come read-only from the host.
//!
//! A root folder belongs to its tenant, who may put a link in the place of anything in it. So it is
//! filled once, in a fresh folder that no tenant has seen, and moved to its place. From then on
//! nothing here opens, writes or changes the owner of a path below it: mount points are checked
//! without following links, and removal never leaves the folder.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, lchown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

use super::guest;
use super::host_shell;
use super::host_user::{NOBODY, is_root};
use crate::encoding;
use crate::first_files::FirstFiles;

/// The root folders of all containers.
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

    /// A root folder with everything that a shell expects, made if there is none.
    ///
    /// # Errors
    /// It cannot be made, or its tenant has replaced one of the `mount_points`, which are names
    /// directly below it.
    pub(super) fn prepare(
        &self,
        name: &str,
        hostname: &str,
        mount_points: &[String],
    ) -> io::Result<PathBuf> {
        self.prepare_with(name, hostname, mount_points, &FirstFiles::default())
    }

    /// The same with the files that the container's create put there.
    pub(super) fn prepare_with(
        &self,
        name: &str,
        hostname: &str,
        mount_points: &[String],
        first_files: &FirstFiles,
    ) -> io::Result<PathBuf> {
        let root = self.make(name, |fresh| {
            guest::build(fresh, hostname)?;
            first_files.lay(&fresh.join("etc/ssh"), &fresh.join("root"))
        })?;
        for point in mount_points {
            if !is_folder(&root.join(point))? {
                return Err(io::Error::other(format!(
                    "/{point} of the container is no folder any more"
                )));
            }
        }
        Ok(root)
    }

    /// The home of an unconfined shell, made if there is none.
    pub(super) fn plain_with(&self, name: &str, first_files: &FirstFiles) -> io::Result<PathBuf> {
        self.make(name, |fresh| {
            host_shell::fill_home(fresh)?;
            first_files.lay(&fresh.join("etc/ssh"), fresh)
        })
    }

    /// The folder that they are in.
    pub(super) fn folder(&self) -> io::Result<PathBuf> {
        self.base()
    }

    /// The folder of this name; if there is none, it appears at once with all that `fill` puts into
    /// it.
    fn make(&self, name: &str, fill: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<PathBuf> {
        let base = self.base()?;
        let root = base.join(name);
        match is_folder(&root) {
            Ok(true) => return Ok(root),
            Ok(false) => return Err(io::Error::other("a root folder's place is taken")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let fresh = tempfile::Builder::new()
            .prefix(&format!("{name}."))
            .tempdir_in(&base)?;
        fs::set_permissions(fresh.path(), Permissions::from_mode(0o755))?;
        fill(fresh.path())?;
        if is_root() {
            give_away(fresh.path())?;
        }
        fs::rename(fresh.path(), &root)?;
        // It has its name now, so there is nothing left to be removed under the old one.
        let _ = fresh.keep();
        Ok(root)
    }

    /// Removes a root folder. Its name is free at once, even if files in it are still in use.
    pub(super) fn remove(&self, name: &str) {
        if let Some(folder) = self.set_aside(name) {
            Self::discard(&folder);
        }
    }

    /// Takes a root folder's name away, if there is one, so that the next of that name is new.
    pub(super) fn set_aside(&self, name: &str) -> Option<PathBuf> {
        let base = self.base().ok()?;
        let aside = base.join(format!(
            "{name}.{}",
            encoding::hex(&encoding::random::<4>())
        ));
        // Where this fails, there is none.
        fs::rename(base.join(name), &aside).ok()?;
        Some(aside)
    }

    /// Removes a folder that was set aside. Links in it are removed, not followed, also those that
    /// appear meanwhile: `remove_dir_all` and `rm` walk by open folders.
    pub(super) fn discard(folder: &Path) {
        if fs::remove_dir_all(folder).is_ok() {
            return;
        }
        // A tenant may close folders to their owner, or nest them deeper than files can be open.
        for [program, option] in [["chmod", "-Rf"], ["rm", "-rf"]] {
            let mut command = Command::new(program);
            command
                .arg(option)
                .args((program == "chmod").then_some("u+rwX"));
            let ended = command.arg("--").arg(folder).stdin(Stdio::null()).status();
            if let Err(error) = ended {
                tracing::warn!(%error, program, "a program that removes files cannot be started");
            }
        }
        if folder.symlink_metadata().is_ok() {
            tracing::warn!(folder = %folder.display(), "a root folder cannot be removed completely");
        }
    }

    /// Copies a root folder that no process of a tenant is at work in. Links are copied as links.
    ///
    /// # Errors
    /// There is none of that name, or `cp` cannot copy it.
    pub(super) fn copy(&self, from: &str, to: &str) -> io::Result<()> {
        let base = self.base()?;
        let source = base.join(from);
        if !is_folder(&source)? {
            return Err(io::Error::other("no folder"));
        }
        self.remove(to);
        let fresh = tempfile::Builder::new()
            .prefix(&format!("{to}."))
            .tempdir_in(&base)?;
        let status = Command::new("cp")
            .args(["--archive", "--no-target-directory"])
            .args([&source, fresh.path()])
            .stdin(Stdio::null())
            .status()?;
        if !status.success() {
            return Err(io::Error::other("cp fails"));
        }
        fs::rename(fresh.path(), base.join(to))?;
        let _ = fresh.keep();
        Ok(())
    }

    /// Gives a root folder another name, if there is one.
    pub(super) fn rename(&self, from: &str, to: &str) {
        self.remove(to);
        if let Ok(base) = self.base() {
            // Where there is none, there is nothing to be renamed.
            let _ = fs::rename(base.join(from), base.join(to));
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

/// Whether a path is a folder itself, and no link to one.
fn is_folder(path: &Path) -> io::Result<bool> {
    Ok(path.symlink_metadata()?.is_dir())
}

/// Gives a folder that no other process has opened yet to the account that shells run as.
fn give_away(path: &Path) -> io::Result<()> {
    lchown(path, Some(NOBODY), Some(NOBODY))?;
    if is_folder(path)? {
        for entry in fs::read_dir(path)? {
            give_away(&entry?.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;

    /// Root folders beside a folder of the host, and that folder.
    fn beside_a_host() -> (tempfile::TempDir, RootFolders, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let roots = RootFolders::new(Some(place.path().join("roots")));
        let host = place.path().join("host");
        fs::create_dir_all(host.join("log")).unwrap();
        fs::write(host.join("secret"), "of the host").unwrap();
        (place, roots, host)
    }

    /// Every path below a folder with its owner and text.
    fn listing(folder: &Path) -> Vec<(PathBuf, u32, Vec<u8>)> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let about = path.symlink_metadata().unwrap();
            let text = match about.is_file() {
                true => fs::read(&path).unwrap(),
                false => Vec::new(),
            };
            found.push((path.clone(), about.uid(), text));
            if about.is_dir() {
                found.extend(listing(&path));
            }
        }
        found.sort();
        found
    }

    /// Replaces a path by a link, as a tenant may.
    fn replace_by_link(root: &Path, name: &str, target: &Path) {
        let place = root.join(name);
        match place.symlink_metadata() {
            Ok(about) if about.is_dir() => fs::remove_dir_all(&place).unwrap(),
            Ok(_) => fs::remove_file(&place).unwrap(),
            Err(_) => {}
        }
        symlink(target, place).unwrap();
    }

    #[test]
    fn a_root_folder_keeps_what_was_written_until_it_is_removed() {
        let place = tempfile::tempdir().unwrap();
        let roots = RootFolders::new(Some(place.path().join("roots")));
        let root = roots.prepare("100", "web", &["usr".into()]).unwrap();
        fs::write(root.join("root/note"), "hi").unwrap();
        fs::remove_file(root.join("etc/hosts")).unwrap();
        let again = roots.prepare("100", "web", &["usr".into()]).unwrap();
        assert_eq!(root, again);
        assert_eq!(fs::read_to_string(root.join("root/note")).unwrap(), "hi");
        assert_eq!(
            fs::read_to_string(root.join("etc/hostname")).unwrap(),
            "web\n"
        );
        assert!(!root.join("etc/hosts").exists(), "it is filled once");
        roots.remove("100");
        let left: Vec<_> = fs::read_dir(place.path().join("roots")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }

    #[test]
    fn links_of_the_tenant_lead_nothing_onto_the_host() {
        let names = [
            "etc",
            "etc/hostname",
            "etc/passwd",
            "dev",
            "home",
            "root",
            "root/.profile",
            "tmp",
            "usr",
            "var",
            "var/log",
            ".host",
        ];
        for name in names {
            let (_place, roots, host) = beside_a_host();
            let up = PathBuf::from("../".repeat(1 + name.matches('/').count()));
            let targets = [
                host.clone(),
                host.join("secret"),
                host.join("new"),
                host.join("log/new"),
                up.join("../host"),
                up.join("../host/new"),
            ];
            let before = listing(&host);
            for target in targets {
                let root = roots.prepare("100", "web", &[]).unwrap();
                replace_by_link(&root, name, &target);
                let again = roots.prepare("100", "web", &[]);
                assert!(again.is_ok(), "{name}: {again:?}");
                assert_eq!(listing(&host), before, "{name} -> {}", target.display());
                roots.remove("100");
                assert!(!root.exists());
                assert_eq!(listing(&host), before, "{name} -> {}", target.display());
            }
        }
    }

    #[test]
    fn a_root_folder_without_its_mount_points_is_not_used() {
        let (_place, roots, host) = beside_a_host();
        let points = ["usr".to_owned(), "proc".to_owned()];
        for target in [host.as_path(), Path::new("../../host"), Path::new("/")] {
            let root = roots.prepare("100", "web", &points).unwrap();
            replace_by_link(&root, "proc", target);
            let refused = roots.prepare("100", "web", &points).unwrap_err();
            assert_eq!(
                refused.to_string(),
                "/proc of the container is no folder any more"
            );
            roots.remove("100");
        }
    }

    #[test]
    #[cfg_attr(not(has_root), ignore = "needs root")]
    fn a_folder_that_the_simulator_made_as_root_belongs_to_an_ordinary_user() {
        let (_place, roots, _host) = beside_a_host();
        for root in [
            roots.prepare("100", "web", &[]).unwrap(),
            roots.plain_with("101", &FirstFiles::default()).unwrap(),
        ] {
            assert_eq!(root.metadata().unwrap().uid(), NOBODY);
            for (path, owner, _) in listing(&root) {
                assert_eq!(owner, NOBODY, "{}", path.display());
            }
        }
    }
}

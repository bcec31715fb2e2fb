//! Files: lists and small changes.

use std::convert::Infallible;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::symlink;

use bytes::Bytes;
use futures_util::stream;
use guest::{FileKind, GuestError, WriteOptions};

use crate::folder::{names, pieces, read, start, text};

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn ten_thousand_entries_are_listed_or_cut_and_said_to_be() {
    let (_sshd, guest, folder) = start();
    for n in 0..10_000 {
        fs::write(folder.join(format!("{n:05}")), "").unwrap();
    }
    let listing = guest.list(text(&folder), 10_000).await.unwrap();
    assert!(!listing.truncated);
    assert_eq!(listing.entries.len(), 10_000);
    assert_eq!(listing.entries[4711].name, "04711");
    let listing = guest.list(text(&folder), 9_999).await.unwrap();
    assert!(listing.truncated);
    assert_eq!(listing.entries.len(), 9_999);
    guest.remove(text(&folder), true).await.unwrap();
    assert!(!folder.exists());
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn names_of_any_kind_are_listed_and_reached() {
    let (_sshd, guest, folder) = start();
    let odd = [
        "a b",
        "new\nline",
        "'\"\\$`",
        "-rf",
        "ünïcödé 🦀",
        "\u{1}\u{7f}",
    ];
    for name in odd {
        fs::write(folder.join(name), name).unwrap();
    }
    let bytes = std::ffi::OsString::from_vec(b"\xff\xfe".to_vec());
    fs::write(folder.join(bytes), "").unwrap();
    let listing = guest.list(text(&folder), 100).await.unwrap();
    assert_eq!(listing.entries.len(), odd.len() + 1);
    assert_eq!(
        listing.entries.iter().filter(|entry| entry.lossy).count(),
        1
    );
    for name in odd {
        let entry = listing
            .entries
            .iter()
            .find(|entry| entry.name == name)
            .unwrap();
        assert_eq!(entry.stat.size, name.len() as u64);
        assert_eq!(entry.stat.kind, FileKind::File);
        let path = folder.join(name);
        assert_eq!(read(&guest, &path, 0, None).await, name.as_bytes());
        let source = stream::iter([Ok::<_, Infallible>(Bytes::from("x"))]);
        guest
            .write_file(text(&path), source, WriteOptions::default())
            .await
            .unwrap();
        guest.remove(text(&path), false).await.unwrap();
        assert!(!path.exists());
    }
    // What no path reaches goes with its folder.
    guest.remove(text(&folder), true).await.unwrap();
    assert!(!folder.exists());
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn paths_that_are_none_are_refused() {
    let (_sshd, guest, folder) = start();
    for path in ["", "relative", "/a\0b", "/../etc", "/a/../../etc"] {
        let invalid = |result: Result<(), GuestError>| {
            assert!(
                matches!(result, Err(GuestError::InvalidPath(_))),
                "{path}: {result:?}"
            );
        };
        invalid(guest.stat(path).await.map(drop));
        invalid(guest.list(path, 1).await.map(drop));
        invalid(guest.read_file(path, 0, None).await.map(drop));
        invalid(guest.make_dir(path, true).await);
        invalid(guest.rename(path, "/x", true).await);
        invalid(guest.rename(text(&folder), path, true).await);
        invalid(guest.remove(path, true).await);
        let result = guest
            .write_file(path, pieces(1, 1), WriteOptions::default())
            .await;
        invalid(result.map(drop));
    }
    for path in ["/", "/etc/..", "//./"] {
        let error = guest.remove(path, true).await.unwrap_err();
        assert!(matches!(error, GuestError::InvalidPath(_)), "{path}");
    }
    let inside = format!("{}/../files/./new", text(&folder));
    guest.make_dir(&inside, false).await.unwrap();
    assert_eq!(names(&folder), ["new"]);
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn changes_say_why_they_fail() {
    let (_sshd, guest, folder) = start();
    let path = |name: &str| text(&folder).to_owned() + "/" + name;
    let (file, dir, none) = (path("file"), path("dir"), path("none"));
    fs::write(&file, "file").unwrap();
    guest.make_dir(&dir, false).await.unwrap();
    fs::write(path("dir/inner"), "inner").unwrap();
    assert_eq!(guest.stat(&none).await, Err(GuestError::NotFound));
    assert_eq!(guest.stat(&dir).await.unwrap().kind, FileKind::Directory);
    assert_eq!(guest.list(&file, 10).await, Err(GuestError::NotADirectory));
    assert_eq!(guest.list(&none, 10).await, Err(GuestError::NotFound));
    let directory = guest.read_file(&dir, 0, None).await.map(drop);
    assert_eq!(directory, Err(GuestError::IsADirectory));
    assert_eq!(guest.make_dir(&file, false).await, Err(GuestError::Exists));
    assert_eq!(guest.make_dir(&dir, false).await, Err(GuestError::Exists));
    assert_eq!(
        guest.make_dir(&path("none/x"), false).await,
        Err(GuestError::NotFound)
    );
    assert_eq!(
        guest.make_dir(&path("file/x"), true).await,
        Err(GuestError::NotADirectory)
    );
    guest.make_dir(&path("dir/a/b"), true).await.unwrap();
    guest.make_dir(&path("dir/a/b"), true).await.unwrap();
    assert_eq!(
        guest.rename(&none, &path("x"), true).await,
        Err(GuestError::NotFound)
    );
    assert_eq!(
        guest.rename(&file, &path("dir/inner"), false).await,
        Err(GuestError::Exists)
    );
    assert_eq!(
        guest.rename(&file, &dir, true).await,
        Err(GuestError::Exists)
    );
    assert_eq!(fs::read_to_string(path("dir/inner")).unwrap(), "inner");
    guest.rename(&file, &path("dir/inner"), true).await.unwrap();
    assert_eq!(fs::read_to_string(path("dir/inner")).unwrap(), "file");
    guest.rename(&dir, &path("moved"), false).await.unwrap();
    assert_eq!(
        guest.remove(&path("moved"), false).await,
        Err(GuestError::NotEmpty)
    );
    assert_eq!(guest.remove(&none, true).await, Err(GuestError::NotFound));
    symlink("moved", path("link")).unwrap();
    guest.remove(&path("link"), true).await.unwrap();
    assert_eq!(names(&folder), ["moved"]);
    guest.remove(&path("moved"), true).await.unwrap();
    assert!(names(&folder).is_empty());
    // The removal of what cannot be removed.
    let error = guest.remove("/proc/self", true).await;
    assert!(error.is_err());
}

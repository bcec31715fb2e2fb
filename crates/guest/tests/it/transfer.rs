//! Contents of files, both ways.

use std::convert::Infallible;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use guest::{GuestError, WriteOptions};
use sha2::{Digest as _, Sha256};

use crate::folder::{MIB, names, pieces, read, start, text};
use crate::sshd::{Sshd, eventually, login, run};

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn sixty_four_mebibytes_go_in_and_come_out_as_they_were() {
    let (_sshd, guest, folder) = start();
    let path = folder.join("large");
    // Pieces that fit no request.
    let (count, size) = (640, MIB / 10 + 7);
    let mut expected = Sha256::new();
    let mut source = pieces(count, size);
    while let Some(Ok(piece)) = source.next().await {
        expected.update(&piece);
    }
    let expected = expected.finalize();
    let source = pieces(count, size);
    let length = guest
        .write_file(text(&path), source, WriteOptions::default())
        .await
        .unwrap();
    assert_eq!(length, (count * size) as u64);
    assert_eq!(names(&folder), ["large"]);
    assert_eq!(Sha256::digest(fs::read(&path).unwrap()), expected);
    let reader = guest.read_file(text(&path), 0, None).await.unwrap();
    assert_eq!(reader.stat().size, length);
    let mut hash = Sha256::new();
    let mut data = std::pin::pin!(reader.into_stream());
    while let Some(piece) = data.next().await {
        hash.update(piece.unwrap());
    }
    assert_eq!(hash.finalize(), expected);
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn ranges_are_exact() {
    let (_sshd, guest, folder) = start();
    let path = folder.join("file");
    let data: Vec<u8> = (0..500_000_u32).map(|n| (n % 253) as u8).collect();
    fs::write(&path, &data).unwrap();
    for (offset, length) in [
        (0, None),
        (0, Some(0)),
        (0, Some(1)),
        (499_999, None),
        (499_999, Some(5)),
        (131_071, Some(131_074)),
        (500_000, None),
        (600_000, Some(5)),
    ] {
        let start = data.len().min(offset as usize);
        let end = length.map_or(data.len(), |length: u64| offset as usize + length as usize);
        let expected = &data[start..end.min(data.len()).max(start)];
        assert_eq!(
            read(&guest, &path, offset, length).await,
            expected,
            "{offset} {length:?}"
        );
    }
    fs::write(&path, "").unwrap();
    assert_eq!(read(&guest, &path, 0, None).await, b"");
    // Files of the kernel tell no length.
    let version = fs::read("/proc/version").unwrap();
    assert_eq!(
        read(&guest, Path::new("/proc/version"), 0, None).await,
        version
    );
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn an_upload_replaces_the_file_in_one_step_and_keeps_its_mode() {
    let (_sshd, guest, folder) = start();
    let path = folder.join("file");
    let put = async |path: &Path, mode, data: &'static str| {
        let source = stream::iter([Ok::<_, Infallible>(Bytes::from(data))]);
        let options = WriteOptions {
            mode,
            ..WriteOptions::default()
        };
        guest.write_file(text(path), source, options).await
    };
    put(&path, None, "new").await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&path), 0o644);
    put(&path, Some(0o750), "newer").await.unwrap();
    assert_eq!(mode(&path), 0o750);
    let inode = fs::metadata(&path).unwrap().ino();
    put(&path, None, "newest").await.unwrap();
    assert_eq!(mode(&path), 0o750);
    assert_ne!(fs::metadata(&path).unwrap().ino(), inode);
    // A link stays one, and its target gets the data.
    let link = folder.join("link");
    symlink(&path, &link).unwrap();
    put(&link, None, "by the link").await.unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&path).unwrap(), "by the link");
    assert_eq!(names(&folder), ["file", "link"]);
    assert_eq!(put(&folder, None, "x").await, Err(GuestError::IsADirectory));
    let below = path.join("below");
    assert_eq!(put(&below, None, "x").await, Err(GuestError::NotADirectory));
    let missing = folder.join("a/b/c");
    assert_eq!(put(&missing, None, "x").await, Err(GuestError::NotFound));
    let source = stream::iter([Ok::<_, Infallible>(Bytes::from("x"))]);
    let options = WriteOptions {
        parents: true,
        ..WriteOptions::default()
    };
    guest
        .write_file(text(&missing), source, options)
        .await
        .unwrap();
    assert_eq!(fs::read_to_string(&missing).unwrap(), "x");
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn an_upload_that_breaks_off_leaves_what_was_there() {
    let (_sshd, guest, folder) = start();
    let path = folder.join("file");
    fs::write(&path, "old").unwrap();
    // The source fails.
    let source = pieces(40, MIB / 8).map(|piece| Ok(piece.unwrap()));
    let source = source.chain(stream::iter([Err(())]));
    let result = guest
        .write_file(text(&path), source, WriteOptions::default())
        .await;
    assert_eq!(result, Err(GuestError::Upload));
    // It is too long.
    let options = WriteOptions {
        max_bytes: MIB as u64,
        ..WriteOptions::default()
    };
    let result = guest
        .write_file(text(&path), pieces(40, MIB / 8), options)
        .await;
    assert_eq!(result, Err(GuestError::TooLarge));
    // The client hangs up in the middle.
    let endless = pieces(40, MIB / 8).chain(stream::pending());
    let uploading = tokio::spawn({
        let (guest, path) = (guest.clone(), text(&path).to_owned());
        async move {
            guest
                .write_file(&path, endless, WriteOptions::default())
                .await
        }
    });
    let half = || {
        names(&folder).iter().any(|name| {
            let length = fs::metadata(folder.join(name)).map_or(0, |data| data.len());
            name.starts_with("file.i402-") && length > MIB as u64
        })
    };
    eventually("a part is written", half).await;
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    uploading.abort();
    eventually("nothing else is left", || names(&folder) == ["file"]).await;
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn a_lost_connection_leaves_no_half_file_under_the_name() {
    let (sshd, _, folder) = start();
    let connections = crate::sshd::connections();
    let guest = connections.guest(sshd.target());
    let path = folder.join("file");
    let endless = pieces(40, MIB / 8).chain(stream::pending());
    let uploading = tokio::spawn({
        let (guest, path) = (guest.clone(), text(&path).to_owned());
        async move {
            guest
                .write_file(&path, endless, WriteOptions::default())
                .await
        }
    });
    eventually("it began", || !names(&folder).is_empty()).await;
    connections.forget(&sshd.lease);
    // Only the source would end it, and that is the caller's to watch.
    uploading.abort();
    eventually("nothing is left", || names(&folder).is_empty()).await;
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[cfg_attr(
    all(has_sshd, not(has_mount)),
    ignore = "needs the right to mount a file system"
)]
#[tokio::test]
async fn a_full_disk_is_told() {
    let (_sshd, guest, folder) = start();
    let mounted = Mount::small(&folder);
    let path = folder.join("file");
    let result = guest
        .write_file(text(&path), pieces(40, MIB / 8), WriteOptions::default())
        .await;
    eventually("nothing is left", || names(&folder).is_empty()).await;
    // The inodes run out as well: the folder itself is one.
    for name in ["1", "2", "3"] {
        fs::write(folder.join(name), "").unwrap();
    }
    let no_inode = guest
        .write_file(text(&path), pieces(1, 1), WriteOptions::default())
        .await;
    let no_folder = guest.make_dir(text(&folder.join("folder")), false).await;
    drop(mounted);
    assert_eq!(result, Err(GuestError::NoSpace));
    assert_eq!(no_inode, Err(GuestError::NoSpace));
    assert_eq!(no_folder, Err(GuestError::NoSpace));
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn a_file_that_shrinks_while_it_is_read_is_not_passed_off_as_whole() {
    let (_sshd, guest, folder) = start();
    let path = folder.join("file");
    fs::write(&path, vec![b'x'; 8 * MIB]).unwrap();
    let mut reader = guest.read_file(text(&path), 0, None).await.unwrap();
    reader.next().await.unwrap().unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(4 * MIB as u64).unwrap();
    let mut last = None;
    while let Some(piece) = reader.next().await {
        last = Some(piece);
    }
    assert_eq!(last, Some(Err(GuestError::Changed)));
    // One that grows ends where it ended.
    let mut reader = guest.read_file(text(&path), 0, None).await.unwrap();
    let mut length = reader.next().await.unwrap().unwrap().len();
    file.set_len(16 * MIB as u64).unwrap();
    while let Some(piece) = reader.next().await {
        length += piece.unwrap().len();
    }
    assert_eq!(length, 4 * MIB);
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn a_download_that_nobody_reads_holds_up_nothing() {
    let (_sshd, guest, folder) = start();
    let path = folder.join("file");
    fs::File::create(&path)
        .unwrap()
        .set_len(200 * MIB as u64)
        .unwrap();
    let mut reader = guest.read_file(text(&path), 0, None).await.unwrap();
    reader.next().await.unwrap().unwrap();
    for n in 0..20 {
        let script = format!("echo {n}");
        let command = run(&guest, &script);
        let outcome = tokio::time::timeout(Duration::from_secs(10), command)
            .await
            .unwrap();
        assert_eq!(outcome.stdout, format!("{n}\n").into_bytes());
    }
    reader.next().await.unwrap().unwrap();
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn a_pipe_is_not_opened() {
    let (_sshd, guest, folder) = start();
    let path = folder.join("pipe");
    let status = std::process::Command::new("mkfifo")
        .arg(&path)
        .status()
        .unwrap();
    assert!(status.success());
    let read = guest.read_file(text(&path), 0, None).await.map(drop);
    assert!(matches!(read, Err(GuestError::NotAFile)), "{read:?}");
    let write = guest
        .write_file(text(&path), pieces(1, 1), WriteOptions::default())
        .await;
    assert!(matches!(write, Err(GuestError::NotAFile)), "{write:?}");
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn a_guest_that_vanishes_during_a_transfer_is_noticed_within_seconds() {
    let sshd = Sshd::start();
    let limits = guest::Limits {
        check: Duration::from_millis(500),
        ..guest::Limits::default()
    };
    let connections = guest::GuestConnections::with_login(guest::Dialer::Direct, limits, login());
    let guest = connections.guest(sshd.target());
    let path = sshd.path().join("large");
    let large = fs::File::create(&path).unwrap();
    large.set_len(200 * MIB as u64).unwrap();
    let mut reader = guest.read_file(text(&path), 0, None).await.unwrap();
    reader.next().await.unwrap().unwrap();
    // The client of the upload is slow: nothing is asked of the guest meanwhile.
    let (written, mut wait) = tokio::sync::mpsc::channel(1);
    let source = stream::once(async { Ok::<_, Infallible>(Bytes::from_static(b"begun")) });
    let slow = source.chain(stream::once(async move {
        written.send(()).await.unwrap();
        std::future::pending().await
    }));
    let target = sshd.path().join("target");
    let upload = tokio::spawn(async move {
        let options = WriteOptions::default();
        guest.write_file(text(&target), slow, options).await
    });
    wait.recv().await.unwrap();
    sshd.signal_all("-STOP");
    let rest = async {
        loop {
            match reader.next().await {
                Some(Ok(_)) => {}
                end => break end,
            }
        }
    };
    let lost = GuestError::Lost {
        may_have_run: false,
    };
    let ends = async { (rest.await, upload.await.unwrap()) };
    let ends = tokio::time::timeout(Duration::from_secs(20), ends).await;
    assert_eq!(ends.unwrap(), (Some(Err(lost.clone())), Err(lost)));
}

/// A file system of 2 MiB and 4 inodes over a folder.
struct Mount(std::path::PathBuf);

impl Mount {
    fn small(folder: &Path) -> Self {
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=2m,nr_inodes=4", "tmpfs"]);
        assert!(mount.arg(folder).status().unwrap().success());
        Self(folder.to_owned())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily, because the server may still have a file open.
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(&self.0)
            .status();
    }
}

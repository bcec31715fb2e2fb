//! A server, and a folder in it.

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use guest::Guest;

use crate::sshd::Sshd;

pub const MIB: usize = 1 << 20;

/// A server and a folder in it.
pub fn start() -> (Sshd, Guest, PathBuf) {
    let sshd = Sshd::start();
    let guest = sshd.guest();
    let folder = sshd.path().join("files");
    fs::create_dir(&folder).unwrap();
    (sshd, guest, folder)
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

pub fn pieces(
    count: usize,
    size: usize,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + Unpin {
    stream::iter((0..count).map(move |n| {
        let seed = n as u32;
        let piece: Vec<u8> = (0..size as u32)
            .map(|at| (at ^ (at >> 7) ^ seed) as u8)
            .collect();
        Ok(Bytes::from(piece))
    }))
}

pub async fn read(guest: &Guest, path: &Path, offset: u64, length: Option<u64>) -> Vec<u8> {
    let mut reader = guest.read_file(text(path), offset, length).await.unwrap();
    let mut data = Vec::new();
    while let Some(piece) = reader.next().await {
        data.extend_from_slice(&piece.unwrap());
    }
    data
}

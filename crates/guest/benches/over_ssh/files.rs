//! Large files, into a guest and out of it.

use std::convert::Infallible;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use guest::{Guest, WriteOptions};

use crate::figures::figure;
use crate::process::ProcessorTimes;
use crate::sshd::Sshd;
use crate::{BenchSize, median};

pub const INTO: &str = "file into a guest";
pub const OUT_OF: &str = "file out of a guest";
const MIB: usize = 1 << 20;

/// The files are on the disk of this machine's temporary files, and written through to it. Files of
/// the same size, written without SSH in turn with them, tell what the disk takes.
pub async fn measure(size: &BenchSize) {
    let sshd = Sshd::start();
    let guest = sshd.guest();
    guest.probe().await.unwrap();
    let piece: Vec<u8> = (0..MIB as u32)
        .map(|n| (n.wrapping_mul(0x9e37_79b9) >> 24) as u8)
        .collect();
    let piece = Bytes::from(piece);
    let mut spent = [const { Vec::new() }; 3];
    let mut worked = [Duration::ZERO; 2];
    for _ in 0..size.rounds {
        let path = sshd.path().join("large");
        spent[0].push(write_here(&path, &piece, size.file));
        std::fs::remove_file(&path).unwrap();
        for (index, spent) in spent[1..].iter_mut().enumerate() {
            let before = ProcessorTimes::of(std::process::id());
            let start = Instant::now();
            if index == 0 {
                upload(&guest, &path, &piece, size.file).await;
            } else {
                download(&guest, &path, &piece, size.file).await;
            }
            spent.push(start.elapsed());
            worked[index] += ProcessorTimes::of(std::process::id()).since(&before);
        }
        check(&path, &piece, size.file);
        std::fs::remove_file(&path).unwrap();
    }
    let bytes = (size.file * MIB) as f64 / 1e6;
    let names = ["file written here, with fsync", INTO, OUT_OF];
    for (name, spent) in names.into_iter().zip(&mut spent) {
        figure(name, bytes / median(spent), "MB/s");
    }
    for (name, worked) in [INTO, OUT_OF].into_iter().zip(worked) {
        let worked = worked.as_secs_f64();
        let name = format!("{name}, by this end's processor time");
        figure(&name, bytes * size.rounds as f64 / worked, "MB/s/core");
    }
}

async fn upload(guest: &Guest, path: &Path, piece: &Bytes, count: usize) {
    let path = path.to_str().unwrap();
    let source = pieces(piece, count);
    let written = guest.write_file(path, source, WriteOptions::default());
    assert_eq!(written.await.unwrap(), (count * MIB) as u64);
}

/// In pieces of the size that an HTTP body comes in.
fn pieces(piece: &Bytes, count: usize) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
    const PART: usize = 64 * 1024;
    let piece = piece.clone();
    stream::iter((0..count * (MIB / PART)).map(move |n| {
        let start = n % (MIB / PART) * PART;
        Ok(piece.slice(start..start + PART))
    }))
}

async fn download(guest: &Guest, path: &Path, piece: &Bytes, count: usize) {
    let mut reader = guest
        .read_file(path.to_str().unwrap(), 0, None)
        .await
        .unwrap();
    let mut length = 0;
    while let Some(data) = reader.next().await {
        let mut data = &data.unwrap()[..];
        while !data.is_empty() {
            let start = length % MIB;
            let (now, rest) = data.split_at(data.len().min(MIB - start));
            assert!(now == &piece[start..start + now.len()]);
            length += now.len();
            data = rest;
        }
    }
    assert_eq!(length, count * MIB);
}

fn write_here(path: &Path, piece: &Bytes, count: usize) -> Duration {
    let start = Instant::now();
    let mut file = File::create(path).unwrap();
    for _ in 0..count {
        file.write_all(piece).unwrap();
    }
    file.sync_all().unwrap();
    start.elapsed()
}

/// What arrived in the guest is what was sent.
fn check(path: &Path, piece: &Bytes, count: usize) {
    let mut file = File::open(path).unwrap();
    let mut read = vec![0; MIB];
    for _ in 0..count {
        file.read_exact(&mut read).unwrap();
        assert!(read == piece[..]);
    }
    assert_eq!(file.read(&mut read).unwrap(), 0);
}

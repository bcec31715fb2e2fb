//! Commands beside a console whose reader has stopped.

use bytes::Bytes;
use guest::ShellRequest;

use crate::commands::run_true;
use crate::figures::figure;
use crate::sshd::Sshd;
use crate::{BenchSize, median};

/// The median of commands beside the console over the median of those without one.
pub const RATIO: &str = "command beside a console that nobody reads, over one without";
/// The slowest of the commands beside the console.
pub const SLOWEST: &str = "command beside a console that nobody reads, slowest";

/// Commands in turn at two guests, one of which has the console, so that other work on the machine
/// falls on both.
pub async fn measure(size: &BenchSize) {
    let (stalled, other) = (Sshd::start(), Sshd::start());
    let (beside, without) = (stalled.guest(), other.guest());
    let shell = beside.open_shell(&ShellRequest::default()).await.unwrap();
    let (mut reader, writer) = shell.split();
    writer.write(Bytes::from("yes 0123456789\n")).await.unwrap();
    let written = stalled.until_blocked("yes").await;
    for guest in [&beside, &without] {
        guest.probe().await.unwrap();
    }
    let (mut spent, mut spent_without) = (Vec::new(), Vec::new());
    for _ in 0..size.commands {
        spent.push(run_true(&beside).await);
        spent_without.push(run_true(&without).await);
    }
    // It was stopped all the time, and goes on with its reader.
    assert_eq!(stalled.written_by("yes"), Some(written));
    assert!(reader.read().await.is_some());
    figure(RATIO, median(&mut spent) / median(&mut spent_without), "x");
    for (name, spent) in [
        (SLOWEST, &spent),
        ("command without such a console, slowest", &spent_without),
    ] {
        let slowest = spent.last().copied().unwrap_or_default();
        figure(name, slowest.as_secs_f64() * 1000.0, "ms");
    }
}

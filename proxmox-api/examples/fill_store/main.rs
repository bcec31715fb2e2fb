//! Makes a store as large as an installation's after years, for measurements: `cargo run --release
//! --example fill_store -- FILE c`, or with other numbers, `FILE --payments 100000 --leases 10000
//! --events 100000`. `proxmox-api store copy` fills a PostgreSQL from the file.

mod fill;

use std::{path::PathBuf, process::ExitCode, time::Instant};

use fill::{StoreSize, fill};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some((path, extent)) = read(&mut arguments) else {
        eprintln!(
            "usage: fill_store FILE (a | b | c | [--payments N] [--leases N] [--live N] \
             [--events N])\n\
             a: empty; b: 100,000 payments; c: 1,000,000 payments; FILE is not there yet"
        );
        return ExitCode::FAILURE;
    };
    let began = Instant::now();
    match fill(&path, &extent) {
        Ok(()) => {
            let bytes = std::fs::metadata(&path).map_or(0, |file| file.len());
            println!(
                "{extent:?}: {} MiB in {} s",
                bytes >> 20,
                began.elapsed().as_secs()
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn read(arguments: &mut impl Iterator<Item = String>) -> Option<(PathBuf, StoreSize)> {
    let path = arguments.next().filter(|path| !path.starts_with('-'))?;
    let mut extent = StoreSize::default();
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next()?.parse().ok();
        match argument.as_str() {
            "a" => extent = StoreSize::default(),
            "b" => extent = StoreSize::with_payments(100_000),
            "c" => extent = StoreSize::with_payments(1_000_000),
            "--payments" => extent.payments = number()?,
            "--leases" => extent.leases = number()?,
            "--live" => extent.live = number()?,
            "--events" => extent.events = number()?,
            _ => return None,
        }
    }
    Some((path.into(), extent))
}

//! How much a visitor has to load: what is aimed at, and the budget that no release may pass.

use std::fs;

use anyhow::{Context, Result, bail};

use super::assets::{Asset, Assets, files_below};
use crate::workspace::Profile;

/// What the first visit should load at most, in bytes after brotli; the terminal comes on demand and is counted apart.
const AIM: usize = 250 * 1024;
/// What it may load. While this is above the aim it only ever goes down, to just above what is there.
const BUDGET: usize = 520 * 1024;

/// Prints the sizes.
///
/// # Errors
/// A release is over its budget.
pub fn report(assets: &Assets, profile: Profile) -> Result<()> {
    if profile == Profile::Dev {
        println!("a development build: not compressed, sizes not checked");
        return Ok(());
    }
    println!("{:>9} {:>9} {:>9}  file", "bytes", "gzip", "brotli");
    let show = |size: Option<usize>| size.map_or_else(|| "-".to_owned(), |size| size.to_string());
    for asset in assets.written() {
        let (gzip, brotli) = (show(asset.gzip), show(asset.brotli));
        println!(
            "{:>9} {gzip:>9} {brotli:>9}  {}",
            asset.plain, asset.address
        );
    }
    let first: usize = assets
        .written()
        .iter()
        .filter(|a| is_first(&a.address))
        .map(sent)
        .sum();
    let later: usize = assets
        .written()
        .iter()
        .filter(|a| !is_first(&a.address))
        .map(sent)
        .sum();
    println!("first visit: {first} bytes with brotli, of {BUDGET}; terminal, on demand: {later}");
    if first > AIM {
        println!("that is {} bytes over the aim of {AIM}", first - AIM);
    }
    check(first)
}

fn check(first: usize) -> Result<()> {
    if first > BUDGET {
        bail!("the bundle is {} bytes over its budget", first - BUDGET);
    }
    Ok(())
}

fn sent(asset: &Asset) -> usize {
    asset.brotli.unwrap_or(asset.plain)
}

fn is_first(address: &str) -> bool {
    !address.contains("/terminal") && !address.contains("/xterm")
}

/// What the first visit to the bundle that is there loads, in bytes after brotli; `None` where there is no release bundle.
///
/// # Errors
/// A file cannot be read.
pub fn first_visit() -> Result<Option<u64>> {
    let folder = super::dist();
    if !folder.join("index.html.br").exists() {
        return Ok(None);
    }
    let mut bytes = 0;
    for file in files_below(&folder)? {
        let below = file
            .strip_prefix(&folder)
            .expect("the files were found below it");
        let address = format!("/{}", below.display());
        let copy = address.ends_with(".br") || address.ends_with(".gz");
        if copy || address.starts_with("/.") || !is_first(&address) {
            continue;
        }
        let compressed = folder.join(format!("{}.br", below.display()));
        let sent = if compressed.exists() {
            compressed
        } else {
            file
        };
        let size =
            fs::metadata(&sent).with_context(|| format!("cannot read {}", sent.display()))?;
        bytes += size.len();
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_may_be_used_up_and_not_passed() {
        assert!(check(BUDGET).is_ok());
        assert!(check(BUDGET + 1).is_err());
    }
}

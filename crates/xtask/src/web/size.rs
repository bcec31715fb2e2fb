//! The bytes that a visitor loads, and the budget of a release.

use std::fs;

use anyhow::{Context, Result, bail};

use super::assets::{Asset, Assets, files_below};
use crate::workspace::Profile;

/// Bytes after brotli that a first visit may load. 250 KiB are promised; this is just above the
/// present size and is only ever lowered. Lazy chunks are counted apart.
const BUDGET: usize = 220 * 1024;

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
        println!("{:>9} {gzip:>9} {brotli:>9}  {}", asset.plain, asset.name);
    }
    let sum = |when: LoadTime| -> usize {
        let all = assets.written().iter();
        all.filter(|a| load_time(&a.name) == when).map(sent).sum()
    };
    let first = sum(LoadTime::FirstVisit);
    let (rest, terminal) = (sum(LoadTime::Later), sum(LoadTime::Terminal));
    println!("first visit: {first} bytes with brotli, of {BUDGET}");
    println!(
        "parts of the application, later: {rest}; xterm.js, with the first console: {terminal}; all: {}",
        first + rest + terminal
    );
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

/// When a file is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LoadTime {
    /// Before the page can be used.
    FirstVisit,
    /// Once the page is idle, or when it is needed.
    Later,
    /// When the first console is opened.
    Terminal,
}

fn load_time(name: &str) -> LoadTime {
    let name = name.rsplit('/').next().unwrap_or_default();
    if name.starts_with("split_") || name.starts_with("chunk_") {
        LoadTime::Later
    } else if name.starts_with("terminal-") || name.starts_with("xterm") {
        LoadTime::Terminal
    } else {
        LoadTime::FirstVisit
    }
}

/// The bytes after brotli that a first visit to the built bundle loads; `None` without a release
/// bundle.
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
        let name = below.display().to_string();
        let copy = name.ends_with(".br") || name.ends_with(".gz");
        if copy || name.starts_with('.') || load_time(&name) != LoadTime::FirstVisit {
            continue;
        }
        let compressed = folder.join(format!("{name}.br"));
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
    fn only_parts_and_the_terminal_come_later() {
        for first in ["index.html", "assets/app-0.wasm", "assets/parts-0.js"] {
            assert_eq!(load_time(first), LoadTime::FirstVisit, "{first}");
        }
        assert_eq!(load_time("assets/split_pay-0.wasm"), LoadTime::Later);
        assert_eq!(load_time("assets/chunk_3-0.wasm"), LoadTime::Later);
        assert_eq!(load_time("assets/xterm-fit-0.js"), LoadTime::Terminal);
    }

    #[test]
    fn the_budget_may_be_used_up_and_not_passed() {
        assert!(check(BUDGET).is_ok());
        assert!(check(BUDGET + 1).is_err());
    }
}

//! The console page and its files. The terminal emulator is npm's xterm.js, which becomes a part of
//! the binary when it was installed before the build; see `build.rs`.

use std::sync::LazyLock;

use service::crypto;

/// The emulator's files, as npm has them.
#[allow(dead_code, reason = "nobody makes one where it was not installed")]
struct Emulator {
    xterm_script: &'static [u8],
    xterm_style: &'static [u8],
    fit_script: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/emulator.rs"));

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const PAGE: &str = include_str!("../../page/console.html");
const MISSING: &str = include_str!("../../page/missing.html");

/// A file of the page.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    name: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// Its content.
    pub bytes: &'static [u8],
}

/// Whether this build has the page.
pub fn is_built_in() -> bool {
    EMULATOR.is_some()
}

/// The page, or the one that says why there is none.
pub fn html() -> &'static str {
    static HTML: LazyLock<String> = LazyLock::new(|| PAGE.replace("{{version}}", version()));
    if is_built_in() { &HTML } else { MISSING }
}

/// A file of the page of this version; pages of another version ask for files that are not here.
pub fn asset(of_version: &str, name: &str) -> Option<Asset> {
    if of_version != version() {
        return None;
    }
    assets().into_iter().find(|asset| asset.name == name)
}

fn assets() -> Vec<Asset> {
    let Some(emulator) = EMULATOR else {
        return Vec::new();
    };
    let asset = |name, media_type, bytes| Asset {
        name,
        media_type,
        bytes,
    };
    vec![
        asset(
            "console.js",
            SCRIPT,
            include_bytes!("../../page/console.js"),
        ),
        asset(
            "connection.js",
            SCRIPT,
            include_bytes!("../../page/connection.js"),
        ),
        asset(
            "console.css",
            STYLE,
            include_bytes!("../../page/console.css"),
        ),
        asset("xterm.mjs", SCRIPT, emulator.xterm_script),
        asset("addon-fit.mjs", SCRIPT, emulator.fit_script),
        asset("xterm.css", STYLE, emulator.xterm_style),
    ]
}

/// Changes with any file, so that files can be kept for ever.
fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let all: Vec<u8> = assets()
            .iter()
            .flat_map(|asset| asset.bytes.to_vec())
            .collect();
        crypto::sha256_hex(all)[..16].to_owned()
    });
    &VERSION
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_asks_for_files_that_are_here_or_says_that_it_is_missing() {
        let Some(_) = EMULATOR else {
            assert!(html().contains("cargo xtask setup"));
            assert!(asset(version(), "console.js").is_none());
            return;
        };
        let start = format!("console/{}/", version());
        let wanted: Vec<_> = html()
            .split(&start)
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert_eq!(wanted.len(), 3, "{wanted:?}");
        for name in wanted {
            assert!(asset(version(), name).is_some(), "{name}");
        }
        let script = include_str!("../../page/console.js");
        for line in script.lines().filter(|line| line.starts_with("import ")) {
            let name = line.rsplit("./").next().unwrap().trim_end_matches("';");
            assert!(asset(version(), name).is_some(), "{name}");
        }
        assert!(asset("0", "console.js").is_none());
    }
}

//! The reasons with which tests are ignored, in the whole workspace.

#![allow(clippy::unwrap_used, reason = "a test may fail by panic anywhere")]

use std::fs;
use std::path::Path;

use test_needs::NEEDS;

/// Folders of the workspace with Rust code of its own.
const FOLDERS: [&str; 4] = ["crates", "proxmox-api", "agent-api", "web-ui"];

/// Appends the texts of the Rust files below a folder.
fn read_rust_files(folder: &Path, texts: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "node_modules" {
            read_rust_files(&path, texts);
        } else if name.ends_with(".rs") {
            texts.push((
                path.display().to_string(),
                fs::read_to_string(&path).unwrap(),
            ));
        }
    }
}

/// Every `ignore` with a reason: the `cfg` that its condition lacks, and the reason.
fn ignores(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.match_indices("ignore = \"").map(|(at, ignore)| {
        let condition = text[..at].rsplit("not(").next().unwrap();
        let reason = &text[at + ignore.len()..];
        (
            condition.split(')').next().unwrap(),
            reason.split('"').next().unwrap(),
        )
    })
}

#[test]
fn every_ignored_test_says_what_it_needs_and_which_package_has_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = root.canonicalize().unwrap();
    let mut texts = Vec::new();
    for folder in FOLDERS {
        read_rust_files(&root.join(folder), &mut texts);
    }
    let mut found = 0;
    for (path, text) in texts
        .iter()
        .filter(|(path, _)| !path.contains("/test-needs/"))
    {
        for (cfg, reason) in ignores(text) {
            match NEEDS.iter().find(|need| need.cfg == cfg) {
                Some(need) => assert_eq!(reason, need.reason(), "{path}"),
                // What the workspace's own set-up installs.
                None => assert!(
                    reason.ends_with("cargo xtask setup"),
                    "{path}: {cfg}: {reason}"
                ),
            }
            found += 1;
        }
    }
    assert!(found > 50, "{found} are found");
}

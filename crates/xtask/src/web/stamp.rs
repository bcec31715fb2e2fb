//! A digest of the bundle's sources, stored beside the bundle, so that an unchanged one is not
//! built again.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};

use super::assets::files_below;
use crate::workspace::{self, Profile};

const FILE: &str = ".made-from";

/// The digest of the sources of a bundle.
pub struct BuildStamp(String);

impl BuildStamp {
    /// Reads all sources and computes their digest.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn compute(
        profile: Profile,
        wasm: &Path,
        sources: &Path,
        packages: Option<&Path>,
    ) -> Result<Self> {
        let mut files: Vec<PathBuf> = vec![wasm.to_owned(), sources.join("index.html")];
        for folder in ["style", "public"] {
            files.extend(files_below(&sources.join(folder))?);
        }
        for file in ["terminal.js", "package-lock.json"] {
            files.push(sources.join("terminal").join(file));
        }
        // A change of this tool changes the bundle as well.
        files.extend(files_below(
            &workspace::root().join("crates/xtask/src/web"),
        )?);
        let mut hash = Sha256::new();
        hash.update([u8::from(profile == Profile::Release)]);
        hash.update([u8::from(packages.is_some())]);
        for file in files {
            let content =
                fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            hash.update(file.to_string_lossy().as_bytes());
            hash.update(content.len().to_le_bytes());
            hash.update(content);
        }
        let digest = hash.finalize();
        Ok(Self(digest.iter().map(|b| format!("{b:02x}")).collect()))
    }

    /// Whether the bundle in a folder was built from the same sources.
    pub fn matches(&self, folder: &Path) -> bool {
        fs::read_to_string(folder.join(FILE)).is_ok_and(|stamp| stamp == self.0)
    }

    /// Writes the digest beside the bundle in a folder.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_to(&self, folder: &Path) -> Result<()> {
        fs::write(folder.join(FILE), &self.0).context("cannot note what the bundle was made of")
    }
}

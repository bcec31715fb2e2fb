//! The terminal: the published modules of xterm.js, and our glue between them and the application.
//! They are loaded when a terminal is opened.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::assets::{Assets, beside};
use crate::setup;

/// The installed packages of a folder; `None` where they are not installed and npm is missing. The
/// interface then shows that it was built without a terminal.
///
/// # Errors
/// npm is there and fails.
pub fn packages(sources: &Path, folder: &str) -> Result<Option<PathBuf>> {
    let folder = sources.join(folder);
    if !setup::is_installed(&folder) && !setup::has_npm() {
        return Ok(None);
    }
    setup::npm_install(&folder)?;
    Ok(Some(folder.join("node_modules")))
}

/// Adds the modules and gives the name of the glue.
///
/// # Errors
/// A file is not where the packages had it, or cannot be written.
pub fn add(assets: &mut Assets, sources: &Path, packages: &Path) -> Result<String> {
    let xterm = module(&packages.join("@xterm/xterm/lib/xterm.mjs"))?;
    let fit = module(&packages.join("@xterm/addon-fit/lib/addon-fit.mjs"))?;
    let style = read(&packages.join("@xterm/xterm/css/xterm.css"))?;
    let glue = read(&sources.join("terminal/terminal.js"))?;
    let mut add = |name: &str, content: &str| -> Result<String> {
        Ok(beside(&assets.add_text(name, content)?))
    };
    let glue = glue
        .replace("@xterm/xterm/css/xterm.css", &add("xterm.css", &style)?)
        .replace("@xterm/xterm", &add("xterm.js", &xterm)?)
        .replace("@xterm/addon-fit", &add("xterm-fit.js", &fit)?);
    assets.add_text("terminal.js", &glue)
}

/// A module without the line that points to a source map, which is not served.
fn module(path: &Path) -> Result<String> {
    let text = read(path)?;
    let lines = text.lines();
    let kept: Vec<&str> = lines
        .filter(|line| !line.starts_with("//# sourceMappingURL"))
        .collect();
    Ok(kept.join("\n"))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

//! From what the compiler gives to what a browser loads: the module that every visit begins with and the script that binds it, the
//! parts that are loaded on demand and the script that loads them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use wasm_bindgen_cli_support::Bindgen;
use wasm_split_cli_support::{Options, transform};

use super::module;
use crate::workspace::Profile;

/// The name under which the parts' loader imports the application's script.
pub const APP: &str = "app.js";
/// The name under which the application's script imports the parts' loader.
pub const PARTS: &str = "parts.js";

/// The application's files.
pub struct Bundle {
    /// The module that every visit begins with.
    pub wasm: Vec<u8>,
    /// The script that loads the module and gives it the browser.
    pub script: String,
    /// The script that loads the parts.
    pub loader: String,
    /// The parts, by the names that the loader has for them.
    pub parts: Vec<(String, Vec<u8>)>,
}

impl Bundle {
    /// Cuts a compiled module into its parts and binds it.
    ///
    /// # Errors
    /// The module was compiled with another version of wasm-bindgen or without its relocations, or cannot be read.
    pub fn build(wasm: &Path, profile: Profile) -> Result<Self> {
        let release = profile == Profile::Release;
        let (main, files) = split(wasm)?;
        let mut output = Bindgen::new()
            .input_path(&main)
            .out_name("app")
            .web(true)?
            .typescript(false)
            .omit_default_module_path(true)
            // The table of functions is the linker's export; the parts call through it.
            .keep_lld_exports(true)
            .remove_name_section(release)
            .remove_producers_section(release)
            .generate_output()
            .with_context(|| format!("cannot bind {}", wasm.display()))?;
        // Every crate has an entry, most of them an empty one.
        let snippets = output.snippets().values().any(|list| !list.is_empty());
        if snippets || !output.local_modules().is_empty() {
            bail!("a dependency brings scripts of its own, which the bundle has no place for");
        }
        let loader = main.with_file_name(PARTS);
        let loader = fs::read_to_string(&loader)
            .with_context(|| format!("cannot read {}", loader.display()))?;
        let mut parts = Vec::new();
        for file in files {
            let part =
                fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let part = if release {
                module::without_custom_sections(&part)?
            } else {
                part
            };
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            parts.push((name.into_owned(), part));
        }
        parts.sort();
        Ok(Self {
            script: output.js().to_owned(),
            wasm: output.wasm_mut().emit_wasm(),
            loader,
            parts,
        })
    }
}

/// Cuts a module at its marked functions: the module that loads the others, which is to be bound, and those.
fn split(wasm: &Path) -> Result<(PathBuf, Vec<PathBuf>)> {
    let whole = fs::read(wasm).with_context(|| format!("cannot read {}", wasm.display()))?;
    let folder = wasm.with_file_name("web-ui-parts");
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    let main = folder.join("main.wasm");
    let (link, script) = (format!("./{PARTS}"), format!("./{APP}"));
    let mut options = Options::new(&whole);
    options.output_dir = &folder;
    options.main_out_path = &main;
    options.link_name = &link;
    options.main_module = &script;
    let parts = transform(options)
        .map_err(|error| anyhow!("cannot cut {} into parts: {error:#}", wasm.display()))?;
    Ok((main, parts.split_modules))
}

//! Turns the compiler's module into the files that a browser loads: the main module and the script
//! that binds it, the lazy chunks and the script that loads them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use wasm_bindgen_cli_support::Bindgen;
use wasm_split_cli_support::{Options, transform};

use super::{module, short_names};
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
    /// The script that loads the chunks.
    pub loader: String,
    /// The chunks, by the names that the loader has for them.
    pub chunks: Vec<(String, Vec<u8>)>,
}

impl Bundle {
    /// Splits a compiled module into chunks and binds it.
    ///
    /// # Errors
    /// The module was compiled with another version of wasm-bindgen or without its relocations, or
    /// cannot be read.
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
        let mut chunks = Vec::new();
        for file in files {
            let part =
                fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let part = if release {
                module::without_custom_sections(&part)?
            } else {
                part
            };
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            chunks.push((name.into_owned(), part));
        }
        chunks.sort();
        let mut script = output.js().to_owned();
        let module = output.wasm_mut();
        if release {
            let of_script = |module: &str| module != format!("./{PARTS}");
            let imports = module.imports.iter_mut();
            let imports = imports.filter(|import| of_script(&import.module));
            let imports = imports.map(|import| &mut import.name).collect();
            let exports = module.exports.iter_mut().map(|export| &mut export.name);
            script = short_names::shorten(&script, imports, exports.collect())?;
        }
        Ok(Self {
            script,
            wasm: module.emit_wasm(),
            loader,
            chunks,
        })
    }
}

/// Splits a module at its marked functions: gives the main module, which is to be bound, and the
/// chunks.
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

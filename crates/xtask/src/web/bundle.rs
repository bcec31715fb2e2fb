//! From what the compiler gives to what a browser loads: a module and the script that binds it.

use std::path::Path;

use anyhow::{Context, Result, bail};
use wasm_bindgen_cli_support::Bindgen;

use crate::workspace::Profile;

/// The application's two files.
pub struct Bundle {
    /// The module.
    pub wasm: Vec<u8>,
    /// The script that loads the module and gives it the browser.
    pub script: String,
}

impl Bundle {
    /// Binds a compiled module.
    ///
    /// # Errors
    /// The module was compiled with another version of wasm-bindgen, or cannot be read.
    pub fn of(wasm: &Path, profile: Profile) -> Result<Self> {
        let release = profile == Profile::Release;
        let mut output = Bindgen::new()
            .input_path(wasm)
            .out_name("app")
            .web(true)?
            .typescript(false)
            .omit_default_module_path(true)
            .remove_name_section(release)
            .remove_producers_section(release)
            .generate_output()
            .with_context(|| format!("cannot bind {}", wasm.display()))?;
        // Every crate has an entry, most of them an empty one.
        let snippets = output.snippets().values().any(|list| !list.is_empty());
        if snippets || !output.local_modules().is_empty() {
            bail!("a dependency brings scripts of its own, which the bundle has no place for");
        }
        Ok(Self {
            script: output.js().to_owned(),
            wasm: output.wasm_mut().emit_wasm(),
        })
    }
}

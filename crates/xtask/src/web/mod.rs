//! `cargo xtask web`: builds `web-ui/dist`, the folder that the interface's server or any static
//! host serves. Cargo compiles the application for WebAssembly, [`bundle`] splits it into chunks
//! and makes it loadable, [`assets`] names every file by its content and compresses it, [`page`]
//! puts the names into the page. An unchanged bundle is not built again.

mod assets;
mod bundle;
mod module;
mod page;
mod script;
mod short_names;
mod size;
mod stamp;
mod target;
mod terminal;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::workspace::{self, Profile, root};
use assets::Assets;
use bundle::Bundle;
pub use size::first_visit;
use stamp::BuildStamp;

/// The folder that is served.
pub fn dist() -> PathBuf {
    root().join("web-ui/dist")
}

/// The command `cargo xtask web`.
///
/// # Errors
/// As [`build`].
pub fn run(profile: Profile) -> Result<()> {
    build(profile)?;
    println!("{}", dist().display());
    Ok(())
}

/// Installs the packages of the lease API's terminal page. Without npm that page shows what is
/// missing.
///
/// # Errors
/// npm is there and fails.
pub fn terminal_of_the_api() -> Result<()> {
    if terminal::packages(&root().join("proxmox-api"), "page")?.is_none() {
        println!("npm is missing: the lease API is built without its terminal page");
    }
    Ok(())
}

/// Builds the folder, if its sources have changed.
///
/// # Errors
/// The target cannot be set up, something does not compile, a file cannot be written, or the
/// release is larger than its budget.
pub fn build(profile: Profile) -> Result<()> {
    target::prepare()?;
    let wasm = compile(profile)?;
    let sources = root().join("web-ui");
    let packages = terminal::packages(&sources, "terminal")?;
    if packages.is_none() {
        println!("npm is missing: the interface is built without its terminal");
    }
    let stamp = BuildStamp::compute(profile, &wasm, &sources, packages.as_deref())?;
    if stamp.matches(&dist()) {
        return Ok(());
    }
    println!("bundling web-ui/dist");
    let bundle = Bundle::build(&wasm, profile)?;
    let folder = create_empty(&dist())?;
    let mut assets = Assets::new(&folder, profile)?;
    let mut loader = bundle.loader;
    for (name, part) in &bundle.chunks {
        let added = assets.add(name, part)?;
        loader = loader.replace(&assets::beside(name), &assets::beside(&added));
    }
    let script = script::without_comments(&bundle.script);
    let loader = script::without_comments(&loader);
    let [app, parts] = assets.add_pair([(bundle::APP, &script), (bundle::PARTS, &loader)])?;
    let names = page::AssetNames {
        style: assets.add_text("style.css", &page::style(&sources)?)?,
        wasm: assets.add("app.wasm", &bundle.wasm)?,
        app,
        parts,
        terminal: match &packages {
            Some(packages) => Some(terminal::add(&mut assets, &sources, packages)?),
            None => None,
        },
    };
    let start = assets.add_text("start.js", &page::start_script(&names))?;
    assets.copy_all(&sources.join("public"))?;
    assets.add_page("index.html", &page::index(&sources, &names, &start)?)?;
    size::report(&assets, profile)?;
    stamp.write_to(&folder)
}

fn compile(profile: Profile) -> Result<PathBuf> {
    let (name, folder) = match profile {
        Profile::Dev => ("dev", "debug"),
        Profile::Release => ("wasm", "wasm"),
    };
    let mut command = workspace::cargo();
    command.args(["rustc", "--quiet", "--package", "web-ui", "--bin", "web-ui"]);
    command.args(["--target", target::TRIPLE, "--profile", name]);
    // The splitter needs the relocations between the module's functions and data.
    command.args(["--", "-C", "link-arg=--emit-relocs"]);
    // Flags for the processor of this machine do not fit WebAssembly.
    command.env_remove("RUSTFLAGS");
    workspace::run(&mut command)?;
    Ok(workspace::target_folder()
        .join(target::TRIPLE)
        .join(folder)
        .join("web-ui.wasm"))
}

fn create_empty(folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)
            .with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder.to_owned())
}

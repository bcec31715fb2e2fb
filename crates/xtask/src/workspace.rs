//! The workspace's folders, and how its binaries are built.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// How binaries are compiled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Fast to build.
    Dev,
    /// Fast to run.
    Release,
}

/// The workspace's root folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("this crate lives two folders below the root")
}

/// The folders of all packages, relative to the root.
///
/// # Errors
/// The folder of the crates cannot be read.
pub fn packages() -> Result<Vec<PathBuf>> {
    let mut packages: Vec<PathBuf> = ["proxmox-api", "agent-api", "web-ui"]
        .map(PathBuf::from)
        .into();
    for entry in std::fs::read_dir(root().join("crates")).context("cannot list the crates")? {
        let folder = Path::new("crates").join(entry?.file_name());
        if root().join(&folder).join("Cargo.toml").exists() {
            packages.push(folder);
        }
    }
    packages.sort();
    Ok(packages)
}

/// The cargo that runs this program, or the one on the path.
pub fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.current_dir(root());
    // The outer cargo sets these for this crate. Build scripts watch them (ring's does), so that
    // the inner cargo would build everything again that was built without them.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Cargo's target folder.
pub fn target_folder() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// The path of a built binary of the workspace.
pub fn binary(profile: Profile, name: &str) -> PathBuf {
    let folder = match profile {
        Profile::Dev => "debug",
        Profile::Release => "release",
    };
    target_folder()
        .join(folder)
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// The paying client: package and example.
pub const PAY: &str = "proxmox-api/pay";

/// Builds binaries, each of the package of its own name, and examples as `package/example`. Cargo
/// chooses features by the whole selection, so a repeated selection builds nothing again.
///
/// # Errors
/// The compiler's, after it has printed them itself.
pub fn build(profile: Profile, binaries: &[&str]) -> Result<()> {
    let mut command = cargo();
    command.arg("build");
    for name in binaries {
        match name.split_once('/') {
            Some((package, example)) => command.args(["--package", package, "--example", example]),
            None => command.args(["--package", name, "--bin", name]),
        };
    }
    if profile == Profile::Release {
        command.arg("--release");
    }
    run(&mut command)
}

/// Calls the running API through the paying example client, which `cargo xtask up` has built.
///
/// # Errors
/// The client's, after it has printed them itself.
pub fn pay(arguments: &[String]) -> Result<()> {
    let built = |profile| binary(profile, "examples/pay");
    let program = [Profile::Dev, Profile::Release]
        .map(built)
        .into_iter()
        .find(|program| program.exists());
    let program = match program {
        Some(program) => program,
        None => {
            build(Profile::Dev, &[PAY])?;
            built(Profile::Dev)
        }
    };
    run(Command::new(program).args(arguments))
}

/// Runs a command to its end with our own input and output.
///
/// # Errors
/// It cannot be started, or says that it failed.
pub fn run(command: &mut Command) -> Result<()> {
    let shown = show(command);
    let status = command
        .status()
        .with_context(|| format!("cannot run `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` failed ({status})");
    }
    Ok(())
}

/// A command line for messages, with the program's name instead of its path.
pub fn show(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program());
    std::iter::once(name)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

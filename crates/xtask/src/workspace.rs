//! The workspace's folders, and how its binaries are built.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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

/// The command line of the lease API: package and binary.
pub const CLI: &str = "cli:infra402";
/// Account 3 of the public development mnemonic (`test test … junk`): it must never hold real
/// money.
const PUBLIC_DEVELOPMENT_KEY: &str =
    "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6";

/// Builds binaries, each of the package of its own name or as `package:binary`, and examples as
/// `package/example`. Cargo chooses features by the whole selection, so a repeated selection builds
/// nothing again.
///
/// # Errors
/// The compiler's, after it has printed them itself.
pub fn build(profile: Profile, binaries: &[&str]) -> Result<()> {
    let mut command = cargo();
    command.arg("build");
    for name in binaries {
        match (name.split_once('/'), name.split_once(':')) {
            (Some((package, example)), _) => {
                command.args(["--package", package, "--example", example])
            }
            (None, Some((package, binary))) => {
                command.args(["--package", package, "--bin", binary])
            }
            (None, None) => command.args(["--package", name, "--bin", name]),
        };
    }
    if profile == Profile::Release {
        command.arg("--release");
    }
    run(&mut command)
}

/// Calls the running API through `infra402 call`, which `cargo xtask up` has built, and pays with
/// `PAYER_KEY`, or with a public development key and play money.
///
/// # Errors
/// The program's, after it has printed them itself.
pub fn pay(arguments: &[String]) -> Result<()> {
    let built = |profile| binary(profile, "infra402");
    let program = [Profile::Dev, Profile::Release]
        .map(built)
        .into_iter()
        .find(|program| program.exists());
    let program = match program {
        Some(program) => program,
        None => {
            build(Profile::Dev, &[CLI])?;
            built(Profile::Dev)
        }
    };
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let port = set("PORT").unwrap_or_else(|| "4021".to_owned());
    let api = set("BASE_URL").unwrap_or_else(|| format!("http://127.0.0.1:{port}"));
    let max_price = set("MAX_PRICE").map(|text| dollars(&text)).transpose()?;
    let key = set("PAYER_KEY");
    let prepared = |words: &[&str]| {
        let mut command = Command::new(&program);
        command
            .env_remove("INFRA402_KEY_FILE")
            .env(
                "INFRA402_KEY",
                key.as_deref().unwrap_or(PUBLIC_DEVELOPMENT_KEY),
            )
            .env("INFRA402_API", &api)
            .args(words);
        if let Some(max_price) = &max_price {
            command.env("INFRA402_MAX_PRICE", max_price);
        }
        command
    };
    if key.is_none() {
        let mut fill = prepared(&["wallet", "fill"]);
        run(fill.stdout(Stdio::null())).context(
            "the public development key has no play money: start the demo with `cargo xtask up`, or \
             set PAYER_KEY to the key of a wallet with USDC",
        )?;
    }
    run(prepared(&["--yes", "call"]).args(arguments))
}

/// Atomic USDC in dollars.
fn dollars(atomic: &str) -> Result<String> {
    let atomic: u64 = atomic
        .parse()
        .context("MAX_PRICE is no number of atomic USDC")?;
    Ok(format!("{}.{:06}", atomic / 1_000_000, atomic % 1_000_000))
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

//! Sets up what the tests need beside Rust: the npm packages of `e2e/`, the examples and the
//! console page, pinned by their lock files, a browser if it can be installed, and a virtual
//! environment for each Python client. A copy of the lock file is left beside the installed
//! packages, so that a second run does nothing.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::host;
use crate::workspace::{self, root};

/// The oldest Node that the test packages support.
const NODE_MAJOR: u32 = 20;

/// Folders with npm packages.
const NPM_FOLDERS: [&str; 5] = [
    "e2e",
    "e2e/browser",
    "examples/curl",
    "examples/typescript",
    "proxmox-api/page",
];

/// The lock file of a folder's npm packages, and its copy from the last installation.
const LOCK_FILE: &str = "package-lock.json";
const STAMP_FILE: &str = "node_modules/.installed-from";

/// One virtual environment of the end-to-end tests.
struct PythonEnvironment {
    folder: &'static str,
    requirements: &'static str,
}

/// The one with proxmoxer, which tests of the simulator start.
const PROXMOXER: PythonEnvironment = PythonEnvironment {
    folder: "e2e/.venv-proxmoxer",
    requirements: "e2e/proxmoxer/requirements.txt",
};

const PYTHON_ENVIRONMENTS: [PythonEnvironment; 5] = [
    PythonEnvironment {
        folder: "e2e/.venv-v1",
        requirements: "e2e/requirements-v1.txt",
    },
    PROXMOXER,
    PythonEnvironment {
        folder: "e2e/.venv-schemathesis",
        requirements: "e2e/schemathesis/requirements.txt",
    },
    PythonEnvironment {
        folder: "e2e/.venv-compose",
        requirements: "e2e/compose/requirements.txt",
    },
    PythonEnvironment {
        folder: "examples/python/.venv",
        requirements: "examples/python/requirements.txt",
    },
];

/// Sets up everything, the browser if asked for; says every missing tool at once.
///
/// # Errors
/// A tool is missing, or an installation failed.
pub fn prepare(with_browser: bool) -> Result<()> {
    let missing = missing_tools();
    if !missing.is_empty() {
        bail!("the tests need more tools:\n  {}", missing.join("\n  "));
    }
    install_npm_packages()?;
    if with_browser {
        install_browser();
    }
    for environment in PYTHON_ENVIRONMENTS {
        install_python_environment(&environment)?;
    }
    Ok(())
}

/// The command `cargo xtask setup`.
///
/// # Errors
/// As [`prepare`].
pub fn run() -> Result<()> {
    prepare(true)?;
    println!(
        "ready: npm packages in {}; Python environments in e2e and examples/python",
        NPM_FOLDERS.join(", ")
    );
    Ok(())
}

fn missing_tools() -> Vec<String> {
    let mut missing = Vec::new();
    match first_line("node", &["--version"]) {
        None => missing.push(format!(
            "node is missing: install Node.js {NODE_MAJOR} or newer"
        )),
        Some(version) if major_version(&version) < NODE_MAJOR => {
            missing.push(format!(
                "node is {version}: install Node.js {NODE_MAJOR} or newer"
            ));
        }
        Some(_) => {}
    }
    if first_line("npm", &["--version"]).is_none() {
        missing.push("npm is missing: it comes with Node.js (Debian: apt-get install npm)".into());
    }
    if first_line("python3", &["--version"]).is_none() {
        missing.push("python3 is missing: install Python 3.10 or newer (Debian: apt-get install python3-venv)".into());
    } else if first_line("python3", &["-c", "import venv, ensurepip; print('ok')"]).is_none() {
        missing.push(
            "python3 cannot make virtual environments (Debian: apt-get install python3-venv)"
                .into(),
        );
    }
    missing
}

fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    output
        .status
        .success()
        .then(|| text.lines().next().unwrap_or_default().trim().to_owned())
}

fn major_version(version: &str) -> u32 {
    let digits = version
        .trim_start_matches('v')
        .split('.')
        .next()
        .unwrap_or_default();
    digits.parse().unwrap_or(0)
}

fn install_npm_packages() -> Result<()> {
    NPM_FOLDERS
        .iter()
        .try_for_each(|folder| npm_install(&root().join(folder)))
}

/// Whether npm can be called.
pub fn has_npm() -> bool {
    first_line("npm", &["--version"]).is_some()
}

/// Whether the packages of a folder's lock file are installed.
pub fn is_installed(folder: &Path) -> bool {
    has_same_content(&folder.join(LOCK_FILE), &folder.join(STAMP_FILE))
}

/// Installs the packages of a folder's lock file, unless they are installed.
///
/// # Errors
/// npm fails, or is not installed.
pub fn npm_install(folder: &Path) -> Result<()> {
    if is_installed(folder) {
        return Ok(());
    }
    println!("setting up {}", folder.join("node_modules").display());
    workspace::run(
        Command::new("npm")
            .args([
                "install",
                // The lock file is read and left alone. `npm ci` refuses it wherever a registry
                // lacks the chain's binaries for the other platforms, which are optional.
                "--no-save",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--loglevel=error",
            ])
            .current_dir(folder),
    )?;
    fs::copy(folder.join(LOCK_FILE), folder.join(STAMP_FILE))
        .context("cannot copy the list of what was installed")?;
    Ok(())
}

/// The browser of the browser tests, from the system's own packages where we may install any. Where
/// it stays absent those tests are skipped, each with that reason.
fn install_browser() {
    let present = host::has_program("chromium") || std::env::var_os("INFRA402_CHROMIUM").is_some();
    let may_install =
        first_line("id", &["-u"]).as_deref() == Some("0") && host::has_program("apt-get");
    if present || !may_install {
        return;
    }
    println!("setting up chromium");
    let apt_get = |arguments: &[&str]| {
        workspace::run(
            Command::new("apt-get")
                .arg("-qq")
                .args(arguments)
                .stdout(Stdio::null())
                .env("DEBIAN_FRONTEND", "noninteractive"),
        )
    };
    let installed = apt_get(&["update"])
        .and_then(|()| apt_get(&["install", "-y", "--no-install-recommends", "chromium"]));
    if let Err(error) = installed {
        println!("chromium cannot be installed: {error:#}");
    }
}

/// Sets up the Python environment of the simulator's tests.
///
/// # Errors
/// Python is missing, or an installation failed.
pub fn proxmoxer() -> Result<()> {
    install_python_environment(&PROXMOXER)
}

fn install_python_environment(environment: &PythonEnvironment) -> Result<()> {
    let pinned = root().join(environment.requirements);
    let folder = root().join(environment.folder);
    let stamp = folder.join(".installed-from");
    if has_same_content(&pinned, &stamp) {
        return Ok(());
    }
    println!("setting up {}", environment.folder);
    workspace::run(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&folder),
    )?;
    workspace::run(
        Command::new(folder.join("bin/python"))
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--requirement",
            ])
            .arg(&pinned),
    )?;
    fs::copy(&pinned, &stamp).context("cannot copy the list of what was installed")?;
    Ok(())
}

fn has_same_content(one: &Path, other: &Path) -> bool {
    matches!((fs::read(one), fs::read(other)), (Ok(one), Ok(other)) if one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_with_and_without_the_v() {
        assert_eq!(
            (
                major_version("v20.20.2"),
                major_version("9.1"),
                major_version("nonsense")
            ),
            (20, 9, 0)
        );
    }

    #[test]
    fn what_is_built_in_from_npm_is_pinned_and_has_no_peers_to_disagree_with() {
        for folder in ["proxmox-api/page", "web-ui/terminal"] {
            let text = fs::read(root().join(folder).join("package-lock.json")).unwrap();
            let lock: serde_json::Value = serde_json::from_slice(&text).unwrap();
            let packages = lock["packages"].as_object().unwrap();
            assert!(packages.len() > 1, "{folder}");
            for (name, package) in packages {
                assert!(
                    package.get("peerDependencies").is_none(),
                    "{folder}: {name}"
                );
                let wanted = package.get("dependencies").and_then(|all| all.as_object());
                for (dependency, version) in wanted.into_iter().flatten() {
                    let version = version.as_str().unwrap();
                    let is_exact = version.starts_with(|first: char| first.is_ascii_digit());
                    assert!(is_exact, "{folder}: {dependency} {version}");
                }
            }
        }
    }
}

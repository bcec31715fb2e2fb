//! Sets up what the tests need beside Rust: the npm packages of `e2e/`, the examples and the console page, pinned by their lock
//! files, a browser where it can be had, and one virtual environment for each Python client. A copy of the pinned list is left
//! beside what was installed from it, so that a second run costs nothing.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use rustix::fs::statvfs;

use crate::fence;
use crate::workspace::{self, root};

/// The oldest Node that the test packages support.
const NODE_MAJOR: u32 = 20;

/// Folders with npm packages.
const PACKAGES: [&str; 5] = [
    "e2e",
    "e2e/browser",
    "examples/curl",
    "examples/typescript",
    "proxmox-api/page",
];

/// What pins a folder's npm packages, and the copy that says what was installed.
const LOCK: &str = "package-lock.json";
const STAMP: &str = "node_modules/.installed-from";

/// One virtual environment of the end-to-end tests.
struct Environment {
    folder: &'static str,
    requirements: &'static str,
}

const ENVIRONMENTS: [Environment; 5] = [
    Environment {
        folder: "e2e/.venv-v1",
        requirements: "e2e/requirements-v1.txt",
    },
    Environment {
        folder: "e2e/.venv-proxmoxer",
        requirements: "e2e/proxmoxer/requirements.txt",
    },
    Environment {
        folder: "e2e/.venv-schemathesis",
        requirements: "e2e/schemathesis/requirements.txt",
    },
    Environment {
        folder: "e2e/.venv-compose",
        requirements: "e2e/compose/requirements.txt",
    },
    Environment {
        folder: "examples/python/.venv",
        requirements: "examples/python/requirements.txt",
    },
];

/// Disk in bytes without which the tests of hostile tenants are left out, as they ask themselves.
const HOSTILE_DISK: u64 = 6 << 30;

/// Programs of the system that some cases of the Rust tests try, and which cases those are. The tests
/// go on without them, so what is left out is said and counted here.
const OPTIONAL: [(&str, &str); 4] = [
    (
        "bash",
        "the exec cases under bash, and the probe of the fence",
    ),
    ("busybox", "the exec cases under busybox ash and vi"),
    ("dtach", "the exec case behind dtach"),
    ("pgbouncer", "the store behind a pooler"),
];

/// Where a server that some cases of the Rust tests start is found, beside the usual folders: it lies in one of its release.
const POSTGRESQL: &str = "/usr/lib/postgresql";

/// What the Rust tests leave out on this machine, each with its reason.
pub fn skips() -> Vec<String> {
    let programs = OPTIONAL
        .iter()
        .filter(|(program, _)| !exists(program))
        .map(|(program, cases)| (*program, *cases));
    let server = (!postgresql_exists()).then_some((
        "postgresql",
        "the store and the lease API on PostgreSQL, alone and with replicas, and chaos on it",
    ));
    let missing = of_the_demo().chain(programs.chain(server).map(|(program, cases)| {
        format!("{cases}: {program} is not installed (Debian: apt-get install {program})")
    }));
    let real = lxc_obstacle()
        .map(|obstacle| format!("commands and consoles in real LXC containers: {obstacle}"));
    let fence = fence::obstacle().map(|obstacle| format!("the fence around tenants: {obstacle}"));
    let bound = processes_obstacle()
        .map(|obstacle| format!("the probe's look for a bound of processes: {obstacle}"));
    missing.chain(real).chain(fence).chain(bound).collect()
}

/// Why no other user's processes can be bounded here.
fn processes_obstacle() -> Option<&'static str> {
    if !["setpriv", "prlimit", "perl"].into_iter().all(exists) {
        return Some("setpriv, prlimit or perl is not installed (Debian: apt-get install perl)");
    }
    (!rustix::process::geteuid().is_root()).then_some("it needs root")
}

/// Why the tests have no real containers here; `pve_sim::lxc_obstacle` asks the same.
fn lxc_obstacle() -> Option<&'static str> {
    let programs = ["lxc-start", "lxc-attach", "lxc-stop", "dtach", "unshare"];
    if !programs.into_iter().all(exists) {
        return Some(
            "lxc, dtach or util-linux is not installed (Debian: apt-get install lxc dtach)",
        );
    }
    if !rustix::process::geteuid().is_root() {
        return Some("they need root");
    }
    let allowed = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "--pid", "--fork"])
        .args(["--mount-proc", "true"])
        .stderr(Stdio::null())
        .status();
    (!allowed.is_ok_and(|status| status.success())).then_some("this host allows no namespaces")
}

/// Whether a PostgreSQL can be started.
pub fn postgresql_exists() -> bool {
    let releases = fs::read_dir(POSTGRESQL).into_iter().flatten().flatten();
    exists("initdb")
        || releases
            .into_iter()
            .any(|release| release.path().join("bin/initdb").exists())
}

/// Whether the system has a program.
pub fn exists(program: &str) -> bool {
    ["/bin", "/usr/bin", "/sbin", "/usr/sbin"]
        .iter()
        .any(|folder| Path::new(folder).join(program).exists())
}

/// Sets up everything; says every missing tool at once.
///
/// # Errors
/// A tool is missing, or an installation failed.
pub fn prepare() -> Result<()> {
    let missing = missing_tools();
    if !missing.is_empty() {
        bail!("the tests need more tools:\n  {}", missing.join("\n  "));
    }
    node_packages()?;
    browser();
    for environment in ENVIRONMENTS {
        python_environment(&environment)?;
    }
    Ok(())
}

/// The command `cargo xtask setup`.
///
/// # Errors
/// As [`prepare`].
pub fn run() -> Result<()> {
    prepare()?;
    println!(
        "ready: npm packages in {}; Python environments in e2e and examples/python",
        PACKAGES.join(", ")
    );
    Ok(())
}

fn missing_tools() -> Vec<String> {
    let mut missing = Vec::new();
    match first_line("node", &["--version"]) {
        None => missing.push(format!(
            "node is missing: install Node.js {NODE_MAJOR} or newer"
        )),
        Some(version) if major(&version) < NODE_MAJOR => {
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

fn major(version: &str) -> u32 {
    let digits = version
        .trim_start_matches('v')
        .split('.')
        .next()
        .unwrap_or_default();
    digits.parse().unwrap_or(0)
}

fn node_packages() -> Result<()> {
    PACKAGES
        .iter()
        .try_for_each(|folder| npm_install(&root().join(folder)))
}

/// Whether npm can be called.
pub fn has_npm() -> bool {
    first_line("npm", &["--version"]).is_some()
}

/// Whether exactly what a folder's lock file pins was installed there.
pub fn is_installed(folder: &Path) -> bool {
    same(&folder.join(LOCK), &folder.join(STAMP))
}

/// Installs what a folder's lock file pins, unless that was done before.
///
/// # Errors
/// npm says why, or cannot be called.
pub fn npm_install(folder: &Path) -> Result<()> {
    if is_installed(folder) {
        return Ok(());
    }
    println!("setting up {}", folder.join("node_modules").display());
    workspace::run(
        Command::new("npm")
            .args([
                "install",
                // The lock file is read and left alone. `npm ci` refuses it wherever a registry lacks
                // the chain's binaries for the other platforms, which are optional.
                "--no-save",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--loglevel=error",
            ])
            .current_dir(folder),
    )?;
    fs::copy(folder.join(LOCK), folder.join(STAMP)).context("cannot note what was installed")?;
    Ok(())
}

/// The browser of the browser tests, from the system's own packages where we may install any. Where it stays absent those tests
/// are skipped, each with that reason.
fn browser() {
    let present = exists("chromium") || std::env::var_os("INFRA402_CHROMIUM").is_some();
    let may_install = first_line("id", &["-u"]).as_deref() == Some("0") && exists("apt-get");
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

fn python_environment(environment: &Environment) -> Result<()> {
    let pinned = root().join(environment.requirements);
    let folder = root().join(environment.folder);
    let stamp = folder.join(".installed-from");
    if same(&pinned, &stamp) {
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
    fs::copy(&pinned, &stamp).context("cannot note what was installed")?;
    Ok(())
}

fn same(one: &Path, other: &Path) -> bool {
    matches!((fs::read(one), fs::read(other)), (Ok(one), Ok(other)) if one == other)
}

/// What the tests of the demo's shells leave out.
fn of_the_demo() -> impl Iterator<Item = String> {
    let bubblewrap = (!exists("bwrap")).then(|| {
        "shells of the demo confined by bubblewrap: it is not installed (Debian: apt-get install \
         bubblewrap)"
            .to_owned()
    });
    let groups = control_groups_obstacle()
        .map(|obstacle| format!("limits of the demo's shells by control groups: {obstacle}"));
    let full =
        statvfs("/var/tmp").is_ok_and(|about| about.f_bavail * about.f_frsize < HOSTILE_DISK);
    let hostile = full.then(|| "hostile tenants of the demo: less than 6 GiB are free".to_owned());
    [bubblewrap, groups, hostile].into_iter().flatten()
}

/// Why the kernel does not add up what the demo's containers use here, as far as that can be seen
/// from outside.
fn control_groups_obstacle() -> Option<&'static str> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let place = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let place = fields.next()?;
        (fields.next()? == "cgroup2").then_some(place)
    });
    let Some(place) = place else {
        return Some("no cgroup2 file system is mounted");
    };
    let controllers = Path::new(place).join("cgroup.controllers");
    let controllers = fs::read_to_string(controllers).unwrap_or_default();
    let has = |name| controllers.split_whitespace().any(|one| one == name);
    (!["cpu", "memory", "pids"].into_iter().all(has))
        .then_some("the host's cgroup 2 lacks cpu, memory or pids")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_with_and_without_the_v() {
        assert_eq!(
            (major("v20.20.2"), major("9.1"), major("nonsense")),
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

//! A small distribution for real containers: BusyBox, a package manager that writes down what it
//! is asked for, and SSH servers of this machine in its packages.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use pve_sim::{ShellMode, SimConfig};

const FOLDERS: &[&str] = &[
    "bin", "dev", "etc", "proc", "root", "run", "srv", "sys", "tmp", "usr/bin", "usr/lib",
    "usr/sbin", "var/lib", "var/log",
];
const FILES: &[(&str, &str)] = &[
    (
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\nsshd:x:101:65534::/run/sshd:/bin/false\n\
         nobody:x:65534:65534:nobody:/:/bin/false\n",
    ),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
];
/// What the packages have; the distribution's own folders have none of it.
const PACKAGES: &str = "opt/packages";
/// As a distribution configures it that asks no PAM.
const SSHD_CONFIG: &str = "Subsystem sftp /usr/lib/openssh/sftp-server\n";

/// The root folder of a distribution, which is removed when this is dropped.
pub struct Distribution(tempfile::TempDir);

impl Distribution {
    /// BusyBox alone.
    pub fn busybox() -> Self {
        let this = Self(tempfile::tempdir().unwrap());
        let root = this.0.path();
        fs::set_permissions(root, Permissions::from_mode(0o755)).unwrap();
        for folder in FOLDERS {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for (path, text) in FILES {
            fs::write(root.join(path), text).unwrap();
        }
        let busybox = program("busybox");
        this.place(&busybox, "bin/busybox");
        let list = Command::new(&busybox).arg("--list").output().unwrap();
        for applet in String::from_utf8(list.stdout).unwrap().lines() {
            // `busybox` itself is there.
            let _ = symlink("busybox", root.join("bin").join(applet));
        }
        // Debian's BusyBox has no `su`.
        this.place(&program("setpriv"), "usr/bin/setpriv");
        this
    }

    /// The same with a package manager, which installs these programs: their names, and their
    /// paths there.
    pub fn with_packages(manager: &str, programs: &[(&str, &str)]) -> Self {
        let this = Self::busybox();
        this.add_manager(manager);
        for (name, path) in programs {
            this.place(&program(name), &format!("{PACKAGES}/{path}"));
        }
        let config = this.0.path().join(PACKAGES).join("etc/ssh/sshd_config");
        fs::create_dir_all(config.parent().unwrap()).unwrap();
        fs::write(config, SSHD_CONFIG).unwrap();
        this
    }

    /// Adds a package manager that writes down how it is called, and installs all packages.
    pub fn add_manager(&self, name: &str) {
        self.script(
            name,
            &format!(
                "echo \"{name} $*\" >>/var/log/packages\n\
                 case \"$*\" in *install*|*add*|-S*) cp -R /{PACKAGES}/. /;; esac\n"
            ),
        );
    }

    /// Adds a script to its programs.
    pub fn script(&self, name: &str, text: &str) {
        let path = self.0.path().join("usr/bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}")).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }

    /// Copies a program of this machine into it, with the libraries that it needs.
    pub fn place(&self, from: &Path, to: &str) {
        let copy = |from: &Path, to: &Path| {
            let to = self.0.path().join(to);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(from, to).unwrap();
        };
        copy(from, Path::new(to));
        // It fails for a program without libraries.
        let libraries = Command::new("ldd").arg(from).output().unwrap();
        for word in String::from_utf8(libraries.stdout)
            .unwrap()
            .split_whitespace()
        {
            if let Some(inside) = word.strip_prefix('/') {
                copy(Path::new(word), Path::new(inside));
            }
        }
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A simulator whose real containers have it.
    pub fn simulator(&self) -> SimConfig {
        of(self.0.path())
    }
}

/// A simulator whose real containers have the distribution in this folder.
pub fn of(folder: &Path) -> SimConfig {
    SimConfig {
        shell: ShellMode::Lxc,
        lxc_distribution: Some(folder.to_owned()),
        ..SimConfig::default()
    }
}

/// A program of this machine.
pub fn program(name: &str) -> PathBuf {
    ["/usr/sbin", "/usr/bin", "/bin", "/usr/lib/openssh"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("{name} is not installed"))
}

//! What the server knows about its container: folders, the login shell, and how programs are
//! started.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Parser;

/// The `PATH` of a login of root.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The command line of the server.
#[derive(Debug, Clone, Parser)]
#[command(name = "pve-sim guest", disable_help_flag = true)]
pub(crate) struct GuestArguments {
    /// Root's home.
    #[arg(long)]
    pub(crate) home: PathBuf,
    /// The folder with the host keys.
    #[arg(long)]
    pub(crate) etc_ssh: PathBuf,
    /// The login shell; that of `/etc/passwd` if none is given.
    #[arg(long)]
    pub(crate) shell: Option<PathBuf>,
    /// Folder of programs that come first.
    #[arg(long)]
    pub(crate) programs: Option<PathBuf>,
    /// How many files a program may have open, where the server itself may have more.
    #[arg(long)]
    pub(crate) open_files: Option<u64>,
}

impl Default for GuestArguments {
    /// Those of a confined guest.
    fn default() -> Self {
        Self {
            home: "/root".into(),
            etc_ssh: "/etc/ssh".into(),
            shell: None,
            programs: None,
            open_files: None,
        }
    }
}

impl GuestArguments {
    /// As the process was given them.
    ///
    /// # Errors
    /// An argument is not known.
    pub(super) fn parse(arguments: &[OsString]) -> io::Result<Self> {
        let name = OsString::from("pve-sim guest");
        let all = std::iter::once(&name).chain(arguments);
        Self::try_parse_from(all).map_err(io::Error::other)
    }

    /// The same as words of a command line.
    pub(crate) fn words(&self) -> Vec<OsString> {
        let mut words = Vec::<OsString>::new();
        let mut add = |name: &str, value: &Path| {
            words.push(name.into());
            words.push(value.into());
        };
        add("--home", &self.home);
        add("--etc-ssh", &self.etc_ssh);
        for (name, value) in [("--shell", &self.shell), ("--programs", &self.programs)] {
            if let Some(value) = value {
                add(name, value);
            }
        }
        if let Some(most) = self.open_files {
            words.extend(["--open-files".into(), most.to_string().into()]);
        }
        words
    }

    /// The words that run the login shell, and its path.
    pub(super) fn login_shell(&self) -> (Vec<String>, String) {
        let shell = self.shell.clone().or_else(shell_of_root);
        let shell = shell.unwrap_or_else(|| "/bin/sh".into());
        let path = shell.display().to_string();
        let mut words = vec![path.clone()];
        if shell.file_name().is_some_and(|name| name == "busybox") {
            words.push("ash".into());
        }
        (words, path)
    }

    /// The words that run a program with a program's limits.
    pub(super) fn limited(&self, program: Vec<String>) -> Vec<String> {
        let mut words = Vec::new();
        if let Some(most) = self.open_files {
            words.extend(["prlimit".to_owned(), format!("--nofile={most}")]);
        }
        words.extend(program);
        words
    }

    /// The environment of a login.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let (_, shell) = self.login_shell();
        let home = self.home.display().to_string();
        let path = match &self.programs {
            Some(first) => format!("{}:{PATH}", first.display()),
            None => PATH.to_owned(),
        };
        let mut environment = vec![
            ("HOME", home.clone()),
            ("LOGNAME", "root".to_owned()),
            ("PATH", path),
            ("SHELL", shell),
            ("USER", "root".to_owned()),
        ];
        if self.programs.is_some() {
            environment.push(("TMPDIR", home));
        }
        environment
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}

fn shell_of_root() -> Option<PathBuf> {
    let accounts = fs::read_to_string("/etc/passwd").ok()?;
    let line = accounts.lines().find(|line| line.starts_with("root:"))?;
    let shell = line.split(':').nth(6).filter(|shell| !shell.is_empty())?;
    Some(shell.into())
}

//! The program with an environment of its own.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use alloy::{
    primitives::{Address, keccak256},
    signers::local::PrivateKeySigner,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt as _, process::Command};

/// The program as one customer has it set up.
pub struct Program {
    pub folder: TempDir,
    pub api: String,
    key: PrivateKeySigner,
}

/// How it ended.
#[derive(Debug)]
pub struct Ran {
    pub status: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Program {
    /// Customer `number`. Its key can be derived by anyone, so it never holds money.
    pub fn new(api: &str, number: u64) -> Self {
        let digest = keccak256(format!("infra402 test command line {number}"));
        Self {
            folder: tempfile::tempdir().unwrap(),
            api: api.to_owned(),
            key: PrivateKeySigner::from_bytes(&digest).unwrap(),
        }
    }

    /// The wallet's address.
    pub fn wallet(&self) -> Address {
        self.key.address()
    }

    /// The key as it is written.
    pub fn key(&self) -> String {
        format!("{:#x}", self.key.to_bytes())
    }

    /// A path in the customer's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Purchases without an answer.
    pub fn purchases(&self) -> usize {
        let listed = std::fs::read_dir(self.path("state/purchases"));
        listed.map_or(0, Iterator::count)
    }

    /// The program without a key.
    pub fn keyless(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_infra402"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("INFRA402_API", &self.api)
            .env("INFRA402_STATE", self.path("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// The program with these arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.keyless(arguments);
        command.env("INFRA402_KEY", self.key());
        command
    }

    /// Runs it to its end.
    pub async fn run(&self, arguments: &[&str]) -> Ran {
        let ran = ended(self.command(arguments)).await;
        assert!(!ran.stderr.contains(&self.key()[2..]), "the key is said");
        ran
    }

    /// Runs it with this on its standard input.
    pub async fn fed(&self, arguments: &[&str], input: &[u8]) -> Ran {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let feed = async {
            // It may end before it has read all.
            let _ = stdin.write_all(input).await;
            drop(stdin);
        };
        let (output, ()) = tokio::join!(child.wait_with_output(), feed);
        Ran::of(output.unwrap())
    }

    /// Runs it with `--json`; it has to succeed.
    pub async fn json(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<_> = std::iter::once("--json")
            .chain(arguments.iter().copied())
            .collect();
        self.run(&arguments).await.ok().document()
    }

    /// Runs it; it has to succeed. Its output as text.
    pub async fn text(&self, arguments: &[&str]) -> String {
        self.run(arguments).await.ok().text()
    }

    /// Writes a file into the customer's folder.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }
}

/// Runs a command to its end.
pub async fn ended(mut command: Command) -> Ran {
    Ran::of(command.output().await.unwrap())
}

impl Ran {
    fn of(output: std::process::Output) -> Self {
        Self {
            status: output.status.code().unwrap_or(-1),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The same, which has to have succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.status, 0, "{} {}", self.text(), self.stderr);
        self
    }

    /// Standard output.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard output as the one JSON document that it has to be.
    #[track_caller]
    pub fn document(&self) -> Value {
        let read = serde_json::from_slice(&self.stdout);
        read.unwrap_or_else(|error| panic!("{error}: {} {}", self.text(), self.stderr))
    }

    /// The error on standard error as the one JSON document that it has to be.
    #[track_caller]
    pub fn error(&self) -> Value {
        let read: Result<Value, _> = serde_json::from_str(&self.stderr);
        read.unwrap_or_else(|error| panic!("{error}: {}", self.stderr))["error"].clone()
    }
}

/// Everything below a folder: paths, and contents of files.
pub fn tree(folder: &Path) -> Vec<(String, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(at) = open.pop() {
        for entry in std::fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            match path.is_dir() {
                true => {
                    found.push((name, None));
                    open.push(path);
                }
                false => found.push((name, Some(std::fs::read(&path).unwrap()))),
            }
        }
    }
    found.sort();
    found
}

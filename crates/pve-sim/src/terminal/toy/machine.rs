//! The state of one toy shell: its files, variables and network.

use std::collections::BTreeMap;
use std::time::Duration;

use super::network::Network;

/// Bytes that files and variables of one container may have: they are the simulator's own memory,
/// which other containers need.
pub(super) const MEMORY: usize = 1 << 20;
/// Bytes that a file or variable takes beside its name and content.
pub(super) const ENTRY: usize = 64;
/// Files and variables of one container.
pub(super) const ENTRIES: usize = 1000;
/// Bytes that a script may print.
pub(super) const OUTPUT: usize = 2 << 20;
/// What a script printed, and its exit code.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    pub(super) code: i32,
}

impl Report {
    /// Bytes that were printed.
    pub(super) fn size(&self) -> usize {
        self.stdout.len() + self.stderr.len()
    }
}

/// The toy's world.
pub(super) struct Machine {
    pub(super) hostname: String,
    pub(super) folder: String,
    /// Absolute path to content; `None` is a folder.
    pub(super) files: BTreeMap<String, Option<Vec<u8>>>,
    pub(super) variables: BTreeMap<String, String>,
    /// What its programs for a network work on; none where it has no such programs.
    pub(super) network: Option<Network>,
    /// Time that commands asked for; the shell lets it pass.
    pub(super) pause: Duration,
    pub(super) exited: bool,
    pub(super) power_off: bool,
    pub(super) code: i32,
}

impl Machine {
    pub(super) fn new(hostname: &str) -> Self {
        let folders = ["/", "/etc", "/home", "/root", "/tmp", "/var"];
        let mut files: BTreeMap<String, Option<Vec<u8>>> =
            folders.map(|folder| (folder.to_owned(), None)).into();
        files.insert("/etc/hostname".into(), Some(format!("{hostname}\n").into()));
        files.insert(
            "/etc/os-release".into(),
            Some(b"PRETTY_NAME=\"Toy container\"\nID=toy\n".to_vec()),
        );
        let variables = [
            ("HOME", "/root"),
            ("PATH", "/usr/bin:/bin"),
            ("USER", "root"),
        ];
        Self {
            hostname: hostname.to_owned(),
            folder: "/root".into(),
            files,
            variables: variables
                .map(|(name, value)| (name.into(), value.into()))
                .into(),
            network: None,
            pause: Duration::ZERO,
            exited: false,
            power_off: false,
            code: 0,
        }
    }

    pub(super) fn prompt(&self) -> String {
        let folder = self.folder.replace("/root", "~");
        format!("root@{}:{folder}# ", self.hostname)
    }

    /// Bytes in files and variables.
    pub(super) fn size(&self) -> usize {
        let files = self.files.iter();
        let files = files.map(|(name, content)| name.len() + content.as_ref().map_or(0, Vec::len));
        let variables = self.variables.iter();
        let variables = variables.map(|(name, value)| name.len() + value.len());
        files.chain(variables).map(|size| size + ENTRY).sum()
    }

    /// Whether so many bytes more may be kept.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.files.len() + self.variables.len() < ENTRIES && self.size() + bytes <= MEMORY
    }

    /// A path from the root, without `.` and `..`.
    pub(super) fn absolute(&self, name: &str) -> String {
        let mut parts: Vec<&str> = Vec::new();
        let start = if name.starts_with('/') {
            ""
        } else {
            &self.folder
        };
        for part in start.split('/').chain(name.split('/')) {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop();
                }
                part => parts.push(part),
            }
        }
        format!("/{}", parts.join("/"))
    }
}

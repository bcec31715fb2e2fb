//! The interface: the bytes of a first visit, and the times until it paints and can be used in
//! Chromium.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::aims::FIRST_VISIT;
use super::figure::Figure;
use crate::web;
use crate::workspace::root;

/// The programs that the page needs.
pub const BINARIES: [&str; 4] = ["pve-sim", "proxmox-api", "agent-api", "web-ui"];
const VARIABLES: [&str; 4] = [
    "INFRA402_PVE_SIM",
    "INFRA402_PROXMOX_API",
    "INFRA402_AGENT_API",
    "INFRA402_WEB_UI",
];

/// The reason why the bundle is not measured.
pub const NO_BUNDLE: &str = "the bundle is not built (cargo xtask bench --web)";

/// The size of a first visit, if the bundle has been built.
///
/// # Errors
/// A file cannot be read.
pub fn first_visit() -> Result<Option<Figure>> {
    let bytes = web::first_visit()?;
    Ok(bytes.map(|bytes| Figure {
        name: FIRST_VISIT.to_owned(),
        value: bytes as f64 / 1024.0,
        unit: "KiB".to_owned(),
    }))
}

/// A machine with a browser and a bundle.
pub struct Browser {
    quick: bool,
}

impl Browser {
    /// Looks for what is needed; the error names what is missing.
    pub fn find(quick: bool) -> Result<Self, String> {
        let chromium =
            std::env::var("INFRA402_CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
        let needed = [
            (web::dist().join("index.html"), NO_BUNDLE),
            (
                root().join("e2e/browser/node_modules"),
                "npm packages are missing (cargo xtask setup)",
            ),
            (PathBuf::from(chromium), "chromium is not installed"),
        ];
        match needed.iter().find(|(path, _)| !Path::new(path).exists()) {
            Some((_, why)) => Err((*why).to_owned()),
            None => Ok(Self { quick }),
        }
    }

    /// The program that measures.
    pub fn command(&self, built: &[(String, PathBuf)]) -> Command {
        let mut command = Command::new("node");
        command
            .args(["browser/paint.mjs", if self.quick { "1" } else { "9" }])
            .current_dir(root().join("e2e"))
            .env("INFRA402_WEB_DIST", web::dist());
        for (variable, name) in VARIABLES.iter().zip(BINARIES) {
            if let Some((_, path)) = built.iter().find(|(target, _)| target == name) {
                command.env(variable, path);
            }
        }
        command
    }
}

//! The host's account that shells run as, and its shell.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Account that root inside is outside, when the simulator runs as root.
pub(super) const NOBODY: u32 = 65534;

/// Bash if the host has it, as most templates do.
pub(super) fn login_shell() -> &'static str {
    if Path::new("/bin/bash").exists() {
        "/bin/bash"
    } else {
        "/bin/sh"
    }
}

/// Whether the simulator itself is root.
pub(super) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// The words before a command that make it an ordinary user's, where the simulator is root. No
/// shell of a container, whether confined or not, is ever root on the host.
pub(super) fn ordinary_user() -> Vec<String> {
    if !is_root() {
        return Vec::new();
    }
    let id = NOBODY.to_string();
    [
        "setpriv",
        "--reuid",
        &id,
        "--regid",
        &id,
        "--clear-groups",
        "--inh-caps=-all",
    ]
    .map(String::from)
    .into()
}

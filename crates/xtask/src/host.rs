//! What is installed on this machine.

use std::fs;
use std::path::Path;

/// Debian installs each release of PostgreSQL in a folder of its own below this one.
const POSTGRESQL_RELEASES: &str = "/usr/lib/postgresql";

/// Whether the system has a program.
pub fn has_program(name: &str) -> bool {
    ["/bin", "/usr/bin", "/sbin", "/usr/sbin"]
        .iter()
        .any(|folder| Path::new(folder).join(name).exists())
}

/// Whether a PostgreSQL server can be started.
pub fn has_postgresql() -> bool {
    let releases = fs::read_dir(POSTGRESQL_RELEASES).into_iter().flatten();
    has_program("initdb")
        || releases
            .flatten()
            .any(|release| release.path().join("bin/initdb").exists())
}

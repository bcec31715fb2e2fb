//! Files of this program that only its user may read: sessions, purchases without an answer,
//! SSH keys. They lie in one folder per kind below the state folder.

use std::{
    fs::{self, DirBuilder},
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use ring::digest::{SHA256, digest};
use tempfile::NamedTempFile;

/// Makes the folder of a kind of files, for its owner only.
///
/// # Errors
/// It cannot be made.
pub fn folder(state: &Path, kind: &str) -> io::Result<PathBuf> {
    let folder = state.join(kind);
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700).create(&folder)?;
    Ok(folder)
}

/// Writes a file whole or not at all. The library makes it readable by its owner only.
///
/// # Errors
/// It cannot be written.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    // So that the new name survives a loss of power, too.
    fs::File::open(folder)?.sync_all()
}

/// A name for what belongs to these texts, which are not recognisable in it.
pub fn fingerprint(texts: &[&str]) -> String {
    let mut joined = Vec::new();
    for text in texts {
        joined.extend(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        joined.extend(text.as_bytes());
    }
    hex(&digest(&SHA256, &joined).as_ref()[..16])
}

/// Hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

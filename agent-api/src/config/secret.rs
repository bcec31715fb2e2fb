//! The secret that seals suspended calls: configured, so that replicas share it, or generated once
//! and kept in a file.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use service::{
    crypto,
    env::{Env, Secret},
};

use super::variables::{AGENT_SECRET, DATA_DIR};

/// The file's name in the data folder.
const FILE: &str = "agent.secret";
/// The minimum length of a configured secret, in characters.
pub(super) const SHORTEST: usize = 16;

/// The source of the secret.
#[derive(Clone, Debug)]
pub enum SecretSource {
    /// `AGENT_SECRET`.
    Given(Secret),
    /// A file in this folder, generated at the first start: `DATA_DIR`.
    Kept(PathBuf),
}

impl SecretSource {
    pub(super) fn read(env: &mut Env) -> Self {
        let folder = PathBuf::from(env.read_text(&DATA_DIR));
        match env.find_secret(&AGENT_SECRET) {
            Some(secret) if secret.expose().len() >= SHORTEST => Self::Given(secret),
            Some(_) => {
                let what = format!("is shorter than {SHORTEST} characters");
                env.reject(&AGENT_SECRET, what);
                Self::Kept(folder)
            }
            None => Self::Kept(folder),
        }
    }

    /// Reads the secret, or generates it.
    ///
    /// # Errors
    /// The file can be neither read nor written.
    pub fn obtain(&self) -> anyhow::Result<Secret> {
        let folder = match self {
            Self::Given(secret) => return Ok(secret.clone()),
            Self::Kept(folder) => folder,
        };
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let file = folder.join(FILE);
        make(&file).with_context(|| format!("cannot write {}", file.display()))?;
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let text = text.trim();
        if text.len() < SHORTEST {
            anyhow::bail!(
                "{} is too short; remove it to have a new one made",
                file.display()
            );
        }
        Ok(Secret::new(text))
    }
}

/// Creates the file, readable by its owner only, unless it exists. The file gets its name only once
/// it is complete, so that two processes that start together use the same secret.
fn make(file: &Path) -> std::io::Result<()> {
    if file.exists() {
        return Ok(());
    }
    let draft = file.with_extension(crypto::random_hex(8));
    let mut options = OpenOptions::new();
    let mut opened = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    opened.write_all(crypto::random_hex(32).as_bytes())?;
    opened.sync_all()?;
    let named = fs::hard_link(&draft, file);
    fs::remove_file(&draft)?;
    match named {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_generated_once_and_readable_by_its_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let source = SecretSource::Kept(folder.path().join("deep"));
        let first = source.obtain().unwrap();
        assert_eq!(first.expose().len(), 64);
        assert_eq!(source.obtain().unwrap(), first);
        let entries: Vec<_> = fs::read_dir(folder.path().join("deep")).unwrap().collect();
        assert_eq!(entries.len(), 1);
        let mode = entries[0]
            .as_ref()
            .unwrap()
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

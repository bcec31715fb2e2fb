//! The wallet's private key: from a file that only its owner can read, or from the environment;
//! never from the command line, which other users of a host can see.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use alloy::signers::local::PrivateKeySigner;
use secret::Secret;

use crate::failure::Failure;

/// The variable with the key itself.
pub const KEY_VARIABLE: &str = "INFRA402_KEY";
/// Longer files hold no key.
const LONGEST_FILE: u64 = 4096;

/// Where the key comes from.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// A file that was named.
    File(PathBuf),
    /// The environment.
    Variable(Secret),
    /// The usual place, which may be empty.
    Usual(PathBuf),
}

impl KeySource {
    /// The file that is named, or else the variable, or else the usual place in this folder.
    ///
    /// # Errors
    /// Both are given.
    pub fn choose(
        file: Option<PathBuf>,
        variable: Option<String>,
        folder: &Path,
    ) -> Result<Self, Failure> {
        match (file, variable.filter(|text| !text.is_empty())) {
            (Some(_), Some(_)) => Err(Failure::usage(format!(
                "there are two keys: one in {KEY_VARIABLE}, one in the file of --key-file or \
                 INFRA402_KEY_FILE"
            ))
            .advise("unset one of them")),
            (Some(file), None) => Ok(Self::File(file)),
            (None, Some(key)) => Ok(Self::Variable(key.into())),
            (None, None) => Ok(Self::Usual(folder.join("key"))),
        }
    }

    /// The file that holds the key, or would hold it.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(file) | Self::Usual(file) => Some(file),
            Self::Variable(_) => None,
        }
    }

    /// Reads the key. Errors never repeat any of it.
    ///
    /// # Errors
    /// There is none, it cannot be read, others can read it, or it is no key.
    pub fn read(&self) -> Result<PrivateKeySigner, Failure> {
        let text = match self {
            Self::Variable(key) => key.clone(),
            Self::File(file) => read_file(file)?,
            Self::Usual(file) if file.exists() => read_file(file)?,
            Self::Usual(_) => {
                return Err(Failure::usage("there is no wallet")
                    .advise(
                        "name a file with its private key: --key-file FILE, or INFRA402_KEY_FILE",
                    )
                    .advise("make one: infra402 wallet new"));
            }
        };
        let source = match self.file() {
            Some(file) => file.display().to_string(),
            None => KEY_VARIABLE.to_owned(),
        };
        text.expose().trim().parse().map_err(|_| {
            Failure::usage(format!(
                "{source} holds no private key: 64 hexadecimal digits, with or without 0x"
            ))
        })
    }
}

fn read_file(path: &Path) -> Result<Secret, Failure> {
    let about = fs::metadata(path).map_err(|error| unusable(path, &error.to_string()))?;
    if !about.is_file() || about.len() > LONGEST_FILE {
        return Err(unusable(path, "it is no file of a key"));
    }
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let why = format!("others than its owner have rights to it (mode {mode:03o})");
        return Err(unusable(path, &why).advise(format!("chmod 600 {}", path.display())));
    }
    let text = fs::read_to_string(path).map_err(|error| unusable(path, &error.to_string()))?;
    Ok(text.into())
}

fn unusable(path: &Path, why: &str) -> Failure {
    Failure::usage(format!(
        "the key file {} is not used: {why}",
        path.display()
    ))
}

/// Makes a key and writes it to a file that does not exist yet.
///
/// # Errors
/// The file exists or cannot be written.
pub fn make(path: &Path) -> Result<PrivateKeySigner, Failure> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::create_dir_all(folder).map_err(|error| Failure::file(folder, &error))?;
    }
    let signer = PrivateKeySigner::random();
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let written = options.open(path).and_then(|mut file| {
        let text = Secret::new(format!("{:#x}\n", signer.to_bytes()));
        file.write_all(text.expose().as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| Failure::file(path, &error))?;
    Ok(signer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, mode: u32) -> (tempfile::TempDir, KeySource) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        (folder, KeySource::File(file))
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let key = format!("{:#x}", PrivateKeySigner::random().to_bytes());
        for mode in [0o644, 0o640, 0o604, 0o620] {
            let (_folder, source) = written(&key, mode);
            let failure = source.read().unwrap_err();
            assert!(
                failure.message.contains("others than its owner"),
                "{mode:o}"
            );
            assert!(!failure.text().contains(&key[2..]));
        }
        let (_folder, source) = written(&format!("{key}\n"), 0o600);
        assert!(source.read().is_ok());
    }

    #[test]
    fn what_is_no_key_is_not_repeated() {
        let (_folder, source) = written("0x1234secret", 0o600);
        let failure = source.read().unwrap_err();
        assert!(!failure.text().contains("1234"), "{}", failure.text());
        let source = KeySource::Variable("5678".into());
        assert!(!source.read().unwrap_err().text().contains("5678"));
    }

    #[test]
    fn a_made_key_is_its_owners_and_replaces_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("below/key");
        let made = make(&file).unwrap();
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        assert_eq!(
            KeySource::File(file.clone()).read().unwrap().address(),
            made.address()
        );
        assert!(make(&file).is_err());
    }
}

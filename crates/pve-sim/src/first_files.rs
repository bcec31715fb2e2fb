//! The files that a create puts into a container beside its template's: SSH host keys and the
//! customer's public keys. They are kept with the container, because its root folder is built at
//! the first use, and a clone or a restored backup begins with the keys of its source.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey};
use serde::{Deserialize, Serialize};

/// Files of a new container.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct FirstFiles {
    /// Whether the template has an SSH server; the others begin without one.
    #[serde(default)]
    pub(crate) has_sshd: bool,
    #[serde(default)]
    host_keys: Vec<HostKey>,
    /// Lines of the parameter `ssh-public-keys`.
    #[serde(default)]
    pub(crate) public_keys: Option<String>,
}

/// A host key in OpenSSH's form.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct HostKey {
    /// `ed25519` or `ecdsa`.
    kind: String,
    private: String,
    public: String,
}

/// A host key as the log of a create shows it.
pub(crate) struct ShownKey {
    /// Name of the file.
    pub(crate) name: String,
    /// `SHA256:…`, without padding.
    pub(crate) fingerprint: String,
}

impl FirstFiles {
    /// Makes host keys as Proxmox does for every template that has `/etc/ssh`; returns what the
    /// log shows about them.
    ///
    /// # Errors
    /// A key cannot be encoded.
    pub(crate) fn make_host_keys(&mut self, comment: &str) -> io::Result<Vec<ShownKey>> {
        let algorithms = [
            ("ed25519", Algorithm::Ed25519),
            (
                "ecdsa",
                Algorithm::Ecdsa {
                    curve: EcdsaCurve::NistP256,
                },
            ),
        ];
        let mut shown = Vec::new();
        for (kind, algorithm) in algorithms {
            let mut key = PrivateKey::random(&mut russh::keys::key::safe_rng(), algorithm)
                .map_err(io::Error::other)?;
            key.set_comment(comment);
            let private = key.to_openssh(LineEnding::LF).map_err(io::Error::other)?;
            let public = key.public_key().to_openssh().map_err(io::Error::other)?;
            shown.push(ShownKey {
                name: format!("ssh_host_{kind}_key"),
                fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
            });
            self.host_keys.push(HostKey {
                kind: kind.to_owned(),
                private: private.to_string(),
                public,
            });
        }
        Ok(shown)
    }

    /// Writes the files into a folder that no tenant has seen. `home` is root's.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(crate) fn lay(&self, etc_ssh: &Path, home: &Path) -> io::Result<()> {
        if !self.host_keys.is_empty() {
            fs::create_dir_all(etc_ssh)?;
        }
        for key in &self.host_keys {
            let path = etc_ssh.join(format!("ssh_host_{}_key", key.kind));
            write_new(&path, key.private.as_bytes(), 0o600)?;
            let public = format!("{}\n", key.public);
            write_new(&path.with_extension("pub"), public.as_bytes(), 0o644)?;
        }
        if let Some(keys) = &self.public_keys {
            let folder = home.join(".ssh");
            DirBuilder::new().mode(0o700).create(&folder)?;
            let keys = keys.trim_end_matches('\n');
            let text = format!("# --- BEGIN PVE ---\n{keys}\n# --- END PVE ---\n");
            write_new(&folder.join("authorized_keys"), text.as_bytes(), 0o700)?;
        }
        Ok(())
    }
}

fn write_new(path: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_shown_fingerprints_are_those_of_the_keys_in_the_folder() {
        let place = tempfile::tempdir().unwrap();
        let mut files = FirstFiles {
            public_keys: Some("ssh-ed25519 AAAA one\n".into()),
            ..FirstFiles::default()
        };
        let shown = files.make_host_keys("root@web").unwrap();
        assert_eq!(shown.len(), 2);
        let etc = place.path().join("etc/ssh");
        files.lay(&etc, place.path()).unwrap();
        for key in shown {
            let path = etc.join(&key.name);
            let private = PrivateKey::read_openssh_file(&path).unwrap();
            assert_eq!(
                private.fingerprint(HashAlg::Sha256).to_string(),
                key.fingerprint
            );
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            let public = fs::read_to_string(path.with_extension("pub")).unwrap();
            assert!(public.ends_with(" root@web\n"), "{public}");
        }
        let authorized = place.path().join(".ssh/authorized_keys");
        assert_eq!(
            fs::read_to_string(&authorized).unwrap(),
            "# --- BEGIN PVE ---\nssh-ed25519 AAAA one\n# --- END PVE ---\n"
        );
        let mode = authorized.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}

//! Who we are to this host, and what we may do there.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::client::Client;
use crate::error::Error;
use crate::lenient;
use crate::path::ApiPath;

/// The release of the host (`GET /version`).
#[derive(Clone, Debug, Deserialize)]
pub struct Version {
    /// Such as `9.0.11`.
    pub version: String,
    /// Such as `9.0`.
    #[serde(default)]
    pub release: String,
    /// The commit of the build.
    #[serde(default)]
    pub repoid: String,
}

/// The privileges of the account (`GET /access/permissions`).
#[derive(Clone, Debug, Default)]
pub struct Permissions {
    by_path: BTreeMap<String, BTreeMap<String, bool>>,
}

impl Permissions {
    /// True if the account has the privilege on the object: set there, or set above it and handed down.
    pub fn grants(&self, path: &str, privilege: &str) -> bool {
        if let Some(here) = self.by_path.get(path) {
            // Proxmox reports effective rights, so a path that is listed needs no look above it.
            return here.contains_key(privilege);
        }
        let mut above = path;
        while let Some(cut) = above.rfind('/') {
            above = &above[..cut];
            let key = if above.is_empty() { "/" } else { above };
            if let Some(privileges) = self.by_path.get(key) {
                return privileges.get(privilege) == Some(&true);
            }
        }
        false
    }

    /// All paths that Proxmox lists, with the privileges there; the flag says whether it is handed down.
    pub fn paths(&self) -> &BTreeMap<String, BTreeMap<String, bool>> {
        &self.by_path
    }
}

impl<'de> Deserialize<'de> for Permissions {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Flag(#[serde(deserialize_with = "lenient::flag")] bool);
        // An account without any rights gets an empty list where others get an object.
        let by_path: BTreeMap<String, BTreeMap<String, Flag>> =
            match Value::deserialize(deserializer)? {
                Value::Array(items) if items.is_empty() => BTreeMap::new(),
                Value::Null => BTreeMap::new(),
                shape => serde_json::from_value(shape).map_err(serde::de::Error::custom)?,
            };
        let by_path = by_path
            .into_iter()
            .map(|(path, set)| {
                (
                    path,
                    set.into_iter().map(|(name, flag)| (name, flag.0)).collect(),
                )
            })
            .collect();
        Ok(Self { by_path })
    }
}

impl Client {
    /// The host's release; any valid account may ask, which makes it the health check.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn version(&self) -> Result<Version, Error> {
        self.get(ApiPath::new("/version"), Vec::new()).await
    }

    /// The account's effective privileges, on one object or on all that it has any on.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn permissions(&self, path: Option<&str>) -> Result<Permissions, Error> {
        let params = path
            .map(|path| ("path".to_owned(), path.to_owned()))
            .into_iter()
            .collect();
        self.get(ApiPath::new("/access/permissions"), params).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_privilege_is_handed_down_only_where_proxmox_says_so() {
        let permissions: Permissions = serde_json::from_str(
            r#"{"/": {"Sys.Audit": 0}, "/pool/infra402": {"VM.Allocate": 1, "VM.Audit": "1"}, "/storage": {"Datastore.Audit": 1},
                "/storage/secret": {}}"#,
        )
        .unwrap();
        assert!(permissions.grants("/", "Sys.Audit"));
        assert!(!permissions.grants("/nodes/pve", "Sys.Audit"));
        assert!(permissions.grants("/pool/infra402", "VM.Allocate"));
        assert!(permissions.grants("/pool/infra402/sub", "VM.Audit"));
        assert!(!permissions.grants("/pool/other", "VM.Audit"));
        assert!(permissions.grants("/storage/local", "Datastore.Audit"));
        assert!(!permissions.grants("/storage/secret", "Datastore.Audit"));
    }

    #[test]
    fn an_account_without_rights_is_read() {
        for empty in ["{}", "[]", "null"] {
            assert!(
                serde_json::from_str::<Permissions>(empty)
                    .unwrap()
                    .paths()
                    .is_empty()
            );
        }
    }
}

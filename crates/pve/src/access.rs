//! The host's release and the account's privileges.

use std::collections::{BTreeMap, BTreeSet};

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
    /// Only the project's simulator has this.
    #[serde(default)]
    pub simulator: Option<Simulator>,
}

/// What the simulator reports about itself.
#[derive(Clone, Debug, Deserialize)]
pub struct Simulator {
    /// A sentence for customers about the shells in its containers.
    pub notice: String,
}

/// The privileges of the account (`GET /access/permissions`).
#[derive(Clone, Debug, Default)]
pub struct Permissions {
    by_path: BTreeMap<String, BTreeMap<String, bool>>,
}

impl Permissions {
    /// All paths that Proxmox lists, with the privileges there; the flag says whether it is
    /// inherited below the path. A path that is not listed may have no rule of its own, or one that
    /// takes every right away: ask [`Client::privileges`] for what holds there.
    pub fn paths(&self) -> &BTreeMap<String, BTreeMap<String, bool>> {
        &self.by_path
    }
}

/// The privileges of the account on one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Privileges(BTreeSet<String>);

impl Privileges {
    /// True if the account has it there, by a rule on the object or one above it.
    pub fn contains(&self, privilege: &str) -> bool {
        self.0.contains(privilege)
    }
}

impl<'de> Deserialize<'de> for Permissions {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Flag(#[serde(deserialize_with = "lenient::opt_flag")] Option<bool>);
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
                // A privilege without a flag is one that was taken away again.
                let held = set.into_iter();
                let held = held.filter_map(|(name, flag)| Some((name, flag.0?)));
                (path, held.collect())
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

    /// The account's effective privileges on the objects that Proxmox lists by itself.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn permissions(&self) -> Result<Permissions, Error> {
        self.get(ApiPath::new("/access/permissions"), Vec::new())
            .await
    }

    /// The account's effective privileges on one object, whatever rules lead to them.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn privileges(&self, path: &str) -> Result<Privileges, Error> {
        let params = vec![("path".to_owned(), path.to_owned())];
        let answer: Permissions = self
            .get(ApiPath::new("/access/permissions"), params)
            .await?;
        let held = answer.by_path.get(path).into_iter().flatten();
        Ok(Privileges(held.map(|(name, _)| name.clone()).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_privilege_counts_whether_or_not_it_is_handed_down_but_not_without_a_flag() {
        let permissions: Permissions = serde_json::from_str(
            r#"{"/": {"Sys.Audit": 0}, "/pool/infra402": {"VM.Allocate": 1, "VM.Audit": "1", "VM.Console": null}}"#,
        )
        .unwrap();
        let flags = |path: &str| {
            permissions.paths()[path]
                .values()
                .copied()
                .collect::<Vec<_>>()
        };
        assert_eq!(flags("/"), [false]);
        assert_eq!(flags("/pool/infra402"), [true, true]);
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

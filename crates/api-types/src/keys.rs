//! Bodies of the routes about API keys, which spend a wallet's credit and act for it.

use secret::Secret;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{money::Usdc, time::Timestamp};

/// The most characters of a key's name.
pub const MAX_KEY_NAME: usize = 64;

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum KeyScope {
    /// Lease containers.
    Lease,
    /// Add time to leases.
    Renew,
    /// Run commands, open consoles and log in by SSH.
    Exec,
    /// Read and write files.
    Files,
    /// Stop and start containers, publish ports.
    Power,
    /// End leases.
    Destroy,
    /// See leases, payments and credit.
    Read,
}

impl KeyScope {
    /// Every scope.
    pub const ALL: [Self; 7] = [
        Self::Lease,
        Self::Renew,
        Self::Exec,
        Self::Files,
        Self::Power,
        Self::Destroy,
        Self::Read,
    ];

    /// The scopes of a key whose maker named none: all but [`KeyScope::Destroy`].
    pub fn of_a_new_key() -> Vec<Self> {
        let all = Self::ALL.into_iter();
        all.filter(|scope| *scope != Self::Destroy).collect()
    }

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lease => "lease",
            Self::Renew => "renew",
            Self::Exec => "exec",
            Self::Files => "files",
            Self::Power => "power",
            Self::Destroy => "destroy",
            Self::Read => "read",
        }
    }

    /// The scope with this word, if there is one.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }
}

/// A key to be made: the body of `POST /keys`, and a member of a top-up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct KeyRequest {
    /// Its name, for its owner: at most 64 characters.
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub name: String,
    /// What it may do; everything but `destroy` where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<KeyScope>>,
    /// The only lease that it is good for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_id: Option<String>,
    /// What it may spend in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_total: Option<Usdc>,
    /// What it may spend in a day of UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_day: Option<Usdc>,
    /// What a single call may cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_call: Option<Usdc>,
    /// Until when it is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// The body of `PATCH /keys/{id}`: what is absent stays as it is, and a limit that is null is
/// removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct KeyChange {
    /// Its name: at most 64 characters.
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it may spend in all.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Usdc>"))]
    pub limit_total: Option<Option<Usdc>>,
    /// What it may spend in a day of UTC.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Usdc>"))]
    pub limit_day: Option<Option<Usdc>>,
    /// What a single call may cost.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Usdc>"))]
    pub limit_call: Option<Option<Usdc>>,
    /// Whether it is switched off for a while.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
}

/// Tells a member that is null from one that is absent.
fn given<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// A key as its owner sees it. The key itself is shown once, when it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct KeyView {
    /// Its public id: the first 8 digits.
    pub id: String,
    /// What it begins with, by which it is recognised: `i402_` and the id.
    pub prefix: String,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<KeyScope>,
    /// The only lease that it is good for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_id: Option<String>,
    /// What it may spend in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_total: Option<Usdc>,
    /// What it may spend in a day of UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_day: Option<Usdc>,
    /// What a single call may cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_call: Option<Usdc>,
    /// What it has spent.
    pub spent: Usdc,
    /// What it has spent today, calls that are not over included.
    pub spent_today: Usdc,
    /// What is held for its calls that are not over.
    pub held: Usdc,
    /// What its limits leave, or its wallet's credit where that is less.
    pub remaining: Usdc,
    /// Whether it is switched off for a while.
    pub disabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was used last, to the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked, for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

/// A key that was just made: the only time that it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct NewKey {
    /// What to send as `Authorization: Bearer …`.
    #[serde(serialize_with = "secret::serialize_exposed")]
    pub key: Secret,
    /// Its public id.
    pub id: String,
}

/// The answer of `POST /keys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct KeyCreated {
    /// What to send as `Authorization: Bearer …`.
    #[serde(serialize_with = "secret::serialize_exposed")]
    pub key: Secret,
    /// What is shown of it from now on.
    #[serde(flatten)]
    pub view: KeyView,
}

/// The answer of `GET /keys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct KeyList {
    /// The wallet's keys, the youngest first.
    pub keys: Vec<KeyView>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_null_is_not_one_that_is_absent() {
        let change: KeyChange = serde_json::from_str(r#"{"limitDay": null}"#).unwrap();
        assert_eq!(change.limit_day, Some(None));
        assert_eq!(change.limit_total, None);
        let text = serde_json::to_string(&change).unwrap();
        assert_eq!(text, r#"{"limitDay":null}"#);
    }

    #[test]
    fn words_of_scopes_are_read_back() {
        for scope in KeyScope::ALL {
            assert_eq!(KeyScope::parse(scope.as_str()), Some(scope));
            let json = serde_json::to_value(scope).unwrap();
            assert_eq!(json, scope.as_str());
        }
        assert!(!KeyScope::of_a_new_key().contains(&KeyScope::Destroy));
    }
}

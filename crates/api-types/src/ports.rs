//! Bodies of the routes about published ports: servers in a container that get an address of their
//! own on the web.

use secret::Secret;
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Who may open a published port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PortAccess {
    /// The lease's owner, by an address that is good once.
    #[default]
    Owner,
    /// Those who have the link.
    Link,
    /// Everybody.
    Public,
}

impl PortAccess {
    /// Every kind of access.
    pub const ALL: [Self; 3] = [Self::Owner, Self::Link, Self::Public];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Link => "link",
            Self::Public => "public",
        }
    }

    /// The access with this word, if there is one.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|access| access.as_str() == word)
    }
}

/// The body of `PUT /lease/{lease}/ports/{port}`; an absent one is for the owner only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortRequest {
    /// Who may open it.
    #[serde(default)]
    pub access: PortAccess,
}

/// A published port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PortView {
    /// The port in the container.
    pub port: u16,
    /// Who may open it.
    pub access: PortAccess,
    /// Its address.
    pub url: String,
    /// The address with its token, where it is opened by link: a secret that opens the port until
    /// its access is changed.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "secret::serialize_exposed"
    )]
    pub link: Option<Secret>,
}

/// The answer of `GET /lease/{lease}/ports`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PortList {
    /// The ports, by number.
    pub ports: Vec<PortView>,
    /// Why none of them can be opened, where the operator took the lease's name down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_down: Option<String>,
}

/// The answer of `POST /lease/{lease}/ports/{port}/visit`: a way for the owner to open a port that
/// is not public.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PortVisit {
    /// An address for a browser, good once. It sets a cookie and leads on to the port's own address.
    #[serde(serialize_with = "secret::serialize_exposed")]
    pub url: Secret,
    /// Until when the address can be opened.
    pub url_expires_at: Timestamp,
    /// For programs: the value of the header `X-Infra402-Access`.
    #[serde(serialize_with = "secret::serialize_exposed")]
    pub token: Secret,
    /// Until when token and cookie are good.
    pub token_expires_at: Timestamp,
}

//! [`Secret`], the one type of the workspace for texts that must not reach a log.

use std::collections::BTreeMap;
use std::fmt;

use serde::ser::SerializeTuple as _;
use serde::{Deserialize, Serialize, Serializer};

/// A password, token, ticket, key or password hash. `Debug` prints `***`, there is no `Display`,
/// and [`Secret::expose`] is the only way to the text in code.
///
/// It cannot be serialised by accident. A member that carries a secret to its reader says so by
/// `#[serde(serialize_with = "secret::serialize_exposed")]`; see [`serialize_exposed()`].
///
/// ```compile_fail,E0277
/// serde_json::to_string(&secret::Secret::new("correct horse"));
/// ```
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    // The description in the OpenAPI documents, which stays.
    schemars(description = "A password, token or ticket. It is serialised as the plain text, since \
it has to reach its reader; `Debug`\nprints `***`, and there is no `Display`.")
)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The plain text, for the code that sends it, signs with it or compares it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// Serialises secrets as plain text, for members of bodies and of what is stored.
///
/// # Errors
/// The serializer failed.
pub fn serialize_exposed<T: Exposable, S: Serializer>(
    secrets: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    secrets.serialize_exposed(serializer)
}

/// A secret, or several of them, for [`serialize_exposed()`].
pub trait Exposable {
    /// Serialises the plain text.
    ///
    /// # Errors
    /// The serializer failed.
    fn serialize_exposed<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
}

impl Exposable for Secret {
    fn serialize_exposed<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<T: Exposable> Exposable for Option<T> {
    fn serialize_exposed<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_ref().map(Exposed).serialize(serializer)
    }
}

/// Headers, by their names.
impl Exposable for BTreeMap<String, Secret> {
    fn serialize_exposed<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let exposed = self.iter().map(|(name, secret)| (name, Exposed(secret)));
        serializer.collect_map(exposed)
    }
}

/// A header: its name and its value.
impl Exposable for (String, Secret) {
    fn serialize_exposed<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pair = serializer.serialize_tuple(2)?;
        pair.serialize_element(&self.0)?;
        pair.serialize_element(&Exposed(&self.1))?;
        pair.end()
    }
}

struct Exposed<'a, T>(&'a T);

impl<T: Exposable> Serialize for Exposed<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize_exposed(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_reach_the_log() {
        let secret = Secret::new("correct horse");
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(
            format!("{:?}", Some(("token", secret))),
            r#"Some(("token", ***))"#
        );
    }

    #[test]
    fn members_that_say_so_carry_secrets_to_their_reader() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Body {
            #[serde(serialize_with = "crate::serialize_exposed")]
            token: Secret,
            #[serde(default, serialize_with = "crate::serialize_exposed")]
            password: Option<Secret>,
            #[serde(serialize_with = "crate::serialize_exposed")]
            headers: Option<BTreeMap<String, Secret>>,
            #[serde(serialize_with = "crate::serialize_exposed")]
            header: (String, Secret),
        }
        let named = || ("name".to_owned(), Secret::new("three"));
        let body = Body {
            token: Secret::new("one"),
            password: None,
            headers: Some(BTreeMap::from([named()])),
            header: named(),
        };
        let text = serde_json::to_string(&body).unwrap();
        let expected = r#"{"token":"one","password":null,"headers":{"name":"three"},"header":["name","three"]}"#;
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Body>(&text).unwrap(), body);
    }
}

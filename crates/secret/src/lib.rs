//! [`Secret`], the one type of the workspace for texts that must not reach a log.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A password, token, ticket, key or password hash. `Debug` prints `***`, there is no `Display`,
/// and [`Secret::expose`] is the only way to the text in code. It is serialised as the plain text,
/// because bodies carry it to its reader.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_reaches_the_wire_but_not_the_log() {
        let secret = Secret::new("correct horse");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"correct horse\"");
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(
            format!("{:?}", Some(("token", secret))),
            r#"Some(("token", ***))"#
        );
    }
}

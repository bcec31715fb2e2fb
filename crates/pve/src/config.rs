//! Where the Proxmox host is, whom to trust there and who we are.

use std::path::PathBuf;
use std::time::Duration;

use secret::Secret;
use url::Url;

use crate::certificate::Fingerprint;

/// Everything a [`crate::Client`] needs.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// `https://host:8006`. One host, not a round-robin name: a terminal's two calls have to meet the same one.
    pub base_url: String,
    /// The account.
    pub auth: Auth,
    /// How the host's certificate is checked.
    pub tls: Tls,
    /// How long to wait.
    pub timeouts: Timeouts,
}

impl ClientConfig {
    /// A configuration with the system's roots of trust and the default timeouts.
    pub fn new(base_url: impl Into<String>, auth: Auth) -> Self {
        Self {
            base_url: base_url.into(),
            auth,
            tls: Tls::System,
            timeouts: Timeouts::default(),
        }
    }
}

/// The account that calls are made with.
#[derive(Clone, Debug)]
pub enum Auth {
    /// An API token: `user@realm!name` and its secret.
    Token {
        /// The full token id.
        id: String,
        /// The UUID shown once when the token was made.
        secret: Secret,
    },
    /// A user's password, exchanged for a ticket that is renewed in time.
    Password {
        /// `user@realm`.
        user: String,
        /// The password.
        password: Secret,
    },
}

impl Auth {
    /// A token.
    pub fn token(id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        Self::Token {
            id: id.into(),
            secret: secret.into(),
        }
    }

    /// A user with a password.
    pub fn password(user: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self::Password {
            user: user.into(),
            password: password.into(),
        }
    }

    /// The account's name, as Proxmox logs it.
    pub fn name(&self) -> &str {
        match self {
            Self::Token { id, .. } => id,
            Self::Password { user, .. } => user,
        }
    }
}

/// How the host's certificate is checked.
#[derive(Clone, Debug, Default)]
pub enum Tls {
    /// By the system's roots.
    #[default]
    System,
    /// By the certificates in a PEM file, such as a copy of `/etc/pve/pve-root-ca.pem`, and no others.
    CaFile(PathBuf),
    /// By the certificates in this PEM text and no others.
    CaPem(Vec<u8>),
    /// By its SHA-256 fingerprint; name and dates do not matter then.
    Fingerprint(Fingerprint),
    /// Not at all. For trying things out.
    Insecure,
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For the connection and the TLS handshake.
    pub connect: Duration,
    /// For the whole of a call that only reads.
    pub read: Duration,
    /// For the whole of a call that changes something. Proxmox itself gives up after 30 seconds when it forwards to
    /// another node; waiting longer than that turns most of those into its own clear answer.
    pub write: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(20),
            write: Duration::from_secs(45),
        }
    }
}

/// A configuration that no client can be made of.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The address does not parse or has the wrong form.
    #[error(
        "{0:?} is not an address of a Proxmox host: {1}; write it like https://pve.example.org:8006"
    )]
    BaseUrl(String, String),
    /// The token id or user has the wrong form.
    #[error("{0:?} is not a Proxmox account: {1}")]
    Account(String, &'static str),
    /// The secret holds characters that cannot be sent in a header, or nothing.
    #[error("the secret of {0:?} is empty or holds characters that cannot be sent")]
    Secret(String),
    /// The CA file cannot be read.
    #[error("the CA file {path} cannot be read: {cause}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The PEM text holds no usable certificate.
    #[error("the CA certificates cannot be used: {0}")]
    Ca(String),
    /// The HTTP client cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

impl ClientConfig {
    /// The address of a host as it is best written down: without what may follow the host's own
    /// path, so that a path of the API can be put behind it.
    pub fn tidy_base_url(given: &str) -> &str {
        let trimmed = given.trim().trim_end_matches('/');
        let trimmed = trimmed.strip_suffix("/json").unwrap_or(trimmed);
        let trimmed = trimmed.strip_suffix("/api2").unwrap_or(trimmed);
        trimmed.trim_end_matches('/')
    }
}

/// Checks the address and reduces it to the API's root, `https://host:port/api2/json`.
pub(crate) fn api_root(base_url: &str) -> Result<String, ConfigError> {
    let bad = |why: &str| ConfigError::BaseUrl(redacted(base_url), why.to_owned());
    let trimmed = base_url.trim();
    if !trimmed.contains("://") {
        return Err(bad("the scheme is missing"));
    }
    let url = Url::parse(trimmed).map_err(|e| bad(&e.to_string()))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(bad("the scheme has to be https"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(bad("the host is missing"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("credentials do not belong into the address"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("a query or fragment does not belong into it"));
    }
    let path = ClientConfig::tidy_base_url(url.path());
    Ok(format!(
        "{}{path}/api2/json",
        url.origin().ascii_serialization()
    ))
}

/// An address for an error message, without what stands before an `@`.
fn redacted(base_url: &str) -> String {
    match base_url.rsplit_once('@') {
        Some((_, host)) => format!("***@{host}"),
        None => base_url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_root_is_found_from_any_usual_spelling() {
        for given in [
            "https://pve.example.org:8006",
            " https://pve.example.org:8006/ ",
            "https://pve.example.org:8006/api2/json",
            "https://pve.example.org:8006/api2/json/",
        ] {
            assert_eq!(
                api_root(given).unwrap(),
                "https://pve.example.org:8006/api2/json"
            );
        }
        assert_eq!(
            api_root("https://[::1]:8006").unwrap(),
            "https://[::1]:8006/api2/json"
        );
        assert_eq!(
            api_root("https://gw.example.org/pve/").unwrap(),
            "https://gw.example.org/pve/api2/json"
        );
    }

    #[test]
    fn an_address_is_written_without_what_follows_the_host() {
        for (given, tidy) in [
            ("https://pve:8006", "https://pve:8006"),
            (" https://pve:8006// ", "https://pve:8006"),
            ("https://gw/pve/api2/json/", "https://gw/pve"),
            ("https://gw/api2/", "https://gw"),
        ] {
            assert_eq!(ClientConfig::tidy_base_url(given), tidy);
        }
    }

    #[test]
    fn an_unusable_address_is_explained_without_its_credentials() {
        for bad in [
            "pve:8006",
            "",
            "ftp://pve",
            "https://",
            "https://pve/?x=1",
            "https://u:secret@pve:8006",
        ] {
            let text = api_root(bad).unwrap_err().to_string();
            assert!(text.contains("https://pve.example.org:8006"), "{text}");
            assert!(!text.contains("secret"), "{text}");
        }
    }
}

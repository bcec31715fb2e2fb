//! The text that a wallet signs to sign in, in the form of EIP-4361, which wallets recognise and
//! compare with the page.

use std::fmt;

use alloy::primitives::Address;
use api_types::Timestamp;
use axum::http::{HeaderMap, header};
use url::Url;

use crate::config::Config;

/// The page that a wallet signs in to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInPage {
    /// Host, with the port unless it is the scheme's own.
    domain: String,
    uri: String,
}

impl SignInPage {
    /// The page of the request if it may call the API, else this service itself. Wallets warn when
    /// the text names another domain than the page that shows it.
    ///
    /// With `*` among the allowed origins no page is named: any page could then make its visitors
    /// open sessions here.
    pub fn from_headers(config: &Config, headers: &HeaderMap) -> Self {
        let origin = headers
            .get(header::ORIGIN)
            .and_then(|origin| origin.to_str().ok());
        let known = origin.filter(|origin| config.allowed_origins.iter().any(|own| own == origin));
        match known.filter(|origin| *origin != "*") {
            Some(origin) => Self::at(origin),
            None => Self {
                uri: config.public_base_url.clone(),
                ..Self::at(&config.public_base_url)
            },
        }
    }

    fn at(address: &str) -> Self {
        let origin = Url::parse(address).map_or_else(
            |_| address.to_owned(),
            |url| url.origin().ascii_serialization(),
        );
        let domain = origin
            .split_once("://")
            .map_or(origin.as_str(), |(_, authority)| authority);
        Self {
            domain: domain.to_owned(),
            uri: origin,
        }
    }
}

/// The content of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInMessage {
    /// The page.
    pub page: SignInPage,
    /// The account.
    pub address: Address,
    /// The chain of the wallet.
    pub chain_id: u64,
    /// Makes each text unique.
    pub nonce: String,
    /// When it was made.
    pub issued_at: Timestamp,
    /// Until when it may be used.
    pub expires_at: Timestamp,
}

const STATEMENT: &str =
    "Sign in to see and end the leases of this wallet. This costs nothing and moves no money.";

impl fmt::Display for SignInMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SignInPage { domain, uri } = &self.page;
        let address = self.address.to_checksum(None);
        writeln!(
            f,
            "{domain} wants you to sign in with your Ethereum account:"
        )?;
        writeln!(f, "{address}\n\n{STATEMENT}\n")?;
        writeln!(f, "URI: {uri}\nVersion: 1\nChain ID: {}", self.chain_id)?;
        writeln!(f, "Nonce: {}", self.nonce)?;
        writeln!(f, "Issued At: {}", self.issued_at)?;
        write!(f, "Expiration Time: {}", self.expires_at)
    }
}

/// The account that a text of ours names, in its second line.
pub fn address_in(message: &str) -> Option<Address> {
    message.lines().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use service::env::Env;

    use super::*;

    fn page(origin: Option<&'static str>, allowed: &str) -> SignInPage {
        let config = Config::from_env(Env::from_map([
            ("ADDRESS", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
            ("PVE_HOST", "https://pve.example:8006"),
            ("PVE_TOKEN_ID", "infra402@pve!svc"),
            ("PVE_TOKEN_SECRET", "x"),
            ("PUBLIC_BASE_URL", "https://lease.example/api"),
            ("ALLOWED_ORIGINS", allowed),
        ]))
        .unwrap();
        let mut headers = HeaderMap::new();
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        }
        SignInPage::from_headers(&config, &headers)
    }

    #[test]
    fn the_text_is_an_eip_4361_message() {
        let address: Address = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"
            .parse()
            .unwrap();
        let text = SignInMessage {
            page: page(Some("http://shop.example:3000"), "http://shop.example:3000"),
            address,
            chain_id: 84532,
            nonce: "0123456789abcdef".into(),
            issued_at: Timestamp(1_790_000_000),
            expires_at: Timestamp(1_790_000_300),
        }
        .to_string();
        assert_eq!(
            text,
            "shop.example:3000 wants you to sign in with your Ethereum account:\n\
             0x70997970C51812dc3A010C7d01b50e0d17dc79C8\n\n\
             Sign in to see and end the leases of this wallet. This costs nothing and moves no money.\n\n\
             URI: http://shop.example:3000\nVersion: 1\nChain ID: 84532\nNonce: 0123456789abcdef\n\
             Issued At: 2026-09-21T14:13:20Z\nExpiration Time: 2026-09-21T14:18:20Z"
        );
        assert_eq!(address_in(&text), Some(address));
    }

    #[test]
    fn only_an_allowed_page_is_named_and_else_the_service_itself() {
        let own = SignInPage {
            domain: "lease.example".into(),
            uri: "https://lease.example/api".into(),
        };
        let allowed = "https://shop.example";
        for origin in [None, Some("https://evil.example"), Some("null"), Some("*")] {
            assert_eq!(page(origin, allowed), own, "{origin:?}");
            assert_eq!(page(origin, "*"), own, "{origin:?}");
        }
        assert_eq!(page(Some(allowed), allowed).domain, "shop.example");
    }
}

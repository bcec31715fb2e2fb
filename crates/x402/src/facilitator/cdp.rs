//! Coinbase's facilitator: the HTTP facilitator at [`URL`] with a signed token for each request.
//!
//! The token (JWT, RFC 7519) is bound to one method, host and path, and is valid for two minutes. A
//! key is Ed25519, 64 bytes in base64, or P-256 in PEM, as the developer portal issues them.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use alloy::primitives::hex;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use reqwest::{
    Method,
    header::{AUTHORIZATION, HeaderMap, HeaderValue},
};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use serde_json::json;
use url::Url;

use super::http::AuthHeaders;
use crate::eip3009::random_nonce;

/// The base URL of the facilitator.
pub const URL: &str = "https://api.cdp.coinbase.com/platform/v2/x402";
/// The validity of a token in seconds.
const LIFETIME: u64 = 120;

/// Signs requests with an API key.
pub struct CdpAuth {
    id: String,
    key: Key,
}

enum Key {
    Ed25519(Box<Ed25519KeyPair>),
    P256(Box<EcdsaKeyPair>),
}

/// The key's secret has none of the known formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the API key's secret is neither an Ed25519 key (64 bytes in base64) nor a P-256 key in PEM"
)]
pub struct BadKey;

impl CdpAuth {
    /// Reads a key as the portal shows it. In a PEM text, line breaks may be written as `\n`, as
    /// in environment files.
    ///
    /// # Errors
    /// [`BadKey`], which never quotes the secret.
    pub fn new(id: impl Into<String>, secret: &str) -> Result<Self, BadKey> {
        let key = if secret.contains("-----BEGIN") {
            Key::P256(Box::new(p256(&secret.replace("\\n", "\n"))?))
        } else {
            let bytes = STANDARD.decode(secret.trim()).map_err(|_| BadKey)?;
            let (seed, public) = bytes.split_at_checked(32).ok_or(BadKey)?;
            let pair = Ed25519KeyPair::from_seed_and_public_key(seed, public);
            Key::Ed25519(Box::new(pair.map_err(|_| BadKey)?))
        };
        Ok(Self { id: id.into(), key })
    }

    /// The token for one request, at `now` in Unix seconds.
    fn token(&self, method: &Method, url: &Url, now: u64, nonce: &str) -> Result<String, String> {
        let algorithm = match self.key {
            Key::Ed25519(_) => "EdDSA",
            Key::P256(_) => "ES256",
        };
        let head = json!({"alg": algorithm, "kid": self.id, "typ": "JWT", "nonce": nonce});
        let host = url.host_str().ok_or("the facilitator's URL has no host")?;
        let claims = json!({
            "sub": self.id, "iss": "cdp", "iat": now, "nbf": now, "exp": now + LIFETIME,
            "uris": [format!("{method} {host}{}", url.path())],
        });
        let encode = |part: &serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let text = format!("{}.{}", encode(&head), encode(&claims));
        let signature = match &self.key {
            Key::Ed25519(pair) => URL_SAFE_NO_PAD.encode(pair.sign(text.as_bytes())),
            Key::P256(pair) => pair
                .sign(&SystemRandom::new(), text.as_bytes())
                .map(|signature| URL_SAFE_NO_PAD.encode(signature))
                .map_err(|_| "the system's random generator failed")?,
        };
        Ok(format!("{text}.{signature}"))
    }
}

impl AuthHeaders for CdpAuth {
    fn headers(&self, method: &Method, url: &Url) -> Result<HeaderMap, String> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_secs());
        let nonce = hex::encode(&random_nonce()[..16]);
        let token = self.token(method, url, now, &nonce)?;
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}"))
            .expect("a token is letters, digits, '-', '_' and '.'");
        bearer.set_sensitive(true);
        Ok(HeaderMap::from_iter([(AUTHORIZATION, bearer)]))
    }
}

impl fmt::Debug for CdpAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CdpAuth({}, ***)", self.id)
    }
}

/// Reads a P-256 key in PEM: PKCS#8, or SEC 1 as OpenSSL writes it.
fn p256(pem: &str) -> Result<EcdsaKeyPair, BadKey> {
    let base64: String = pem
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let der = STANDARD.decode(base64).map_err(|_| BadKey)?;
    let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
    let pair = match sec1(&der) {
        Some((private, public)) => {
            EcdsaKeyPair::from_private_key_and_public_key(algorithm, private, public, &random)
        }
        None => EcdsaKeyPair::from_pkcs8(algorithm, &der, &random),
    };
    pair.map_err(|_| BadKey)
}

/// The private and the public key of RFC 5915's structure. For a P-256 key with its curve and
/// public key, the encoding has a fixed length.
fn sec1(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = der.strip_prefix(&hex!("30770201010420"))?;
    let (private, rest) = rest.split_at_checked(32)?;
    let public = rest.strip_prefix(&hex!("a00a06082a8648ce3d030107a144034200"))?;
    (public.len() == 65).then_some((private, public))
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, ED25519, KeyPair as _, UnparsedPublicKey};
    use serde_json::Value;

    use super::*;

    fn verify_url() -> Url {
        format!("{URL}/verify").parse().unwrap()
    }

    /// The token's claims, if the signature is valid.
    fn claims(auth: &CdpAuth) -> Value {
        let token = auth
            .token(&Method::POST, &verify_url(), 1_000, "00ff")
            .unwrap();
        let (text, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        match &auth.key {
            Key::Ed25519(pair) => UnparsedPublicKey::new(&ED25519, pair.public_key().as_ref())
                .verify(text.as_bytes(), &signature),
            Key::P256(pair) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref())
                    .verify(text.as_bytes(), &signature)
            }
        }
        .unwrap();
        let (_, claims) = text.split_once('.').unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
    }

    fn ed25519_secret() -> String {
        let seed = [7; 32];
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
        STANDARD.encode([&seed[..], pair.public_key().as_ref()].concat())
    }

    fn pem(label: &str, der: &[u8]) -> String {
        let body = STANDARD.encode(der);
        format!("-----BEGIN {label}-----\\n{body}\\n-----END {label}-----\\n")
    }

    #[test]
    fn a_token_is_bound_to_one_request_and_signed_by_either_kind_of_key() {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        let pkcs8 = pkcs8.unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random)
                .unwrap();
        // ring writes the private key 36 bytes into its PKCS#8.
        let sec1 = [
            &hex!("30770201010420")[..],
            &pkcs8.as_ref()[36..68],
            &hex!("a00a06082a8648ce3d030107a144034200"),
            pair.public_key().as_ref(),
        ]
        .concat();
        let secrets = [
            ed25519_secret(),
            pem("PRIVATE KEY", pkcs8.as_ref()),
            pem("EC PRIVATE KEY", &sec1),
        ];
        for secret in secrets {
            let auth = CdpAuth::new("key-id", &secret).unwrap();
            assert_eq!(
                claims(&auth),
                json!({
                    "sub": "key-id", "iss": "cdp", "iat": 1_000, "nbf": 1_000, "exp": 1_120,
                    "uris": ["POST api.cdp.coinbase.com/platform/v2/x402/verify"],
                })
            );
        }
    }

    #[test]
    fn an_invalid_key_is_refused_and_a_valid_one_is_never_shown() {
        for bad in [
            "",
            "AAAA",
            "not base64!",
            "-----BEGIN EC PRIVATE KEY-----\nAAAA",
        ] {
            assert_eq!(CdpAuth::new("id", bad).unwrap_err(), BadKey);
        }
        let auth = CdpAuth::new("id", &ed25519_secret()).unwrap();
        assert_eq!(format!("{auth:?}"), "CdpAuth(id, ***)");
        let headers = auth.headers(&Method::POST, &verify_url()).unwrap();
        assert!(
            headers["authorization"]
                .to_str()
                .unwrap()
                .starts_with("Bearer ey")
        );
        assert_eq!(format!("{headers:?}"), "{\"authorization\": Sensitive}");
    }
}

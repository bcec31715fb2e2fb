//! Signing in: the service gives a text, the wallet signs it, and the service gives a token that is
//! good for the wallet's free routes for a day. The token is kept in a file, so that not every run
//! signs in anew.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use alloy::signers::{SignerSync as _, local::PrivateKeySigner};
use api_types::{
    Secret, SessionChallenge, SessionChallengeRequest, SessionRequest, SessionResponse, Timestamp,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use url::{Host, Url};

use crate::{
    failure::Failure,
    http::{Http, json, now, read},
    state_files,
};

/// A session that ends sooner than this is not used any more, in seconds.
const MARGIN: u64 = 60;

/// The wallet's session, in memory and in a file.
#[derive(Debug)]
pub struct SessionCache {
    state: PathBuf,
    current: Mutex<Option<StoredSession>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredSession {
    #[serde(serialize_with = "secret::serialize_exposed")]
    token: Secret,
    expires_at: Timestamp,
}

impl StoredSession {
    fn is_good(&self) -> bool {
        self.expires_at.unix() > now() + MARGIN
    }
}

impl SessionCache {
    /// An empty one; the file is looked at when a session is needed.
    pub fn new(state: &Path) -> Self {
        Self {
            state: state.to_owned(),
            current: Mutex::new(None),
        }
    }

    /// The token of a session that is good, opened where there is none.
    ///
    /// # Errors
    /// The wallet cannot sign in.
    pub async fn token(&self, api: &Http, signer: &PrivateKeySigner) -> Result<Secret, Failure> {
        let mut current = self.current.lock().await;
        if current.is_none() {
            *current = self.stored(api, signer)?;
        }
        if let Some(session) = current.as_ref().filter(|session| session.is_good()) {
            return Ok(session.token.clone());
        }
        let session = sign_in(api, signer).await?;
        self.store(api, signer, &session)?;
        let token = session.token.clone();
        *current = Some(session);
        Ok(token)
    }

    /// Forgets a token that the service does not accept any more.
    pub async fn forget(&self, token: &Secret) {
        let mut current = self.current.lock().await;
        if let Some(session) = current.as_mut().filter(|session| session.token == *token) {
            session.expires_at = Timestamp(0);
        }
    }

    fn file(&self, api: &Http, signer: &PrivateKeySigner) -> Result<PathBuf, Failure> {
        let folder = state_files::folder(&self.state, "sessions")
            .map_err(|error| Failure::file(&self.state, &error))?;
        let wallet = signer.address().to_string();
        let name = state_files::fingerprint(&[&api.address, &wallet]);
        Ok(folder.join(format!("{name}.json")))
    }

    fn stored(
        &self,
        api: &Http,
        signer: &PrivateKeySigner,
    ) -> Result<Option<StoredSession>, Failure> {
        let text = fs::read(self.file(api, signer)?).ok();
        Ok(text.and_then(|text| serde_json::from_slice(&text).ok()))
    }

    fn store(
        &self,
        api: &Http,
        signer: &PrivateKeySigner,
        session: &StoredSession,
    ) -> Result<(), Failure> {
        let file = self.file(api, signer)?;
        let text =
            serde_json::to_vec(session).map_err(|error| Failure::local(error.to_string()))?;
        state_files::write(&file, &text).map_err(|error| Failure::file(&file, &error))
    }
}

async fn sign_in(api: &Http, signer: &PrivateKeySigner) -> Result<StoredSession, Failure> {
    let address = signer.address().to_string();
    let asked = SessionChallengeRequest {
        address: address.clone(),
        chain_id: None,
    };
    let request = api.soon.post(api.url("/session/challenge")).json(&asked);
    let challenge: SessionChallenge = read(&json(api.free(request).await?).await?)?;
    check(&challenge.message, &api.address, &address)?;
    let signature = signer
        .sign_message_sync(challenge.message.as_bytes())
        .map_err(|_| Failure::local("the key cannot sign"))?;
    let signed = SessionRequest {
        message: challenge.message,
        signature: signature.to_string().into(),
    };
    let request = api.soon.post(api.url("/session")).json(&signed);
    let session: SessionResponse = read(&json(api.free(request).await?).await?)?;
    Ok(StoredSession {
        token: session.token,
        expires_at: session.expires_at,
    })
}

/// Checks that the text signs this wallet in to this very service. A service that passes on the
/// text of another one could use the signature there.
fn check(message: &str, api: &str, address: &str) -> Result<(), Failure> {
    let mut lines = message.lines();
    let domain = lines
        .next()
        .and_then(|line| line.strip_suffix(" wants you to sign in with your Ethereum account:"));
    let own_address = lines.next() == Some(address);
    let Some(domain) = domain.filter(|_| own_address) else {
        return Err(Failure::not_understood(
            "what it wants signed is no sign-in of this wallet",
        ));
    };
    if same_host(domain, api) {
        return Ok(());
    }
    let message = format!("the service at {api} wants this wallet to sign in to {domain}");
    Err(Failure::local(message).advise(format!("if that is the service: --api https://{domain}")))
}

fn same_host(domain: &str, api: &str) -> bool {
    let Ok(url) = Url::parse(api) else {
        return false;
    };
    let Ok(named) = Url::parse(&format!("{}://{domain}", url.scheme())) else {
        return false;
    };
    named.origin() == url.origin() || (is_loopback(&named) && is_loopback(&url))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "0x90F79bf6EB2c4f870365E785982E1f101E93b906";

    fn checked(domain: &str, address: &str, api: &str) -> bool {
        let message = format!(
            "{domain} wants you to sign in with your Ethereum account:\n{address}\n\nSign in.\n\nURI: x"
        );
        check(&message, api, ADDRESS).is_ok()
    }

    #[test]
    fn a_text_of_another_service_is_not_signed() {
        assert!(checked(
            "lease.example",
            ADDRESS,
            "https://lease.example/api"
        ));
        assert!(checked(
            "lease.example:8443",
            ADDRESS,
            "https://lease.example:8443"
        ));
        assert!(checked("127.0.0.1:4021", ADDRESS, "http://localhost:9"));
        for (domain, api) in [
            ("lease.example", "https://evil.example"),
            ("lease.example", "https://lease.example:8443"),
            ("lease.example.evil", "https://lease.example"),
            ("127.0.0.1:4021", "https://evil.example"),
            ("user@lease.example/", "https://evil.example"),
        ] {
            assert!(!checked(domain, ADDRESS, api), "{domain} at {api}");
        }
        assert!(!checked("lease.example", "0x00", "https://lease.example"));
        assert!(check("Send all money", "https://lease.example", ADDRESS).is_err());
    }
}

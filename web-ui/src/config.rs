//! The deployment's settings, which the application reads from `config.json` beside its page when it starts, so that one build serves
//! every deployment. The server writes that file from its environment; a static host serves one that was written by hand.

use serde::{Deserialize, Serialize};

/// Where the application finds what it needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// The agent's address, without a trailing slash.
    pub chat_api_base: String,
    /// The lease API's address, without a trailing slash.
    pub lease_api_base: String,
    /// The network that is suggested before the lease API has named its own.
    pub default_network: String,
    /// A node of that network, for the balance; absent where none may be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpc_url: Option<String>,
}

impl Settings {
    /// Where the services usually listen beside a page of `origin` (`http://localhost`, without a port).
    pub fn beside(origin: &str) -> Self {
        Self {
            chat_api_base: format!("{origin}:8000"),
            lease_api_base: format!("{origin}:4021"),
            default_network: "base-sepolia".to_owned(),
            rpc_url: None,
        }
    }

    /// Reads `config.json`; addresses lose their trailing slashes.
    ///
    /// # Errors
    /// It is not the expected JSON.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        let mut settings: Self = serde_json::from_str(text)?;
        for base in [&mut settings.chat_api_base, &mut settings.lease_api_base] {
            base.truncate(base.trim_end_matches('/').len());
        }
        Ok(settings)
    }
}

/// Loads the settings. Where the host has no such file, the services are looked for on their usual ports.
#[cfg(target_arch = "wasm32")]
pub async fn load() -> Settings {
    use crate::api::fetch::{self, Call};
    let read = async {
        let response = fetch::send(&Call::get("config.json")).await.ok()?;
        if !response.ok() {
            return None;
        }
        Settings::read(&fetch::text(&response).await.ok()?).ok()
    };
    match read.await {
        Some(settings) => settings,
        None => {
            let location = leptos::prelude::window().location();
            let part = |part: Result<String, wasm_bindgen::JsValue>| part.unwrap_or_default();
            let (scheme, host) = (part(location.protocol()), part(location.hostname()));
            Settings::beside(&format!("{scheme}//{host}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_with_and_without_slashes() {
        let text = r#"{"chatApiBase":"http://h:8000/","leaseApiBase":"http://h:4021","defaultNetwork":"base-sepolia"}"#;
        assert_eq!(Settings::read(text).unwrap(), Settings::beside("http://h"));
        assert!(Settings::read("<html>").is_err());
    }
}

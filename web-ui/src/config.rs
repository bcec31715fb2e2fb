//! The deployment's settings. The application reads them from `config.json` beside its page when it
//! starts, so that one build serves every deployment. The server writes that file from its
//! environment; on a static host it is written by hand.

use serde::{Deserialize, Serialize};

/// The deployment's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// The agent's address, without a trailing slash.
    pub chat_api_base: String,
    /// The lease API's address, without a trailing slash.
    pub lease_api_base: String,
    /// The network that is assumed until the lease API has named its own.
    pub default_network: String,
    /// The RPC address of a node of that network, for the balance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpc_url: Option<String>,
}

impl Settings {
    /// The services on their usual ports of `origin` (`http://localhost`, without a port).
    pub fn on_default_ports(origin: &str) -> Self {
        Self {
            chat_api_base: format!("{origin}:8000"),
            lease_api_base: format!("{origin}:4021"),
            default_network: "base-sepolia".to_owned(),
            rpc_url: None,
        }
    }

    /// Reads `config.json` and removes trailing slashes from the addresses.
    ///
    /// # Errors
    /// The text is not the expected JSON.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        let mut settings: Self = serde_json::from_str(text)?;
        for base in [&mut settings.chat_api_base, &mut settings.lease_api_base] {
            base.truncate(base.trim_end_matches('/').len());
        }
        Ok(settings)
    }
}

/// Loads the settings. Without such a file, the services are expected on their usual ports.
#[cfg(target_arch = "wasm32")]
pub async fn load() -> Settings {
    use crate::http::{HttpRequest, fetch};
    let read = async {
        let response = fetch::send(&HttpRequest::get("config.json")).await.ok()?;
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
            Settings::on_default_ports(&format!("{scheme}//{host}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_with_and_without_slashes() {
        let text = r#"{"chatApiBase":"http://h:8000/","leaseApiBase":"http://h:4021","defaultNetwork":"base-sepolia"}"#;
        assert_eq!(
            Settings::read(text).unwrap(),
            Settings::on_default_ports("http://h")
        );
        assert!(Settings::read("<html>").is_err());
    }
}

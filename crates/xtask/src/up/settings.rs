//! The variables of `.env` and of the environment, which takes precedence. They are handed on to
//! the services unchanged; an empty configuration gives a complete demo.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::workspace::root;

const SIMULATOR_PORT: u16 = 8006;

/// Every variable that was set, by `.env` or the environment.
pub struct UpSettings {
    variables: BTreeMap<String, String>,
    /// The secret by which the lease API recognises the agent: new at each start.
    services_secret: String,
}

impl UpSettings {
    /// Reads `.env` at the workspace's root, if there is one, and the environment.
    ///
    /// # Errors
    /// `.env` cannot be read as one.
    pub fn load() -> Result<Self> {
        let file = root().join(".env");
        let mut variables = BTreeMap::new();
        if file.exists() {
            let lines = dotenvy::from_path_iter(&file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            for pair in lines {
                let (name, value) = pair.with_context(|| {
                    format!("{} has a line that is no NAME=value", file.display())
                })?;
                variables.insert(name, value);
            }
        }
        variables.extend(std::env::vars());
        let services_secret = random_hex().context("cannot make a secret")?;
        Ok(Self {
            variables,
            services_secret,
        })
    }

    /// Settings for a test.
    #[cfg(test)]
    pub fn from_pairs(pairs: &[(&str, &str)]) -> Self {
        let owned = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self {
            variables: owned.collect(),
            services_secret: random_hex().unwrap(),
        }
    }

    /// A variable's value; an empty one counts as not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// Whether Proxmox is simulated: no host is set.
    pub fn simulates_proxmox(&self) -> bool {
        self.get("PVE_HOST").is_none()
    }

    /// Whether payments are simulated, by the demo ledger.
    pub fn simulates_payments(&self) -> bool {
        self.facilitator() == "demo"
    }

    /// The facilitator: `demo`, `cdp`, `onchain` or a URL.
    pub fn facilitator(&self) -> &str {
        self.get("FACILITATOR")
            .or(self.get("FACILITATOR_URL"))
            .unwrap_or("demo")
    }

    /// The network that prices are asked in.
    pub fn network(&self) -> &str {
        self.get("NETWORK").unwrap_or("base-sepolia")
    }

    /// The port of the simulated Proxmox.
    ///
    /// # Errors
    /// `PVE_SIM_PORT` is no port.
    pub fn simulator_port(&self) -> Result<u16> {
        self.port("PVE_SIM_PORT", SIMULATOR_PORT)
    }

    /// Factor on the simulator's realistic durations.
    pub fn time_scale(&self) -> &str {
        self.get("PVE_SIM_TIME_SCALE").unwrap_or("0.2")
    }

    /// A port.
    ///
    /// # Errors
    /// The variable is set to something else.
    pub fn port(&self, name: &str, default: u16) -> Result<u16> {
        let Some(text) = self.get(name) else {
            return Ok(default);
        };
        text.parse()
            .with_context(|| format!("{name}={text} is no port; for example {name}={default}"))
    }

    /// Where the demo keeps its state between two runs.
    pub fn data_folder(&self) -> PathBuf {
        root().join("data")
    }

    /// Everything that was set.
    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// The secret that agent and lease API share, unless one is set by a file.
    pub fn services_secret(&self) -> Option<(&'static str, String)> {
        let unset = self.get("SERVICES_SECRET_FILE").is_none();
        unset.then(|| ("SERVICES_SECRET", self.services_secret.clone()))
    }

    /// Whether a language model is configured for the agent.
    pub fn has_language_model(&self) -> bool {
        let chosen = self.get("LLM_PROVIDER");
        let implied = [
            "OPENAI_API_KEY",
            "FLOCKIO_API_KEY",
            "FLOCK_API_KEY",
            "LLM_BASE_URL",
        ];
        chosen.map_or_else(
            || implied.iter().any(|name| self.get(name).is_some()),
            |provider| !provider.eq_ignore_ascii_case("offline"),
        )
    }
}

/// 256 random bits from the system.
fn random_hex() -> std::io::Result<String> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

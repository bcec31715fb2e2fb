//! What `.env` and the environment say, and the defaults that make an empty configuration a complete demo. The environment wins
//! over `.env`; whatever is set there is handed on to the parts untouched.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::services::{Defaults, SERVICES};
use crate::workspace::root;

/// Account 1 of the public development mnemonic: a payee for demos, never for money.
const DEMO_PAYEE: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
const SIMULATOR_PORT: u16 = 8006;

/// Every variable that was set, by `.env` or the environment.
pub struct Settings {
    variables: BTreeMap<String, String>,
    /// What the agent proves to the lease API that it is one of ours with: new at each start, and
    /// the same for both.
    services_secret: String,
}

impl Settings {
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

    #[cfg(test)]
    fn of(pairs: &[(&str, &str)]) -> Self {
        let owned = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self {
            variables: owned.collect(),
            services_secret: random_hex().unwrap(),
        }
    }

    /// A variable's value; one that is set to nothing counts as not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// Whether Proxmox is simulated: nobody named a host.
    pub fn simulates_proxmox(&self) -> bool {
        self.get("PVE_HOST").is_none()
    }

    /// Whether payments are simulated, by the demo ledger.
    pub fn simulates_payments(&self) -> bool {
        self.facilitator() == "demo"
    }

    /// Who settles payments: `demo`, `cdp`, `onchain` or a URL.
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

    /// What the lease API needs for a demo, unless it is set.
    ///
    /// # Errors
    /// None so far; other services have ports of others among theirs.
    pub fn proxmox_api(&self) -> Result<Defaults> {
        let database = self.data_folder().join("infra402.sqlite");
        let mut defaults = vec![
            ("FACILITATOR", self.facilitator().to_owned()),
            ("NETWORK", self.network().to_owned()),
            ("ALLOWED_ORIGINS", self.interface()?),
        ];
        // Only one of the two can count.
        if self.get("DATABASE_FILE").is_none() {
            defaults.push(("DATABASE", database.display().to_string()));
        }
        if self.simulates_payments() {
            defaults.push(("ADDRESS", DEMO_PAYEE.to_owned()));
        }
        defaults.extend(self.services_secret());
        Ok(defaults)
    }

    /// What the agent needs for a demo, unless it is set.
    ///
    /// # Errors
    /// The lease API's port is none.
    pub fn agent_api(&self) -> Result<Defaults> {
        let mut defaults = vec![
            ("BACKEND_BASE_URL", SERVICES[0].address(self)?),
            ("DATA_DIR", self.data_folder().display().to_string()),
            ("ALLOWED_ORIGINS", self.interface()?),
        ];
        defaults.extend(self.services_secret());
        Ok(defaults)
    }

    /// The secret that agent and lease API share, unless one is set; a file that names one counts
    /// too.
    fn services_secret(&self) -> Option<(&'static str, String)> {
        let unset = self.get("SERVICES_SECRET_FILE").is_none();
        unset.then(|| ("SERVICES_SECRET", self.services_secret.clone()))
    }

    /// What the interface needs for a demo, unless it is set.
    ///
    /// # Errors
    /// A port of another service is none.
    pub fn web_ui(&self) -> Result<Defaults> {
        Ok(vec![
            ("LEASE_API_BASE", SERVICES[0].address(self)?),
            ("CHAT_API_BASE", SERVICES[1].address(self)?),
            ("DEFAULT_NETWORK", self.network().to_owned()),
        ])
    }

    /// The origins of the interface on this machine.
    fn interface(&self) -> Result<String> {
        let port = SERVICES[2].port(self)?;
        Ok(format!("http://localhost:{port},http://127.0.0.1:{port}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(settings: &Settings) -> BTreeMap<String, String> {
        SERVICES[0].environment(settings).unwrap()
    }

    #[test]
    fn nothing_set_is_a_complete_demo() {
        let settings = Settings::of(&[]);
        let environment = environment(&settings);
        assert!(settings.simulates_proxmox() && settings.simulates_payments());
        assert_eq!(environment["FACILITATOR"], "demo");
        assert_eq!(environment["ADDRESS"], DEMO_PAYEE);
        assert_eq!(environment["PORT"], "4021");
    }

    #[test]
    fn the_agent_finds_the_lease_api_and_says_when_no_model_answers() {
        let settings = Settings::of(&[("PORT", "5000")]);
        let environment = SERVICES[1].environment(&settings).unwrap();
        assert_eq!(environment["BACKEND_BASE_URL"], "http://127.0.0.1:5000");
        assert_eq!(environment["PORT"], "8000");
        assert!(!settings.has_language_model());
        assert!(Settings::of(&[("OPENAI_API_KEY", "sk-1")]).has_language_model());
        let offline = [("OPENAI_API_KEY", "sk-1"), ("LLM_PROVIDER", "offline")];
        assert!(!Settings::of(&offline).has_language_model());
    }

    #[test]
    fn agent_and_lease_api_share_a_secret_that_is_new_at_each_start() {
        let secret = |settings: &Settings| {
            let [api, agent, interface] = [0, 1, 2].map(|index| {
                let environment = SERVICES[index].environment(settings).unwrap();
                environment.get("SERVICES_SECRET").cloned()
            });
            assert_eq!(api, agent);
            assert!(interface.is_none() || settings.get("SERVICES_SECRET").is_some());
            api
        };
        let (one, other) = (secret(&Settings::of(&[])), secret(&Settings::of(&[])));
        assert_eq!(one.as_ref().map(String::len), Some(64));
        assert_ne!(one, other);
        let given = Settings::of(&[("SERVICES_SECRET", "a secret of the operator")]);
        assert_eq!(secret(&given).as_deref(), Some("a secret of the operator"));
        let file = Settings::of(&[("SERVICES_SECRET_FILE", "/run/secrets/services_secret")]);
        assert_eq!(secret(&file), None, "only one of the two can count");
    }

    #[test]
    fn real_payments_never_go_to_the_demo_payee() {
        let settings = Settings::of(&[("FACILITATOR_URL", "https://x402.org/facilitator")]);
        assert!(!settings.simulates_payments());
        assert!(!environment(&settings).contains_key("ADDRESS"));
    }

    #[test]
    fn what_is_set_is_handed_on_untouched_and_empty_counts_as_unset() {
        let settings = Settings::of(&[("PORT", "5021"), ("PVE_HOST", ""), ("PVE_POOL", "mine")]);
        assert_eq!(environment(&settings)["PORT"], "5021");
        assert_eq!(environment(&settings)["PVE_POOL"], "mine");
        assert!(settings.simulates_proxmox());
    }

    #[test]
    fn a_port_that_is_none_is_named_with_an_example() {
        let settings = Settings::of(&[("PORT", "http")]);
        let error = SERVICES[0].port(&settings).unwrap_err();
        assert_eq!(
            error.to_string(),
            "PORT=http is no port; for example PORT=4021"
        );
    }
}

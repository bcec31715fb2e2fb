//! The services: their binaries, ports and settings. They share one `.env`, so each service's
//! `PORT` comes from a variable of its own.

use std::collections::BTreeMap;

use anyhow::Result;

use super::settings::UpSettings;

/// Variables and their values.
type Defaults = Vec<(&'static str, String)>;

/// Account 1 of the public development mnemonic: a payee for demos, never for money.
const DEMO_PAYEE: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

/// One of the services.
pub struct ServiceSpec {
    /// Its package and binary.
    pub name: &'static str,
    /// The variable that holds its port.
    pub port_variable: &'static str,
    /// Its port where the variable is not set.
    pub default_port: u16,
    /// Values for the variables that are not set.
    defaults: fn(&UpSettings) -> Result<Defaults>,
}

/// The lease API.
pub const PROXMOX_API: ServiceSpec = ServiceSpec {
    name: "proxmox-api",
    port_variable: "PORT",
    default_port: 4021,
    defaults: proxmox_api_defaults,
};
/// The agent.
pub const AGENT_API: ServiceSpec = ServiceSpec {
    name: "agent-api",
    port_variable: "AGENT_PORT",
    default_port: 8000,
    defaults: agent_api_defaults,
};
/// The interface.
pub const WEB_UI: ServiceSpec = ServiceSpec {
    name: "web-ui",
    port_variable: "WEB_PORT",
    default_port: 3000,
    defaults: web_ui_defaults,
};
/// The lease API's port for visitors of containers' published ports: its variable and default.
pub const INGRESS_PORT: (&str, u16) = ("INGRESS_PORT", 4080);
/// The lease API's port for customers' SSH clients: its variable and default.
pub const SSH_PORT: (&str, u16) = ("SSH_PORT", 2222);
/// In the order in which they are started; each may call those before it.
pub const SERVICES: [ServiceSpec; 3] = [PROXMOX_API, AGENT_API, WEB_UI];

impl ServiceSpec {
    /// Its port.
    ///
    /// # Errors
    /// The variable is set to something that is no port.
    pub fn port(&self, settings: &UpSettings) -> Result<u16> {
        settings.port(self.port_variable, self.default_port)
    }

    /// Where it answers on this machine.
    ///
    /// # Errors
    /// As [`ServiceSpec::port`].
    pub fn address(&self, settings: &UpSettings) -> Result<String> {
        Ok(format!("http://127.0.0.1:{}", self.port(settings)?))
    }

    /// Its environment: everything that was set, and a default for what a demo needs.
    ///
    /// # Errors
    /// As [`ServiceSpec::port`].
    pub fn environment(&self, settings: &UpSettings) -> Result<BTreeMap<String, String>> {
        let mut environment = settings.variables().clone();
        for (name, value) in (self.defaults)(settings)? {
            if settings.get(name).is_none() {
                environment.insert(name.to_owned(), value);
            }
        }
        if settings.get("BIND").is_none() {
            environment.insert("BIND".into(), "127.0.0.1".into());
        }
        environment.insert("PORT".into(), self.port(settings)?.to_string());
        Ok(environment)
    }
}

/// What the lease API needs for a demo, unless it is set.
fn proxmox_api_defaults(settings: &UpSettings) -> Result<Defaults> {
    let database = settings.data_folder().join("infra402.sqlite");
    let mut defaults = vec![
        ("FACILITATOR", settings.facilitator().to_owned()),
        ("NETWORK", settings.network().to_owned()),
        ("ALLOWED_ORIGINS", interface_origins(settings)?),
    ];
    // Only one of the two may be set.
    if settings.get("DATABASE_FILE").is_none() {
        defaults.push(("DATABASE", database.display().to_string()));
    }
    if settings.simulates_payments() {
        defaults.push(("ADDRESS", DEMO_PAYEE.to_owned()));
    }
    defaults.extend(settings.services_secret());
    Ok(defaults)
}

/// What the agent needs for a demo, unless it is set.
fn agent_api_defaults(settings: &UpSettings) -> Result<Defaults> {
    let data = settings.data_folder();
    let mut defaults = vec![
        ("BACKEND_BASE_URL", PROXMOX_API.address(settings)?),
        ("DATA_DIR", data.display().to_string()),
        ("ALLOWED_ORIGINS", interface_origins(settings)?),
    ];
    defaults.extend(settings.services_secret());
    Ok(defaults)
}

/// What the interface needs for a demo, unless it is set.
fn web_ui_defaults(settings: &UpSettings) -> Result<Defaults> {
    Ok(vec![
        ("LEASE_API_BASE", PROXMOX_API.address(settings)?),
        ("CHAT_API_BASE", AGENT_API.address(settings)?),
        ("DEFAULT_NETWORK", settings.network().to_owned()),
    ])
}

/// The origins of the interface on this machine.
fn interface_origins(settings: &UpSettings) -> Result<String> {
    let port = WEB_UI.port(settings)?;
    Ok(format!("http://localhost:{port},http://127.0.0.1:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(settings: &UpSettings) -> BTreeMap<String, String> {
        PROXMOX_API.environment(settings).unwrap()
    }

    #[test]
    fn nothing_set_is_a_complete_demo() {
        let settings = UpSettings::from_pairs(&[]);
        let environment = environment(&settings);
        assert!(settings.simulates_proxmox() && settings.simulates_payments());
        assert_eq!(environment["FACILITATOR"], "demo");
        assert_eq!(environment["ADDRESS"], DEMO_PAYEE);
        assert_eq!(environment["PORT"], "4021");
    }

    #[test]
    fn the_agent_finds_the_lease_api_and_says_when_no_model_answers() {
        let settings = UpSettings::from_pairs(&[("PORT", "5000")]);
        let environment = AGENT_API.environment(&settings).unwrap();
        assert_eq!(environment["BACKEND_BASE_URL"], "http://127.0.0.1:5000");
        assert_eq!(environment["PORT"], "8000");
        assert!(!settings.has_language_model());
        assert!(UpSettings::from_pairs(&[("OPENAI_API_KEY", "sk-1")]).has_language_model());
        let offline = [("OPENAI_API_KEY", "sk-1"), ("LLM_PROVIDER", "offline")];
        assert!(!UpSettings::from_pairs(&offline).has_language_model());
    }

    #[test]
    fn agent_and_lease_api_share_a_secret_that_is_new_at_each_start() {
        let secret = |settings: &UpSettings| {
            let [api, agent, interface] = [0, 1, 2].map(|index| {
                let environment = SERVICES[index].environment(settings).unwrap();
                environment.get("SERVICES_SECRET").cloned()
            });
            assert_eq!(api, agent);
            assert!(interface.is_none() || settings.get("SERVICES_SECRET").is_some());
            api
        };
        let (one, other) = (
            secret(&UpSettings::from_pairs(&[])),
            secret(&UpSettings::from_pairs(&[])),
        );
        assert_eq!(one.as_ref().map(String::len), Some(64));
        assert_ne!(one, other);
        let given = UpSettings::from_pairs(&[("SERVICES_SECRET", "a secret of the operator")]);
        assert_eq!(secret(&given).as_deref(), Some("a secret of the operator"));
        let file =
            UpSettings::from_pairs(&[("SERVICES_SECRET_FILE", "/run/secrets/services_secret")]);
        assert_eq!(secret(&file), None, "only one of the two can count");
    }

    #[test]
    fn real_payments_never_go_to_the_demo_payee() {
        let settings =
            UpSettings::from_pairs(&[("FACILITATOR_URL", "https://x402.org/facilitator")]);
        assert!(!settings.simulates_payments());
        assert!(!environment(&settings).contains_key("ADDRESS"));
    }

    #[test]
    fn what_is_set_is_handed_on_untouched_and_empty_counts_as_unset() {
        let settings =
            UpSettings::from_pairs(&[("PORT", "5021"), ("PVE_HOST", ""), ("PVE_POOL", "mine")]);
        assert_eq!(environment(&settings)["PORT"], "5021");
        assert_eq!(environment(&settings)["PVE_POOL"], "mine");
        assert!(settings.simulates_proxmox());
    }

    #[test]
    fn a_port_that_is_none_is_named_with_an_example() {
        let settings = UpSettings::from_pairs(&[("PORT", "http")]);
        let error = PROXMOX_API.port(&settings).unwrap_err();
        assert_eq!(
            error.to_string(),
            "PORT=http is no port; for example PORT=4021"
        );
    }
}

//! Our own services: which binary, on which port, with which settings. One `.env` serves them all, so each service's `PORT` is
//! set from a variable of its own.

use std::collections::BTreeMap;

use anyhow::Result;

use super::settings::Settings;

/// Variables and their values.
pub type Defaults = Vec<(&'static str, String)>;

/// One of our services.
pub struct Service {
    /// Its package and binary.
    pub name: &'static str,
    /// The variable that holds its port.
    pub port_variable: &'static str,
    /// Its port where the variable is not set.
    pub default_port: u16,
    /// What it needs beside everything that was set.
    defaults: fn(&Settings) -> Result<Defaults>,
}

/// In the order in which they are started; each may call those before it.
pub const SERVICES: [Service; 3] = [
    Service {
        name: "proxmox-api",
        port_variable: "PORT",
        default_port: 4021,
        defaults: Settings::proxmox_api,
    },
    Service {
        name: "agent-api",
        port_variable: "AGENT_PORT",
        default_port: 8000,
        defaults: Settings::agent_api,
    },
    Service {
        name: "web-ui",
        port_variable: "WEB_PORT",
        default_port: 3000,
        defaults: Settings::web_ui,
    },
];

impl Service {
    /// Its port.
    ///
    /// # Errors
    /// The variable is set to something that is no port.
    pub fn port(&self, settings: &Settings) -> Result<u16> {
        settings.port(self.port_variable, self.default_port)
    }

    /// Where it answers on this machine.
    ///
    /// # Errors
    /// As [`Service::port`].
    pub fn address(&self, settings: &Settings) -> Result<String> {
        Ok(format!("http://127.0.0.1:{}", self.port(settings)?))
    }

    /// Its environment: everything that was set, and a default for what a demo needs.
    ///
    /// # Errors
    /// As [`Service::port`].
    pub fn environment(&self, settings: &Settings) -> Result<BTreeMap<String, String>> {
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

//! The settings of one run: from the command line, the environment and the user's folders.

use std::{env, path::PathBuf};

use api_types::Usdc;
use url::Url;

use crate::{
    arguments::GlobalArguments,
    failure::Failure,
    wallet_key::{KEY_VARIABLE, KeySource},
};

/// The settings of one run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The API's address, without a slash at its end.
    pub api: String,
    /// The wallet's key.
    pub key: KeySource,
    /// The most that one payment may be.
    pub max_price: Usdc,
    /// Above this it is asked before a payment.
    pub ask_above: Usdc,
    /// Networks to pay on.
    pub networks: Vec<String>,
    /// Nothing is asked.
    pub yes: bool,
    /// Unanswered purchases are left as they are.
    pub fresh: bool,
    /// JSON is printed.
    pub json: bool,
    /// No progress is printed.
    pub quiet: bool,
    /// Where purchases without an answer, sessions and SSH keys are kept.
    pub state: PathBuf,
}

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    /// The address is none, or there are two keys.
    pub fn new(arguments: &GlobalArguments) -> Result<Self, Failure> {
        let key = KeySource::choose(
            arguments.key_file.clone(),
            env::var(KEY_VARIABLE).ok(),
            &folder("INFRA402_CONFIG", "XDG_CONFIG_HOME", ".config"),
        )?;
        Ok(Self {
            api: api(&arguments.api)?,
            key,
            max_price: arguments.max_price,
            ask_above: arguments.ask_above,
            networks: arguments.network.clone(),
            yes: arguments.yes,
            fresh: arguments.fresh,
            json: arguments.json,
            quiet: arguments.quiet || arguments.json,
            state: folder("INFRA402_STATE", "XDG_STATE_HOME", ".local/state"),
        })
    }

    /// Says something on standard error, unless that is not wanted.
    pub fn progress(&self, text: &str) {
        if !self.quiet {
            eprintln!("{}", crate::printed::printable(text));
        }
    }
}

fn api(text: &str) -> Result<String, Failure> {
    let no_url = || {
        Failure::usage("the address of the API has to be an http:// or https:// URL")
            .advise("--api URL, or INFRA402_API")
    };
    let url = Url::parse(text).map_err(|_| no_url())?;
    let nobody = url.username().is_empty() && url.password().is_none();
    let plain = nobody && url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !plain {
        return Err(no_url());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// The folder that a variable names, or else the one below the user's folder of that kind.
fn folder(own: &str, shared: &str, below_home: &str) -> PathBuf {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    if let Some(own) = set(own) {
        return own.into();
    }
    let base = match set(shared) {
        Some(shared) => PathBuf::from(shared),
        None => PathBuf::from(set("HOME").unwrap_or_else(|| ".".into())).join(below_home),
    };
    base.join("infra402")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_url_and_carries_no_secret() {
        assert_eq!(
            api("http://127.0.0.1:4021/").unwrap(),
            "http://127.0.0.1:4021"
        );
        assert_eq!(
            api("https://a.example/api/").unwrap(),
            "https://a.example/api"
        );
        for bad in [
            "127.0.0.1:4021",
            "ftp://a",
            "http://a/?x",
            "http://u:p@a/",
            "http://t0ken@a/",
            "",
        ] {
            assert!(api(bad).is_err(), "{bad}");
        }
    }
}

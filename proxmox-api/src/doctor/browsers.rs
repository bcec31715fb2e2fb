//! Whether browsers reach this service: the addresses that pages and customers use.

use url::{Host, Url};

use super::Finding;
use crate::config::Config;

/// Examines the public address and the origins of pages.
pub(super) fn examine(config: &Config) -> Vec<Finding> {
    vec![origins(config), address(config)]
}

fn origins(config: &Config) -> Finding {
    const CHECK: &str = "browsers.origins";
    const EXPECTED: &str = "the pages that may call are named";
    let named = config.allowed_origins.join(", ");
    if config.allowed_origins.iter().any(|origin| origin == "*") {
        let found =
            "ALLOWED_ORIGINS=*: every page may call, and none is named when a wallet signs in";
        return Finding::warning(CHECK, EXPECTED, found)
            .mend("ALLOWED_ORIGINS=https://the-page.example.org");
    }
    // A page of another machine is refused by every browser if only this machine's are named.
    let public = !is_local(&config.public_base_url);
    if public && config.allowed_origins.iter().all(|origin| is_local(origin)) {
        return Finding::warning(
            CHECK,
            EXPECTED,
            format!("only pages of this machine: {named}"),
        )
        .mend("ALLOWED_ORIGINS=https://the-page.example.org");
    }
    Finding::ok(CHECK, EXPECTED, named)
}

fn address(config: &Config) -> Finding {
    const CHECK: &str = "browsers.address";
    const EXPECTED: &str = "customers reach the service by https under PUBLIC_BASE_URL";
    let address = &config.public_base_url;
    let reachable = !config.listen.ip().is_loopback();
    if is_local(address) {
        if reachable {
            let found = format!(
                "it listens on {}, but names itself {address}",
                config.listen
            );
            return Finding::warning(CHECK, EXPECTED, found)
                .mend("PUBLIC_BASE_URL=https://lease.example.org");
        }
        return Finding::ok(CHECK, EXPECTED, format!("{address}, for this machine only"));
    }
    if address.starts_with("http://") {
        let found = format!("{address}: passwords and payments travel in the clear");
        return Finding::warning(CHECK, EXPECTED, found)
            .mend("put a proxy with a certificate in front and set PUBLIC_BASE_URL=https://…");
    }
    Finding::ok(CHECK, EXPECTED, address.as_str())
}

fn is_local(address: &str) -> bool {
    let url = Url::parse(address);
    match url.as_ref().ok().and_then(Url::host) {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

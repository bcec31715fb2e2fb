//! The domain of published ports, their listener, and the jump host.
//!
//! Customers run what they like under the guest domain, in the browsers of others. So it must not
//! be the same site as the service's own pages: cookies, and the reputation of a domain, belong to
//! a site, which the public suffix list tells.

use std::net::{IpAddr, SocketAddr};

use service::env::Env;
use url::Url;

use super::variables;

/// The domain where nothing has to be set up: browsers lead its names to this machine.
const LOCALHOST: &str = "localhost";
/// The port of SSH that no client has to name.
const OWN_PORT_OF_SSH: u16 = 22;
/// The longest label in front of the domain: port, hyphen and name.
const LONGEST_LABEL: usize = 20;

/// The listener for requests to published ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngressConfig {
    /// Where to listen: `BIND` and `INGRESS_PORT`.
    pub listen: SocketAddr,
    /// The domain of the names.
    pub domain: GuestDomain,
}

/// The domain under which ports are published: `GUEST_DOMAIN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestDomain {
    /// Its name in lower case.
    pub name: String,
    /// `https`, or `http` on this machine only.
    pub scheme: &'static str,
    /// The port of addresses, where it is not the scheme's own.
    pub port: Option<u16>,
}

/// The jump host's listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JumpHostConfig {
    /// Where to listen: `BIND` and `SSH_PORT`.
    pub listen: SocketAddr,
    /// The host that clients connect to: that of `PUBLIC_BASE_URL`.
    pub host: String,
}

impl GuestDomain {
    /// The address of a label under this domain.
    pub fn url(&self, label: &str) -> String {
        let port = self.port.map(|port| format!(":{port}"));
        let port = port.unwrap_or_default();
        format!("{}://{label}.{}{port}/", self.scheme, self.name)
    }

    /// Whether addresses use TLS.
    pub fn is_secure(&self) -> bool {
        self.scheme == "https"
    }

    fn parse(text: &str, ingress_port: u16) -> Option<Self> {
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) => (name, Some(port.parse().ok().filter(|port| *port > 0)?)),
            None => (text, None),
        };
        let name = name.to_ascii_lowercase();
        // Longest names of DNS, with the label in front.
        let fits = name.len() + LONGEST_LABEL < 253 && name.split('.').all(is_label);
        // A name of digits at its end is an address to browsers.
        let is_address = name.rsplit('.').next().is_none_or(|last| {
            last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x")
        });
        if !fits || is_address {
            return None;
        }
        Some(match is_localhost(&name) {
            true => Self {
                name,
                scheme: "http",
                port: Some(port.unwrap_or(ingress_port)),
            },
            false => Self {
                name,
                scheme: "https",
                port: port.filter(|port| *port != 443),
            },
        })
    }
}

impl IngressConfig {
    pub(super) fn read(env: &mut Env, bind: IpAddr, own: &[String], ssh: bool) -> Option<Self> {
        let port: u16 = env.read(&variables::INGRESS_PORT);
        let text = env.find_text(&variables::GUEST_DOMAIN);
        let is_local = own.first().is_some_and(|host| is_this_machine(host));
        let text = text.or_else(|| is_local.then(|| LOCALHOST.to_owned()))?;
        let Some(domain) = GuestDomain::parse(&text, port) else {
            let what = "is no domain name, or a name and a port";
            env.reject(&variables::GUEST_DOMAIN, what);
            return None;
        };
        if let Some(host) = own.iter().find(|host| share_a_site(&domain.name, host)) {
            let what = format!(
                "belongs to the same site as {host}: what customers publish needs a registrable domain of its own"
            );
            env.reject(&variables::GUEST_DOMAIN, &what);
            return None;
        }
        let listen = SocketAddr::new(bind, port);
        (ssh && port > 0).then_some(Self { listen, domain })
    }
}

impl JumpHostConfig {
    /// Host and port as `ssh -J` and `ProxyJump` read them.
    pub fn address(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.listen.port()),
            false => format!("{}:{}", self.host, self.listen.port()),
        }
    }

    /// Its name in `known_hosts`, where OpenSSH writes no port behind a host that has its own.
    pub fn known_host(&self) -> String {
        match self.listen.port() {
            OWN_PORT_OF_SSH => self.host.clone(),
            port => format!("[{}]:{port}", self.host),
        }
    }

    pub(super) fn read(
        env: &mut Env,
        bind: IpAddr,
        public_base_url: &str,
        ssh: bool,
    ) -> Option<Self> {
        let port: u16 = env.read(&variables::SSH_PORT);
        let url = Url::parse(public_base_url).ok()?;
        let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
        let listen = SocketAddr::new(bind, port);
        (ssh && port > 0).then_some(Self { listen, host })
    }
}

/// The hosts of the service's own pages, its public one first.
pub(super) fn own_hosts(public_base_url: &str, allowed_origins: &[String]) -> Vec<String> {
    let all = std::iter::once(public_base_url).chain(allowed_origins.iter().map(String::as_str));
    let hosts = all.filter_map(|url| Url::parse(url).ok()?.host_str().map(str::to_owned));
    hosts.collect()
}

/// Whether browsers count both hosts as one site. On this machine each name is a site of its own.
fn share_a_site(domain: &str, own: &str) -> bool {
    let own = own.trim_end_matches('.').to_ascii_lowercase();
    if is_localhost(domain) && is_this_machine(&own) {
        return false;
    }
    let site = psl::domain_str(domain);
    own == domain
        || own.ends_with(&format!(".{domain}"))
        || site.is_some() && site == psl::domain_str(&own)
}

fn is_localhost(name: &str) -> bool {
    name == LOCALHOST || name.ends_with(".localhost")
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    is_localhost(host) || address.is_ok_and(|address| address.is_loopback())
}

fn is_label(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(inside)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Option<String> {
        GuestDomain::parse(text, 4080).map(|domain| domain.url("80-a"))
    }

    #[test]
    fn addresses_have_tls_except_on_this_machine() {
        for (text, address) in [
            ("localhost", "http://80-a.localhost:4080/"),
            ("box.localhost:81", "http://80-a.box.localhost:81/"),
            ("Apps.Example.net", "https://80-a.apps.example.net/"),
            ("example.net:443", "https://80-a.example.net/"),
            ("example.net:8443", "https://80-a.example.net:8443/"),
        ] {
            assert_eq!(url(text).as_deref(), Some(address), "{text}");
        }
        for wrong in [
            "",
            "127.0.0.1",
            "[::1]",
            "https://example.net",
            "example.net/",
            "example..net",
            ".example.net",
            "*.example.net",
            "exa mple.net",
            "example.net:0",
            "example.net:x",
            "example.0x7f",
        ] {
            assert_eq!(url(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_jump_host_is_named_as_openssh_names_it() {
        for (host, port, address, known) in [
            (
                "lease.example.org",
                2222,
                "lease.example.org:2222",
                "[lease.example.org]:2222",
            ),
            (
                "lease.example.org",
                22,
                "lease.example.org:22",
                "lease.example.org",
            ),
            (
                "2001:db8::1",
                2222,
                "[2001:db8::1]:2222",
                "[2001:db8::1]:2222",
            ),
            ("2001:db8::1", 22, "[2001:db8::1]:22", "2001:db8::1"),
        ] {
            let jump = JumpHostConfig {
                listen: SocketAddr::new(IpAddr::from([127, 0, 0, 1]), port),
                host: host.to_owned(),
            };
            assert_eq!(
                (jump.address().as_str(), jump.known_host().as_str()),
                (address, known)
            );
        }
    }

    #[test]
    fn a_domain_of_our_own_site_is_told_by_the_public_suffix_list() {
        for (domain, own, shared) in [
            ("apps.example.org", "lease.example.org", true),
            ("example.org", "lease.example.org", true),
            ("lease.example.org", "lease.example.org", true),
            ("a.b.example.org", "www.EXAMPLE.org.", true),
            ("apps.example.co.uk", "lease.example.co.uk", true),
            ("apps.example.net", "lease.example.org", false),
            ("one.co.uk", "two.co.uk", false),
            // A suffix of the list's private part: every name in front is a site.
            ("one.github.io", "two.github.io", false),
            ("github.io", "two.github.io", true),
            ("localhost", "localhost", false),
            ("localhost", "127.0.0.1", false),
            ("localhost", "[::1]", false),
            ("localhost", "lease.example.org", false),
        ] {
            assert_eq!(share_a_site(domain, own), shared, "{domain} and {own}");
        }
    }
}

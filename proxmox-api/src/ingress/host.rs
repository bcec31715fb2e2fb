//! Which container a request is for, by its `Host`. A request with two of them, or with another
//! host in its target, could mean one thing here and another to a proxy or cache on the way, so it
//! is refused.

use axum::http::{HeaderMap, Uri, header};

use crate::lease::ports::name;

/// What a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RequestTarget<'a> {
    /// A published port, perhaps.
    Port {
        /// The port in the container; without one, the lowest that is published.
        port: Option<u16>,
        /// The container's name.
        name: &'a str,
    },
    /// A name under the guest domain that no container can have.
    NoName,
    /// Another host: the address of the listener itself.
    Listener,
}

/// The one host of a request, in lower case and as it was sent.
pub(super) fn one_host(headers: &HeaderMap, uri: &Uri) -> Result<(String, String), &'static str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err("A request has exactly one Host header.");
    };
    let invalid = "The Host header cannot be read.";
    let host = host.to_str().map_err(|_| invalid)?;
    // Further characters would be read in different ways.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-.:[]_".contains(c);
    if host.is_empty() || !host.chars().all(plain) {
        return Err(invalid);
    }
    let in_target = uri.authority().map(|authority| authority.as_str());
    if in_target.is_some_and(|target| !target.eq_ignore_ascii_case(host)) {
        return Err("The target of the request names another host than the Host header.");
    }
    Ok((without_port(host).to_ascii_lowercase(), host.to_owned()))
}

fn without_port(host: &str) -> &str {
    let (name, port) = host.rsplit_once(':').unwrap_or((host, ""));
    let name = match port.bytes().all(|byte| byte.is_ascii_digit()) {
        true => name,
        false => host,
    };
    // The root's dot, which some resolvers leave.
    name.strip_suffix('.').unwrap_or(name)
}

/// What a host in lower case stands for under the guest domain.
pub(super) fn target<'a>(host: &'a str, domain: &str) -> RequestTarget<'a> {
    let label = host.strip_suffix(domain);
    let Some(label) = label.and_then(|label| label.strip_suffix('.')) else {
        return RequestTarget::Listener;
    };
    match name::parse_label(label) {
        Some((port, name)) => RequestTarget::Port {
            port: Some(port),
            name,
        },
        None if name::is_name(label) => RequestTarget::Port {
            port: None,
            name: label,
        },
        None => RequestTarget::NoName,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "0123456789ab";

    fn host(hosts: &[&str], uri: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, host.parse().unwrap());
        }
        let found = one_host(&headers, &uri.parse().unwrap());
        found.ok().map(|(host, _)| host)
    }

    #[test]
    fn there_is_one_host_and_the_target_names_no_other() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(host(&["A.localhost:4080"], "/"), some("a.localhost"));
        assert_eq!(host(&["a.localhost."], "/"), some("a.localhost"));
        assert_eq!(host(&["[::1]:80"], "/"), some("[::1]"));
        let both = host(&["a.localhost"], "http://A.localhost/x");
        assert_eq!(both, some("a.localhost"));
        for (hosts, uri) in [
            (&[] as &[&str], "/"),
            (&["a.localhost", "a.localhost"], "/"),
            (&["a.localhost", "b.localhost"], "/"),
            (&[""], "/"),
            (&["a.localhost, b.localhost"], "/"),
            (&["x@a.localhost"], "/"),
            (&["a.localhost/"], "/"),
            (&["a.localhost"], "http://b.localhost/"),
            (&["a.localhost"], "http://a.localhost:81/"),
            (&["a.localhost"], "http://x@a.localhost/"),
        ] {
            assert_eq!(host(hosts, uri), None, "{hosts:?} {uri}");
        }
    }

    #[test]
    fn only_one_label_of_the_right_form_is_a_port() {
        let of = |host: &str| target(host, "guest.test") == RequestTarget::NoName;
        let label = format!("80-{NAME}.guest.test");
        let port = |port| RequestTarget::Port { port, name: NAME };
        assert_eq!(target(&label, "guest.test"), port(Some(80)));
        let bare = format!("{NAME}.guest.test");
        assert_eq!(target(&bare, "guest.test"), port(None));
        for host in [
            "www.guest.test".to_owned(),
            format!("x.80-{NAME}.guest.test"),
            format!("{NAME}0.guest.test"),
            format!("x.{NAME}.guest.test"),
            ".guest.test".to_owned(),
        ] {
            assert!(of(&host), "{host}");
        }
        for host in ["guest.test", "127.0.0.1", "xguest.test", "guest.test.evil"] {
            assert_eq!(target(host, "guest.test"), RequestTarget::Listener);
        }
    }
}

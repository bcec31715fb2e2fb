//! The headers that pass between a visitor and a container: those of one connection stay behind
//! (RFC 9110, section 7.6.1), and so do this service's own cookies and tokens in the one direction
//! and what would reach other containers' pages in the other.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::lease::ports::ACCESS_QUERY;

/// The header by which programs show a token.
pub(super) const ACCESS_HEADER: &str = "x-infra402-access";
/// The cookies of this service: the first where addresses have TLS. Browsers take one with this
/// prefix for the very host that set it only.
pub(super) const COOKIES: [&str; 2] = ["__Host-infra402-access", "infra402-access"];
/// The cookies of browsers that have shown the warning of public ports, in the same way.
pub(super) const SEEN_COOKIES: [&str; 2] = ["__Host-infra402-seen", "infra402-seen"];

/// Headers of one connection, beside those that `Connection` names.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];
/// Headers by which a visitor could claim to be another one, also behind the body, or have a CGI
/// program use a proxy, or that are for this service; and how the names of more of them begin.
const CLAIMS: [&str; 5] = ["expect", "forwarded", "proxy", "trailer", "x-real-ip"];
const CLAIMS_BEGIN: [&str; 2] = ["x-forwarded-", "x-infra402-"];
/// Headers of a response that browsers heed beyond the host that sent them.
const BEYOND_THE_HOST: [&str; 4] = ["alt-svc", "clear-site-data", "set-cookie2", "proxy-status"];

/// What the container is told of a visitor.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    pub(super) address: IpAddr,
    pub(super) scheme: &'static str,
    /// The host as it was sent.
    pub(super) host: String,
}

/// The headers for the container.
pub(super) fn for_guest(headers: &HeaderMap, visitor: &Visitor, upgrade: bool) -> HeaderMap {
    let trailers = accepts_trailers(headers);
    let mut kept = without_hop_by_hop(headers);
    let claims: Vec<HeaderName> = kept.keys().filter(|name| is_claim(name)).cloned().collect();
    for name in claims {
        kept.remove(name);
    }
    keep_foreign_cookies(&mut kept);
    let shows_token = |value: &HeaderValue| {
        let query = ACCESS_QUERY.as_bytes();
        value
            .as_bytes()
            .windows(query.len())
            .any(|part| part == query)
    };
    // Browsers are led on before they show a page; other clients may keep the address that they had.
    if kept.get(header::REFERER).is_some_and(shows_token) {
        kept.remove(header::REFERER);
    }
    for (name, value) in [
        ("host", visitor.host.as_str()),
        ("x-forwarded-host", &visitor.host),
        ("x-forwarded-proto", visitor.scheme),
        (
            "x-forwarded-for",
            &visitor.address.to_canonical().to_string(),
        ),
    ] {
        // A host was read from a header, and the others are plain.
        if let Ok(value) = HeaderValue::from_str(value) {
            kept.insert(HeaderName::from_static(name), value);
        }
    }
    if trailers {
        kept.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    if upgrade {
        add_upgrade(&mut kept);
    }
    kept
}

/// The headers for the visitor.
pub(super) fn for_visitor(headers: &HeaderMap, public: bool, upgrade: bool) -> HeaderMap {
    let mut kept = without_hop_by_hop(headers);
    for name in BEYOND_THE_HOST {
        kept.remove(name);
    }
    let cookies: Vec<HeaderValue> = kept
        .get_all(header::SET_COOKIE)
        .iter()
        .filter_map(host_only)
        .collect();
    kept.remove(header::SET_COOKIE);
    for cookie in cookies {
        kept.append(header::SET_COOKIE, cookie);
    }
    if !public {
        let robots = HeaderName::from_static("x-robots-tag");
        kept.insert(robots, HeaderValue::from_static("noindex, nofollow"));
    }
    if upgrade {
        add_upgrade(&mut kept);
    }
    kept
}

/// Whether a request asks for a WebSocket. No other protocol is switched to: a container could be
/// spoken to past all of this by one.
pub(super) fn asks_for_websocket(headers: &HeaderMap) -> bool {
    let mut upgrades = headers.get_all(header::UPGRADE).iter();
    let (Some(upgrade), None) = (upgrades.next(), upgrades.next()) else {
        return false;
    };
    upgrade.as_bytes().eq_ignore_ascii_case(b"websocket")
        && connection_options(headers).any(|option| option.eq_ignore_ascii_case("upgrade"))
}

/// The tokens that a request shows in cookies of ours. A page of another container may have set
/// more of the same name, so each is tried.
pub(super) fn tokens_in_cookies(headers: &HeaderMap, secure: bool) -> impl Iterator<Item = &str> {
    cookies(headers, COOKIES[usize::from(!secure)])
}

/// Whether a browser has shown the warning of public ports.
pub(super) fn has_seen_warning(headers: &HeaderMap, secure: bool) -> bool {
    let mut seen = cookies(headers, SEEN_COOKIES[usize::from(!secure)]);
    seen.next().is_some()
}

fn cookies<'a>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = &'a str> {
    let cookies = headers.get_all(header::COOKIE).into_iter();
    cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(move |cookie| cookie.trim().strip_prefix(name)?.strip_prefix('='))
}

/// The names of cookies that no container sees or sets.
fn own_cookies() -> impl Iterator<Item = &'static str> {
    COOKIES.into_iter().chain(SEEN_COOKIES)
}

fn add_upgrade(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::CONNECTION).into_iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// CGI and WSGI take an underscore in a name for a hyphen.
fn is_claim(name: &HeaderName) -> bool {
    let name = name.as_str().replace('_', "-");
    CLAIMS.contains(&name.as_str()) || CLAIMS_BEGIN.iter().any(|begin| name.starts_with(begin))
}

fn accepts_trailers(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::TE).into_iter();
    let mut codings = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    codings.any(|coding| coding.trim().eq_ignore_ascii_case("trailers"))
}

fn without_hop_by_hop(headers: &HeaderMap) -> HeaderMap {
    let mut kept = headers.clone();
    for name in HOP_BY_HOP.into_iter().chain(connection_options(headers)) {
        kept.remove(name);
    }
    kept
}

/// Leaves this service's cookies out.
fn keep_foreign_cookies(headers: &mut HeaderMap) {
    let is_ours = |cookie: &[u8]| {
        let name = cookie.split(|byte| *byte == b'=').next();
        let name = name.unwrap_or_default().trim_ascii();
        own_cookies().any(|own| own.as_bytes() == name)
    };
    let kept: Vec<HeaderValue> = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| {
            let cookies = value.as_bytes().split(|byte| *byte == b';');
            let foreign: Vec<&[u8]> = cookies.filter(|cookie| !is_ours(cookie)).collect();
            let joined = foreign.join(&b';');
            let joined = joined.trim_ascii_start();
            HeaderValue::from_bytes(joined)
                .ok()
                .filter(|value| !value.is_empty())
        })
        .collect();
    headers.remove(header::COOKIE);
    for value in kept {
        headers.append(header::COOKIE, value);
    }
}

/// A cookie as a container may set it: for its own host only, and none of this service's.
fn host_only(cookie: &HeaderValue) -> Option<HeaderValue> {
    let mut parts = cookie.as_bytes().split(|byte| *byte == b';');
    let pair = parts.next()?;
    let name = pair.split(|byte| *byte == b'=').next()?.trim_ascii();
    let is_ours = |own: &str| own.as_bytes().eq_ignore_ascii_case(name);
    if own_cookies().any(is_ours) {
        return None;
    }
    let is_domain = |part: &[u8]| {
        let name = part.split(|byte| *byte == b'=').next();
        name.unwrap_or_default()
            .trim_ascii()
            .eq_ignore_ascii_case(b"domain")
    };
    let mut kept = vec![pair];
    kept.extend(parts.filter(|part| !is_domain(part)));
    HeaderValue::from_bytes(&kept.join(&b';')).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn shown(headers: &HeaderMap) -> Vec<String> {
        let mut shown: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        shown.sort();
        shown
    }

    fn visitor() -> Visitor {
        Visitor {
            address: "::ffff:192.0.2.7".parse().unwrap(),
            scheme: "https",
            host: "80-x.guest.test".into(),
        }
    }

    #[test]
    fn a_container_learns_who_visits_and_nothing_that_a_visitor_made_up() {
        let sent = headers(&[
            ("host", "80-x.guest.test"),
            ("connection", "keep-alive, X-Forwarded-For, x-secret"),
            ("connection", "host"),
            ("keep-alive", "5"),
            ("te", "gzip, trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("http2-settings", "x"),
            ("proxy-authorization", "Basic x"),
            ("x-secret", "for the next hop"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-proto", "http"),
            ("x-real-ip", "127.0.0.1"),
            ("x_forwarded_for", "127.0.0.1"),
            ("x-forwarded-ssl", "on"),
            ("x_infra402_access", "token"),
            ("proxy", "http://192.0.2.9"),
            ("forwarded", "for=127.0.0.1"),
            ("x-infra402-access", "token"),
            ("x-infra402-client", "127.0.0.1"),
            ("expect", "100-continue"),
            ("trailer", "x-forwarded-for"),
            ("referer", "https://80-x.guest.test/a?infra402_access=t"),
            ("authorization", "Bearer of-the-app"),
            (
                "cookie",
                "a=1; __Host-infra402-access=t; b=infra402-access=2; infra402-seen=1",
            ),
            ("cookie", "infra402-access=t"),
            ("cookie", " infra402-access = t;c=3"),
        ]);
        assert_eq!(
            shown(&for_guest(&sent, &visitor(), false)),
            [
                "authorization: Bearer of-the-app",
                "cookie: a=1; b=infra402-access=2",
                "cookie: c=3",
                "host: 80-x.guest.test",
                "te: trailers",
                "x-forwarded-for: 192.0.2.7",
                "x-forwarded-host: 80-x.guest.test",
                "x-forwarded-proto: https",
            ]
        );
    }

    #[test]
    fn a_visitor_gets_no_cookie_for_others_and_none_of_ours() {
        let sent = headers(&[
            ("set-cookie", "a=1; Path=/; domain=guest.test; Secure"),
            ("set-cookie", "b=domain=x; DOMAIN = .guest.test"),
            (
                "set-cookie",
                "__Host-infra402-access=forged; Path=/; Secure",
            ),
            ("set-cookie", "INFRA402-access=forged"),
            ("set-cookie", "__host-infra402-seen=1"),
            ("set-cookie2", "c=1"),
            ("clear-site-data", "\"cookies\""),
            ("alt-svc", "h3=\":443\""),
            ("connection", "close"),
            ("content-type", "text/html"),
        ]);
        let public = for_visitor(&sent, true, false);
        let expected = [
            "content-type: text/html",
            "set-cookie: a=1; Path=/; Secure",
            "set-cookie: b=domain=x",
        ];
        assert_eq!(shown(&public), expected);
        let private = for_visitor(&sent, false, false);
        assert_eq!(private["x-robots-tag"], "noindex, nofollow");
    }

    #[test]
    fn only_a_websocket_is_switched_to() {
        let asks = |list: &[(&'static str, &str)]| asks_for_websocket(&headers(list));
        assert!(asks(&[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket")
        ]));
        assert!(!asks(&[("connection", "Upgrade"), ("upgrade", "h2c")]));
        assert!(!asks(&[("upgrade", "websocket")]));
        assert!(!asks(&[("connection", "upgrade")]));
        let two = [
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("upgrade", "h2c"),
        ];
        assert!(!asks(&two));
        let up = for_guest(&headers(&two[..2]), &visitor(), true);
        assert_eq!(
            (&up["connection"], &up["upgrade"]),
            (
                &HeaderValue::from_static("upgrade"),
                &HeaderValue::from_static("websocket"),
            )
        );
    }

    #[test]
    fn every_cookie_of_the_right_name_is_tried() {
        let sent = headers(&[
            ("cookie", "x=1; infra402-access=one;infra402-access=two"),
            ("cookie", "__Host-infra402-access=three"),
        ]);
        let found = |secure| tokens_in_cookies(&sent, secure).collect::<Vec<_>>();
        assert_eq!(found(false), ["one", "two"]);
        assert_eq!(found(true), ["three"]);
    }
}

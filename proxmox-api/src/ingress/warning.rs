//! The warning that a browser shows before the first page of a public port: anybody can be sent
//! there, and a page that asks for a password could be taken for its operator's. Programs, and
//! visitors whom the owner gave a link, see none.

use axum::{
    http::{HeaderMap, Method},
    response::Response,
};

use super::{
    headers::{SEEN_COOKIES, has_seen_warning},
    refusal,
};
use crate::config::GuestDomain;

/// The header by which tests in a browser pass.
const SKIP_HEADER: &str = "x-infra402-skip-warning";
/// The query of the warning's own link.
const SEEN_QUERY: &str = "infra402_seen=1";
/// Seconds for which a browser is not warned again.
const SEEN_SECONDS: u32 = 30 * 24 * 3600;

/// What a browser gets before the first page: the warning, or, once its link was followed, the
/// address to go on to (path and query, with a cookie).
pub(super) enum Before {
    Warning(Response),
    Seen { path: String, cookie: String },
}

/// Decides for a request for `path`, a path with its query, of the host with this label.
pub(super) fn before(
    (method, headers): (&Method, &HeaderMap),
    (domain, label): (&GuestDomain, &str),
    path: &str,
    abuse: &str,
) -> Option<Before> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let shows_document =
        text("sec-fetch-mode") == Some("navigate") && text("sec-fetch-dest") == Some("document");
    let secure = domain.is_secure();
    if *method != Method::GET
        || !shows_document
        || headers.contains_key(SKIP_HEADER)
        || has_seen_warning(headers, secure)
    {
        return None;
    }
    let (path, seen) = without_seen(path);
    // Only the warning's own link counts: anybody could send a visitor an address with the query.
    if seen && text("sec-fetch-site") == Some("same-origin") {
        let (name, secure) = match secure {
            true => (SEEN_COOKIES[0], "; Secure"),
            false => (SEEN_COOKIES[1], ""),
        };
        let cookie =
            format!("{name}=1; Path=/; Max-Age={SEEN_SECONDS}; HttpOnly; SameSite=Lax{secure}");
        return Some(Before::Seen { path, cookie });
    }
    let separator = if path.contains('?') { '&' } else { '?' };
    let url = domain.url(label);
    // Whole, because a path may begin like a host: `//elsewhere`.
    let next = format!("{}{path}{separator}{SEEN_QUERY}", url.trim_end_matches('/'));
    let host = format!("{label}.{}", domain.name);
    Some(Before::Warning(refusal::warning(&host, &next, abuse)))
}

/// The path without the link's query, and whether it was there.
fn without_seen(path: &str) -> (String, bool) {
    let Some((path, query)) = path.split_once('?') else {
        return (path.to_owned(), false);
    };
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| *pair != SEEN_QUERY)
        .collect();
    let seen = kept.len() < query.split('&').count();
    match kept.is_empty() {
        true => (path.to_owned(), seen),
        false => (format!("{path}?{}", kept.join("&")), seen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_links_query_leaves_nothing_behind() {
        for (path, kept, seen) in [
            ("/", "/", false),
            ("/a?b=1", "/a?b=1", false),
            ("/a?infra402_seen=1", "/a", true),
            ("/a?b=1&infra402_seen=1&c", "/a?b=1&c", true),
            ("/a?infra402_seen=2", "/a?infra402_seen=2", false),
        ] {
            assert_eq!(without_seen(path), (kept.to_owned(), seen), "{path}");
        }
    }
}

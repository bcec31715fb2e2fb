//! Which page had a browser send a request. To browsers all names under the guest domain are one
//! site, unless the domain is on the public suffix list, so `SameSite` does not keep a page of one
//! container from having requests sent to another with the visitor's cookie.

use axum::http::{HeaderMap, HeaderName, Method, Uri, header};

use super::host::{self, RequestTarget};

/// Whether a cookie of ours may open the container `name` for this request: it was sent by a page of
/// this container, by a person who followed a link or typed the address, or by a program, which names
/// no page. Other pages may not use their visitor's cookie.
pub(super) fn may_use_cookie(
    headers: &HeaderMap,
    method: &Method,
    domain: &str,
    name: &str,
) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    let fetch = |name: &'static str| text(HeaderName::from_static(name));
    let site = fetch("sec-fetch-site");
    let is_own = |page: &str| container_of(page, domain).is_some_and(|own| own == name);
    let follows_link = fetch("sec-fetch-mode") == Some("navigate")
        && fetch("sec-fetch-dest") == Some("document")
        && matches!(*method, Method::GET | Method::HEAD);
    match (text(header::ORIGIN), site) {
        (None, None | Some("same-origin" | "none")) => true,
        (Some(page), _) => is_own(page),
        // Browsers send no `Origin` where the answer is not shown to the page.
        (None, Some(_)) => follows_link || text(header::REFERER).is_some_and(is_own),
    }
}

/// The name of the container whose page this is.
fn container_of(page: &str, domain: &str) -> Option<String> {
    let page: Uri = page.parse().ok()?;
    match host::target(&page.host()?.to_ascii_lowercase(), domain) {
        RequestTarget::Port { name, .. } => Some(name.to_owned()),
        RequestTarget::NoName | RequestTarget::Listener => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "0123456789ab";
    const OWN: &str = "https://3000-0123456789ab.guest.test";
    const OTHER: &str = "https://3000-ba9876543210.guest.test";

    fn may(method: &Method, list: &[(&'static str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(*name, value.parse().unwrap());
        }
        may_use_cookie(&headers, method, "guest.test", NAME)
    }

    #[test]
    fn a_page_of_another_container_cannot_use_a_visitors_cookie() {
        let (site, mode, dest) = ("sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest");
        let own_page = format!("{OWN}/a?b=1");
        for headers in [
            vec![],
            vec![(site, "same-origin")],
            vec![(site, "none"), (mode, "navigate"), (dest, "document")],
            vec![(site, "same-site"), (mode, "navigate"), (dest, "document")],
            // Another port of the same container.
            vec![(site, "same-site"), ("origin", OWN)],
            vec![(site, "same-site"), ("referer", own_page.as_str())],
            // Its name without a port.
            vec![("origin", "https://0123456789ab.guest.test")],
        ] {
            assert!(may(&Method::GET, &headers), "{headers:?}");
        }
        for headers in [
            vec![("origin", OTHER)],
            vec![("origin", "null")],
            vec![("origin", "https://ba9876543210.guest.test")],
            vec![("origin", "https://3000-0123456789ab.guest.test.example")],
            vec![(site, "same-site"), ("origin", OTHER)],
            vec![(site, "same-site"), ("referer", OTHER)],
            vec![(site, "same-site"), (mode, "no-cors"), (dest, "script")],
            vec![(site, "same-site"), (mode, "navigate"), (dest, "iframe")],
            vec![(site, "cross-site"), (mode, "websocket")],
        ] {
            assert!(!may(&Method::GET, &headers), "{headers:?}");
        }
        let form = [(site, "same-site"), (mode, "navigate"), (dest, "document")];
        assert!(!may(&Method::POST, &form), "a form of another page");
        let form = [(site, "same-origin"), ("origin", OWN)];
        assert!(may(&Method::POST, &form), "a form of its own");
    }
}

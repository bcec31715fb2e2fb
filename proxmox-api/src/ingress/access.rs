//! Whether a visitor may open a port. A token comes in a header, a cookie or, once, in the query;
//! from there it goes into a cookie of this host alone, and the browser is led on to the address
//! without it, so that no history, log or `Referer` has it.

use api_types::PortAccess;
use axum::http::{HeaderMap, Method, Uri};

use super::{
    headers::{ACCESS_HEADER, COOKIES, tokens_in_cookies},
    origin,
};
use crate::{
    config::GuestDomain,
    lease::ports::{
        ACCESS_QUERY, owner_token,
        token::{self, TokenKind},
    },
    state::App,
    store::{PublishedPort, StoreError},
};

/// Seconds for which a browser keeps the cookie of a link; it is good for as long as the link.
const LINK_COOKIE_SECONDS: i64 = 30 * 24 * 3600;

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is passed on with this path and query.
    Admit(String),
    /// The browser is led to this path and query, with a cookie.
    LeadOn {
        /// Path and query without the token.
        path: String,
        /// The value of `Set-Cookie`.
        cookie: Option<String>,
    },
    /// It needs a token, and has none that is good.
    Refuse,
}

/// Decides over a request for a port of the container `name`.
///
/// # Errors
/// The store failed.
pub(super) async fn admit(
    app: &App,
    published: &PublishedPort,
    (method, uri, headers): (&Method, &Uri, &HeaderMap),
    (domain, name): (&GuestDomain, &str),
    upgrade: bool,
) -> Result<Admission, StoreError> {
    let (path, shown) = without_token(uri);
    // Only a browser that shows a page is led on.
    let leads_on = !upgrade && matches!(*method, Method::GET | Method::HEAD);
    let (lease_id, port) = (&published.lease.lease_id, &published.port);
    let opens = |token: &str| token::opens(&app.installation, lease_id, port, token, app.now());
    let secure = domain.is_secure();
    let in_header = headers.get(ACCESS_HEADER);
    let own_page = origin::may_use_cookie(headers, method, &domain.name, name);
    let cookies = own_page.then(|| tokens_in_cookies(headers, secure));
    let mut kept = in_header
        .and_then(|value| value.to_str().ok())
        .into_iter()
        .chain(cookies.into_iter().flatten());
    let may_pass = port.access == PortAccess::Public || kept.any(|token| opens(token).is_some());
    let Some(shown) = shown else {
        return Ok(match may_pass {
            true => Admission::Admit(path),
            false => Admission::Refuse,
        });
    };
    if may_pass {
        return Ok(match leads_on {
            true => Admission::LeadOn { path, cookie: None },
            false => Admission::Admit(path),
        });
    }
    let (token, kind) = match opens(&shown) {
        Some(kind) => (shown, kind),
        None if *method == Method::GET && leads_on => {
            let hash = token::ticket_hash(port, &shown);
            let ticket = app
                .store
                .use_port_ticket(&hash, lease_id, port.port, app.now());
            if !ticket.await? {
                return Ok(Admission::Refuse);
            }
            let token = owner_token(app, lease_id, port);
            match opens(&token) {
                Some(kind) => (token, kind),
                None => return Ok(Admission::Refuse),
            }
        }
        None => return Ok(Admission::Refuse),
    };
    Ok(match leads_on {
        true => Admission::LeadOn {
            path,
            cookie: Some(cookie(&token, kind, secure, app.now())),
        },
        false => Admission::Admit(path),
    })
}

/// Path and query without tokens, and the last token that was there.
fn without_token(uri: &Uri) -> (String, Option<String>) {
    let mut token = None;
    let Some(query) = uri.query() else {
        return (uri.path().to_owned(), None);
    };
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let is_token = name == ACCESS_QUERY;
            if is_token {
                token = Some(value.to_owned());
            }
            !is_token
        })
        .collect();
    let path = match kept.as_slice() {
        [] => uri.path().to_owned(),
        kept => format!("{}?{}", uri.path(), kept.join("&")),
    };
    (path, token)
}

fn cookie(token: &str, kind: TokenKind, secure: bool, now: i64) -> String {
    let name = COOKIES[usize::from(!secure)];
    let seconds = match kind {
        TokenKind::Link => LINK_COOKIE_SECONDS,
        TokenKind::Visit(until) => until - now,
    };
    let secure = if secure { "; Secure" } else { "" };
    format!("{name}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leaves_nothing_behind_in_the_address() {
        for (uri, path, token) in [
            ("/", "/", None),
            ("/a?b=1&c", "/a?b=1&c", None),
            ("/a?infra402_access=t", "/a", Some("t")),
            ("/a?b=1&infra402_access=t&c=2", "/a?b=1&c=2", Some("t")),
            ("/?infra402_access=t&infra402_access=u", "/", Some("u")),
            ("/?infra402_access", "/", Some("")),
            ("/?xinfra402_access=t", "/?xinfra402_access=t", None),
        ] {
            let found = without_token(&uri.parse().unwrap());
            assert_eq!(found, (path.to_owned(), token.map(str::to_owned)), "{uri}");
        }
    }

    #[test]
    fn a_cookie_is_for_one_host_and_out_of_scripts_reach() {
        assert_eq!(
            cookie("v9.t", TokenKind::Visit(109), true, 9),
            "__Host-infra402-access=v9.t; Path=/; Max-Age=100; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(
            cookie("l.t", TokenKind::Link, false, 9),
            "infra402-access=l.t; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax"
        );
    }
}

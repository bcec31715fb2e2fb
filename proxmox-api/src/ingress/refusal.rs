//! What a visitor gets in place of a container's answer: a page where a browser shows one, and JSON
//! otherwise, so that no script reads a page as data.

use axum::{
    Json,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse as _, Response},
};
use serde_json::json;

use crate::memory::guest_routes::SshObstacle;

/// Why there is no answer of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The request can be read in more than one way.
    Malformed(&'static str),
    /// Its method is for proxies.
    Method,
    /// Its headers are larger than is read.
    Headers,
    /// There is no such name, or it is over. One answer for both, so that it tells nothing.
    Unknown,
    /// It needs a token.
    Private,
    /// The container has as many connections as it may have.
    Full,
    /// The container runs, and nothing listens on the port.
    NothingListens(u16),
    /// What listens on the port sent something that is no HTTP.
    NoHttp(u16),
    /// The container's SSH server, which connections pass through, forbids them.
    Prohibited,
    /// The owner has switched the container off.
    Off,
    /// The container cannot be reached, and why.
    Unreachable(SshObstacle),
    /// The container took too long to answer.
    Late,
    /// The store failed.
    Internal,
}

impl Refusal {
    /// Status, code for programs, and heading and text for people.
    fn parts(self) -> (u16, &'static str, &'static str, String) {
        match self {
            Self::Malformed(what) => (400, "malformed", "This request cannot be read", what.into()),
            Self::Method => (
                405,
                "method_not_allowed",
                "This method is not taken",
                "CONNECT and TRACE are for proxies.".into(),
            ),
            Self::Headers => (
                431,
                "headers_too_large",
                "The headers are too large",
                "A request's headers have at most 64 KiB.".into(),
            ),
            Self::Unknown => (
                404,
                "not_found",
                "There is nothing here",
                "No container has this address, or none has it any more.".into(),
            ),
            Self::Private => (
                403,
                "private",
                "This address is private",
                "Its owner opens it from the board or with the API; others need a link from the owner.".into(),
            ),
            Self::Full => (
                429,
                "busy",
                "The container is busy",
                "It has as many connections as it may have. Try again in a moment.".into(),
            ),
            Self::NothingListens(port) => (
                502,
                "nothing_listens",
                "Nothing listens here yet",
                format!("The container runs, and nothing listens on its port {port}. Start the server, and load this page again."),
            ),
            Self::NoHttp(port) => (
                502,
                "no_http",
                "The answer cannot be read",
                format!("What listens on port {port} of the container broke off, or does not speak HTTP/1.1."),
            ),
            Self::Prohibited => (
                502,
                "forwarding_prohibited",
                "The container cannot be connected to",
                "Its SSH server forbids port forwarding (AllowTcpForwarding), by which visitors come in.".into(),
            ),
            Self::Off => (
                503,
                "stopped",
                "The container is switched off",
                "Its owner starts it from the board, or with POST /lease/{ctid}/start.".into(),
            ),
            Self::Unreachable(obstacle) => (
                503,
                "unreachable",
                "The container cannot be reached just now",
                obstacle.sentence().into(),
            ),
            Self::Late => (
                504,
                "timeout",
                "The container does not answer",
                "It took too long to begin its answer.".into(),
            ),
            Self::Internal => (
                500,
                "internal",
                "Something went wrong",
                "The fault is this service's. Try again in a moment.".into(),
            ),
        }
    }

    /// The code for programs, which is the metric's label too.
    pub(super) fn code(self) -> &'static str {
        self.parts().1
    }

    /// The response, a page or JSON; `abuse` is a sentence about whom to tell of abuse, or empty.
    pub(super) fn respond(self, shows_page: bool, abuse: &str) -> Response {
        let (status, code, heading, text) = self.parts();
        let mut response = match shows_page {
            true => page(heading, &text, None, abuse),
            false => Json(json!({"error": {"code": code, "message": text}})).into_response(),
        };
        *response.status_mut() = StatusCode::from_u16(status).expect("a status of the table above");
        let headers = response.headers_mut();
        mark(headers);
        let wait = match self {
            Self::Full => Some(2_u64),
            Self::Off | Self::Unreachable(_) => Some(30),
            _ => None,
        };
        if let Some(seconds) = wait {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self == Self::Method {
            let allow = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}

/// Whether a browser asks, to show the answer as a page.
pub(super) fn shows_page(request: &HeaderMap) -> bool {
    request
        .get("sec-fetch-mode")
        .is_some_and(|mode| mode == "navigate")
}

/// The headers of each response that is this service's own.
fn mark(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// What a browser shows before the first page of a public port: who is behind it. `next` leads on.
pub(super) fn warning(host: &str, next: &str, abuse: &str) -> Response {
    let text = format!(
        "{host} is served by a container that somebody rents here. The operator of this service has \
         not looked at it. Give it no passwords and no data of cards or wallets, unless you know \
         whose it is."
    );
    let link = Some((next, "Open it"));
    let mut response = page("This page is by a customer", &text, link, abuse);
    mark(response.headers_mut());
    response
}

fn page(heading: &str, text: &str, link: Option<(&str, &str)>, abuse: &str) -> Response {
    let [text, abuse] = [text, abuse.trim()].map(escaped);
    let link = link.map_or(String::new(), |(address, label)| {
        format!("<p><a href=\"{}\">{label}</a></p>", escaped(address))
    });
    let abuse = match abuse.as_str() {
        "" => String::new(),
        abuse => format!("<p class=\"small\">{abuse}</p>"),
    };
    Html(format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{heading}</title><style>\
         body{{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:18vh auto;padding:0 1rem;\
         color:#1c1c1c;background:#fff}}h1{{font-size:1.4rem}}.small{{color:#5c5c5c;font-size:.85rem}}\
         @media(prefers-color-scheme:dark){{body{{color:#e8e8e8;background:#161616}}.small{{color:#a0a0a0}}\
         a{{color:#9ec1ff}}}}\
         </style></head><body><main><h1>{heading}</h1><p>{text}</p>{link}{abuse}</main></body></html>\n"
    ))
    .into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_page_is_for_browsers_that_show_one_and_escapes_what_the_operator_set() {
        let mut navigates = HeaderMap::new();
        navigates.insert("sec-fetch-mode", HeaderValue::from_static("navigate"));
        assert!(shows_page(&navigates) && !shows_page(&HeaderMap::new()));
        let page = Refusal::Off.respond(true, "<a>&");
        assert_eq!(page.status(), 503);
        assert_eq!(page.headers()["retry-after"], "30");
        assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
        let json = Refusal::Off.respond(false, "");
        assert_eq!(json.headers()["content-type"], "application/json");
        let body = axum::body::to_bytes(page.into_body(), usize::MAX);
        let body = String::from_utf8(body.await.unwrap().into()).unwrap();
        assert!(
            body.contains("<p class=\"small\">&lt;a&gt;&amp;</p>"),
            "{body}"
        );
    }
}

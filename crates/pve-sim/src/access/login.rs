//! The sender of a request: cookie with ticket and CSRF token, or an API token in the Authorization
//! header (`PVE::HTTPServer::auth_handler`). A cookie, if there is one, wins.

use http::{HeaderMap, Method, header};

use super::Access;
use super::ticket::Signer;
use crate::encoding;
use crate::response::ErrorResponse;

/// How the sender of a request authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuthMethod {
    Ticket,
    Token,
    /// No authentication, on one of the few open paths.
    None,
}

/// The sender of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// `user@realm` or `user@realm!token`.
    pub(crate) authid: String,
    pub(crate) auth_method: AuthMethod,
}

impl Caller {
    pub(crate) fn nobody() -> Self {
        Self {
            authid: String::new(),
            auth_method: AuthMethod::None,
        }
    }

    /// The account without the token name.
    pub(crate) fn user(&self) -> &str {
        self.authid.split('!').next().unwrap_or_default()
    }
}

/// The sender of a request, or the 401.
pub(crate) fn identify(
    access: &Access,
    signer: &Signer,
    method: &Method,
    headers: &HeaderMap,
    now: u64,
) -> Result<Caller, ErrorResponse> {
    if let Some(ticket) = cookie(headers) {
        let user = signer
            .verify_access(&ticket, now)
            .filter(|user| access.users.contains_key(user))
            .ok_or_else(|| ErrorResponse::unauthorized("Authentication failed!"))?;
        if method != Method::GET {
            let token = headers
                .get("CSRFPreventionToken")
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default();
            if !signer.verify_csrf(token, &user, now) {
                return Err(ErrorResponse::unauthorized(
                    "Permission denied - invalid csrf token",
                ));
            }
        }
        return Ok(Caller {
            authid: user,
            auth_method: AuthMethod::Ticket,
        });
    }
    let header = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let Some(token) = header.and_then(|text| text.strip_prefix("PVEAPIToken=")) else {
        return Err(ErrorResponse::unauthorized("No ticket"));
    };
    token_holder(access, token)
        .map(|authid| Caller {
            authid,
            auth_method: AuthMethod::Token,
        })
        .ok_or_else(|| ErrorResponse::unauthorized("Authentication failed!"))
}

fn token_holder(access: &Access, text: &str) -> Option<String> {
    let (authid, secret) = text.split_once('=')?;
    let (user, name) = authid.split_once('!')?;
    let token = access.users.get(user)?.tokens.get(name)?;
    (token.secret == secret).then(|| authid.to_owned())
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix("PVEAuthCookie="))
        .map(encoding::percent_decode)
        .filter(|ticket| !ticket.is_empty())
}

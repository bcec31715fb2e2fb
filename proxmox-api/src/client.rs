//! The address that a request counts for in limits. A layer before all routes finds it once; the
//! limits of the free routes and of the paywall read it from the request.

use std::{convert::Infallible, net::IpAddr};

use axum::{
    extract::{FromRequestParts, Request, State},
    http::request::Parts,
    middleware::Next,
    response::Response,
};
use service::{
    caller::{self, Caller},
    env::Secret,
};

use crate::App;

/// The client's address. `None` for a request of one of our services that names no customer: it is
/// not counted by address, since all of its customers would share one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub Option<IpAddr>);

impl ClientAddress {
    /// The network that counts as one client, as the store names it: an IPv4 address, or the first
    /// half of an IPv6 address.
    pub fn network(self) -> Option<String> {
        Some(caller::network_of(self.0?).to_string())
    }
}

impl From<Caller> for ClientAddress {
    fn from(caller: Caller) -> Self {
        match caller {
            Caller::Address(address) => Self(Some(address)),
            Caller::Service => Self(None),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let found = parts.extensions.get::<Self>().copied();
        // Without the layer, as in tests of a bare router, the peer is the client.
        Ok(found.unwrap_or_else(|| Self(Some(caller::peer(&parts.extensions)))))
    }
}

/// The layer that finds it, from `TRUSTED_PROXIES` and `SERVICES_SECRET`.
pub async fn identify(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let peer = caller::peer(request.extensions());
    let secret = app.config.services_secret.as_ref().map(Secret::expose);
    let proxies = app.config.trusted_proxies;
    let caller = caller::caller(peer, request.headers(), proxies, secret);
    request.extensions_mut().insert(ClientAddress::from(caller));
    next.run(request).await
}

//! What a key has to be allowed to do for each free route that takes a session. A route that is not
//! here takes no key.

use api_types::KeyScope;
use axum::http::Method;

/// What a route asks of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteScope {
    /// This scope.
    Needs(KeyScope),
    /// Any good key.
    AnyKey,
    /// The wallet's own session.
    SessionOnly,
}

/// Routes that concern no single lease and are good for a key of a lease all the same: they show it
/// that lease alone.
const OF_ANY_LEASE: [&str; 2] = ["/leases", "/keys/current"];

/// What a key of one lease may ask of a route without a lease in its path.
pub fn serves_keys_of_a_lease(path: &str) -> bool {
    OF_ANY_LEASE.contains(&path)
}

/// The scope that a route needs, by the pattern of its path.
pub fn of_route(method: &Method, path: &str) -> RouteScope {
    use KeyScope::{Destroy, Exec, Files, Power, Read};
    let reads = [Method::GET, Method::HEAD].contains(method);
    let scope = match path {
        "/keys/current" if reads => return RouteScope::AnyKey,
        "/leases"
        | "/leases/{leaseId}"
        | "/payments"
        | "/credit"
        | "/credit/entries"
        | "/lease/{lease}/usage"
        | "/lease/{lease}/ports"
        | "/lease/{lease}/ssh-keys"
        | "/lease/{lease}/ssh"
            if reads =>
        {
            Read
        }
        "/lease/{lease}/commands"
        | "/lease/{lease}/commands/{id}"
        | "/lease/{lease}/access"
        | "/lease/{lease}/ssh-keys"
        | "/lease/{lease}/proxy" => Exec,
        "/lease/{lease}/files" => Files,
        "/lease/{lease}/ports/{port}"
        | "/lease/{lease}/ports/{port}/visit"
        | "/lease/{ctid}/stop"
        | "/lease/{ctid}/start" => Power,
        "/lease/{ctid}" if *method == Method::DELETE => Destroy,
        _ => return RouteScope::SessionOnly,
    };
    RouteScope::Needs(scope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_make_no_keys_and_end_no_sessions() {
        for (method, path) in [
            (Method::POST, "/keys"),
            (Method::GET, "/keys"),
            (Method::PATCH, "/keys/{id}"),
            (Method::DELETE, "/keys/{id}"),
            (Method::DELETE, "/session"),
            (Method::POST, "/a/new/route"),
        ] {
            assert_eq!(
                of_route(&method, path),
                RouteScope::SessionOnly,
                "{method} {path}"
            );
        }
    }

    #[test]
    fn to_see_is_not_to_change() {
        let of = |method, path| of_route(&method, path);
        let needs = RouteScope::Needs;
        assert_eq!(
            of(Method::GET, "/lease/{lease}/ssh-keys"),
            needs(KeyScope::Read)
        );
        assert_eq!(
            of(Method::PUT, "/lease/{lease}/ssh-keys"),
            needs(KeyScope::Exec)
        );
        assert_eq!(
            of(Method::DELETE, "/lease/{ctid}"),
            needs(KeyScope::Destroy)
        );
        assert_eq!(of(Method::GET, "/lease/{ctid}"), RouteScope::SessionOnly);
    }
}

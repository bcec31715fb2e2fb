//! One method of the API: who may call it, its parameters and its handler.

use super::Call;
use crate::refusal::Outcome;
use crate::schema::Param;

/// Who may call a method.
pub(crate) enum Permission {
    /// Everybody, without authentication.
    Open,
    /// Every authenticated account; the handler filters or checks.
    Anyone,
    /// Holders of all these privileges on the path.
    All(&'static str, &'static [&'static str]),
    /// Holders of one of these privileges on the path.
    Any(&'static str, &'static [&'static str]),
    /// Only `root@pam` itself.
    Root,
}

/// One method of one path.
pub(crate) struct Route {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(crate) permission: Permission,
    /// Whether API tokens may call it.
    pub(crate) tokens: bool,
    /// Parameters beside those in the path, in several lists.
    pub(crate) params: &'static [&'static [Param]],
    pub(crate) handler: fn(&Call<'_>) -> Outcome,
}

pub(super) const fn route(
    method: &'static str,
    path: &'static str,
    permission: Permission,
    params: &'static [&'static [Param]],
    handler: fn(&Call<'_>) -> Outcome,
) -> Route {
    Route {
        method,
        path,
        permission,
        tokens: true,
        params,
        handler,
    }
}

pub(super) const fn no_tokens(route: Route) -> Route {
    Route {
        tokens: false,
        ..route
    }
}

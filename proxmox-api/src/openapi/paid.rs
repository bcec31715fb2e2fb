//! What a paid operation adds to the document. It stands in the operation's own file, and the
//! registry requires it.

use api_types::ErrorCode::{self, *};
use serde_json::json;

use super::{
    endpoint::{ABOUT_LEASE, CTID, Content, DocumentedResponse, Endpoint, RouteAccess, ctid},
    examples,
};
use crate::payment::OperationInfo;

const LEASE_MEANT: &str = "The lease that is meant: numbers are used again, and a call that names \
    a lease which is over is refused and not charged.";
const ADMITTED: &str =
    "With `Prefer: respond-async`: the request is admitted; the same one gets the answer.";

/// How an operation appears in the OpenAPI document and on `/docs`. Method, path, summary, the
/// parameters of a container's path and the refusals that all paid routes share are added to it.
pub struct Documentation {
    /// The operation's id, of which generated clients make a function's name.
    pub id: &'static str,
    /// The section of the document.
    pub tag: &'static str,
    /// What the operation's description leaves open; may be empty.
    pub details: &'static str,
    /// The body, with an example; none where the route takes none.
    pub request: Option<Content>,
    /// What a 200 means.
    pub answered: &'static str,
    /// The body of a 200, with an example.
    pub response: Content,
    /// What a 202 means and says, where it is not only a request that was admitted.
    pub held: Option<(&'static str, Content)>,
    /// Refusals beside those of every paid route and of every route with a container in its path.
    pub refusals: &'static [ErrorCode],
}

/// Required of every operation in the list.
pub trait Documented {
    /// How the operation appears in the document.
    fn documentation() -> Documentation;
}

/// Error codes of operations that use a container's one terminal session.
pub const ABOUT_TERMINAL: &[ErrorCode] = &[ConsoleInUse, ConsoleAuthUnsupported, Timeout];

impl Endpoint {
    /// The route of a paid operation.
    pub(super) fn paid(about: &OperationInfo, documentation: Documentation) -> Self {
        let mut endpoint = Self {
            access: RouteAccess::Paid(about.flow),
            details: documentation.details,
            ..Self::new(
                about.method.as_str(),
                about.path,
                documentation.tag,
                documentation.id,
                about.description,
            )
        }
        .refuses(&[
            InvalidRequest,
            Forbidden,
            PaymentReplayed,
            PaymentOwed,
            PaymentInProgress,
            RateLimited,
            Internal,
            HypervisorError,
            HypervisorUnavailable,
            FacilitatorUnavailable,
            PaymentUnresolved,
            Unavailable,
        ]);
        if let Some(request) = documentation.request {
            endpoint = endpoint.takes_content(request);
        }
        if about.path.contains("{ctid}") {
            endpoint = endpoint
                .in_path("ctid", ctid(), CTID)
                .in_query("leaseId", json!({"type": "string"}), LEASE_MEANT)
                .refuses(ABOUT_LEASE);
        }
        let (what, content) = documentation
            .held
            .unwrap_or_else(|| (ADMITTED, Content::json(&examples::accepted())));
        for (status, what, content) in [
            (200, documentation.answered, documentation.response),
            (202, what, content),
        ] {
            let content = Some(content);
            endpoint.responses.push(DocumentedResponse {
                status,
                what,
                content,
            });
        }
        endpoint.refuses(documentation.refusals)
    }
}

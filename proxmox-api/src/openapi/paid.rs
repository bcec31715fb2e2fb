//! What a paid operation adds to the document. It stands in the operation's own file, and the
//! registry requires it.

use api_types::ErrorCode::{self, *};
use serde_json::json;
use service::openapi::{Content, DocumentedResponse, Endpoint};

use super::{
    credit, examples, payment,
    route_parts::{ABOUT_LEASE, CTID, ctid},
};
use crate::payment::{OperationInfo, PaymentFlow};

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

/// The route of a paid operation.
pub(super) fn endpoint(
    about: &OperationInfo,
    documentation: Documentation,
    has_credit: bool,
) -> Endpoint {
    let money_moves = match about.flow {
        PaymentFlow::DeliverThenSettle => "after delivery",
        PaymentFlow::SettleThenDeliver => "before delivery",
    };
    let mut endpoint = Endpoint::new(about.method.as_str(), about.path, about.description)
        .named(documentation.tag, documentation.id)
        .details(documentation.details)
        .member(
            "x-payment-info",
            json!({
                "protocol": "x402", "versions": [1, 2], "scheme": "exact",
                "moneyMoves": money_moves,
            }),
        )
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
        // An absent body stands for the defaults.
        endpoint = endpoint.takes_content(request).body_may_be_absent();
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
    if has_credit {
        endpoint = credit::of_paid(endpoint);
    }
    let performed = response(200, documentation.answered, documentation.response);
    let performed = match has_credit {
        true => performed.with_headers(credit::headers_beside(payment::receipt_headers())),
        false => performed,
    };
    endpoint
        .with_parameters(payment::parameters())
        .responds_as(performed)
        .responds_as(response(202, what, content))
        .responds_as(payment::required())
        .refuses(documentation.refusals)
}

fn response(status: u16, description: &'static str, content: Content) -> DocumentedResponse {
    DocumentedResponse::new(status, description)
        .with_content(content)
        .with_content(payment::events())
        .with_headers(payment::receipt_headers())
}

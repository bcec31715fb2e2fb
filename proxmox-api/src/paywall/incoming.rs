//! A paid request as it came in, before anything is decided about it.

use std::net::IpAddr;

use api_types::ErrorCode;
use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, Method, header},
    response::Response,
};
use service::request_id::RequestId;
use x402::{payment::Payment, reason::Reason, wire::header as wire};

use crate::{error::ApiError, ids::LeaseId, payment::OperationRequest};

/// A request as it came in.
pub(super) struct IncomingRequest {
    pub(super) client: Option<IpAddr>,
    pub(super) ctid: Option<String>,
    pub(super) lease_id: Option<LeaseId>,
    pub(super) path: String,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl IncomingRequest {
    pub(super) fn operation_request(&self) -> OperationRequest<'_> {
        OperationRequest {
            ctid: self.ctid.as_deref(),
            lease_id: self.lease_id.as_ref(),
            body: &self.body,
        }
    }

    pub(super) fn payment(&self) -> Result<Option<Payment>, Reason> {
        let values = |name| -> Vec<&[u8]> {
            let values = self.headers.get_all(name).iter();
            values.map(|value| value.as_bytes()).collect()
        };
        Payment::from_headers(&values(wire::PAYMENT_SIGNATURE), &values(wire::X_PAYMENT))
    }
}

/// The `leaseId` of a query; other parameters are ignored.
pub(super) fn lease_id_of(query: Option<&str>) -> Option<LeaseId> {
    url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .find(|(name, _)| name == "leaseId")
        .map(|(_, value)| value.into_owned().into())
}

pub(super) fn has_payment(headers: &HeaderMap) -> bool {
    headers.contains_key(wire::PAYMENT_SIGNATURE) || headers.contains_key(wire::X_PAYMENT)
}

pub(super) fn head_takes_no_payment(id: &RequestId) -> Response {
    let message = "HEAD takes no payment, since its answer has no body; nothing was charged.";
    let mut response = ApiError::new(ErrorCode::MethodNotAllowed, message)
        .advise("send the same payment with GET")
        .respond(id);
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static("GET"));
    response
}

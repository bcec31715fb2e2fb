//! The part of the OpenAPI document about renewals.

use api_types::{ErrorCode, LeaseStatus, RenewRequest, RenewResponse, Timestamp};

use super::RenewLease;
use crate::openapi::{Content, Documentation, Documented, examples};

impl Documented for RenewLease {
    fn documentation() -> Documentation {
        Documentation {
            id: "renewLease",
            tag: "Leases",
            details: "Priced by the container's real size. A container that was stopped is started \
                again.",
            request: Some(Content::json(&RenewRequest {
                runtime_minutes: 30,
            })),
            answered: "The time was added.",
            response: Content::json(&RenewResponse {
                lease_id: examples::LEASE.into(),
                status: LeaseStatus::Active,
                ctid: 40200,
                expires_at: Timestamp(examples::NOW + 5400),
                message: "box has 30 minutes more.".into(),
                price: examples::price_of(30),
                payment: examples::receipt(),
            }),
            held: None,
            refusals: &[ErrorCode::ProvisioningFailed, ErrorCode::Timeout],
        }
    }
}

//! The paid operations of the lease API, as requests.

use api_types::{
    ExecRequest, LeaseRequest, Price, RenewRequest, Size,
    price::{Tariff, price_call, price_renew},
};
use serde::{Deserialize, Serialize};

use super::request_view::RequestText;
use crate::text::money::what;

/// A paid operation with what it is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PaidOperation {
    /// Leases a new container.
    Lease(LeaseRequest),
    /// Adds time to a lease.
    Renew {
        /// The container's number.
        ctid: u32,
        /// Minutes to add.
        minutes: u32,
    },
    /// Runs a command in a container.
    Exec {
        /// The container's number.
        ctid: u32,
        /// The command.
        request: ExecRequest,
    },
    /// Opens a terminal to a container.
    Console {
        /// The container's number.
        ctid: u32,
    },
    /// Lists the wallet's leases.
    List,
}

impl PaidOperation {
    /// The HTTP method.
    pub fn method(&self) -> &'static str {
        match self {
            Self::List => "GET",
            _ => "POST",
        }
    }

    /// The path on the lease API.
    pub fn path(&self) -> String {
        match self {
            Self::Lease(_) => "/lease/container".to_owned(),
            Self::Renew { ctid, .. } => format!("/lease/{ctid}/renew"),
            Self::Exec { ctid, .. } => format!("/management/exec/{ctid}"),
            Self::Console { ctid } => format!("/management/console/{ctid}"),
            Self::List => "/management/list".to_owned(),
        }
    }

    /// The request's body, if it has one.
    pub fn body(&self) -> Option<String> {
        let body = match self {
            Self::Lease(request) => serde_json::to_string(request),
            Self::Renew { minutes, .. } => serde_json::to_string(&RenewRequest {
                runtime_minutes: *minutes,
            }),
            Self::Exec { request, .. } => serde_json::to_string(request),
            Self::Console { .. } | Self::List => return None,
        };
        Some(body.expect("the contract's types are JSON"))
    }

    /// The request as the customer sees it, without a password.
    pub fn request_text(&self) -> RequestText {
        let operation = self.without_secrets();
        RequestText {
            line: format!("{} {}", operation.method(), operation.path()),
            body: operation.body().unwrap_or_default(),
        }
    }

    /// The operation without a password, as it may stay on the page.
    pub fn without_secrets(&self) -> Self {
        let mut operation = self.clone();
        if let Self::Lease(request) = &mut operation {
            request.password = None;
        }
        operation
    }

    /// The number of the container that it is about, if there is one already.
    pub fn ctid(&self) -> Option<u32> {
        match self {
            Self::Renew { ctid, .. } | Self::Exec { ctid, .. } | Self::Console { ctid } => {
                Some(*ctid)
            }
            Self::Lease(_) | Self::List => None,
        }
    }

    /// The price by the service's own formula. For a new lease there is the service's quote.
    pub fn price(&self, rates: &Tariff, size: Option<Size>) -> Option<Price> {
        match self {
            Self::Renew { minutes, .. } => price_renew(rates, size?, *minutes).ok(),
            Self::Exec { .. } | Self::Console { .. } | Self::List => price_call(rates).ok(),
            Self::Lease(_) => None,
        }
    }

    /// Whether the customer chooses how to log in before paying.
    pub fn needs_credential(&self) -> bool {
        matches!(self, Self::Lease(request) if request.password.is_none() && request.ssh_public_key.is_none())
    }

    /// One line for people, with the container's name if it is known.
    pub fn summary(&self, name: Option<&str>) -> String {
        let called = |ctid: u32| name.map_or_else(|| what::container(ctid), str::to_owned);
        match self {
            Self::Lease(request) => what::lease(request),
            Self::Renew { ctid, minutes } => what::renew(&called(*ctid), *minutes),
            Self::Exec { ctid, request } => what::run(&called(*ctid), &request.command),
            Self::Console { ctid } => what::console(&called(*ctid)),
            Self::List => what::LIST.to_owned(),
        }
    }
}

/// A paid operation with what the page knows of it before the service is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct PurchaseItem {
    /// The operation.
    pub operation: PaidOperation,
    /// The container's name.
    pub name: Option<String>,
    /// The lines of its price by the service's own formula. They are shown if they add up to the
    /// offer's amount.
    pub price: Option<Price>,
}

impl From<PaidOperation> for PurchaseItem {
    fn from(operation: PaidOperation) -> Self {
        Self {
            operation,
            name: None,
            price: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_is_a_route_of_the_lease_api() {
        let exec = PaidOperation::Exec {
            ctid: 101,
            request: serde_json::from_str(r#"{"command":"uptime"}"#).unwrap(),
        };
        let calls = [
            PaidOperation::Lease(LeaseRequest::default()),
            PaidOperation::Renew {
                ctid: 101,
                minutes: 30,
            },
            exec,
            PaidOperation::Console { ctid: 101 },
            PaidOperation::List,
        ];
        let shown: Vec<String> = calls
            .iter()
            .map(|c| {
                format!(
                    "{} {} {}",
                    c.method(),
                    c.path(),
                    c.body().unwrap_or_default()
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                r#"POST /lease/container {"sku":"lxc-small","runtimeMinutes":60,"cores":1,"memoryMB":512,"diskGB":8}"#,
                r#"POST /lease/101/renew {"runtimeMinutes":30}"#,
                r#"POST /management/exec/101 {"command":"uptime"}"#,
                "POST /management/console/101 ",
                "GET /management/list ",
            ]
        );
    }

    #[test]
    fn a_container_is_named_in_the_summary_if_its_name_is_known() {
        let console = PaidOperation::Console { ctid: 101 };
        assert_eq!(console.summary(None), "Open a terminal to container 101");
        assert_eq!(console.summary(Some("web-1")), "Open a terminal to web-1");
        let renew = PaidOperation::Renew {
            ctid: 101,
            minutes: 90,
        };
        assert_eq!(renew.summary(Some("web-1")), "Renew web-1 for 1 h 30 min");
    }

    #[test]
    fn every_operation_but_a_lease_has_its_price_computed_here() {
        let rates = Tariff::default();
        let size = Size {
            cores: 2,
            memory_mb: 1024,
            disk_gb: 8,
        };
        let renew = PaidOperation::Renew {
            ctid: 101,
            minutes: 60,
        };
        assert!(renew.price(&rates, Some(size)).unwrap().lines.len() > 1);
        assert_eq!(
            renew.price(&rates, None),
            None,
            "nobody knows how large it is"
        );
        for call in [PaidOperation::Console { ctid: 101 }, PaidOperation::List] {
            assert_eq!(call.price(&rates, None), price_call(&rates).ok());
        }
        assert_eq!(
            PaidOperation::Lease(LeaseRequest::default()).price(&rates, Some(size)),
            None
        );
    }

    #[test]
    fn the_shown_request_has_no_password() {
        let own = PaidOperation::Lease(LeaseRequest {
            password: Some(api_types::Secret::new("correct horse")),
            ..LeaseRequest::default()
        });
        let shown = format!("{:?}", own.request_text());
        assert!(shown.contains("lxc-small") && !shown.contains("correct horse"));
    }

    #[test]
    fn only_a_lease_without_a_credential_needs_one() {
        assert!(PaidOperation::Lease(LeaseRequest::default()).needs_credential());
        let own = LeaseRequest {
            password: Some(api_types::Secret::new("correct horse")),
            ..LeaseRequest::default()
        };
        assert!(!PaidOperation::Lease(own).needs_credential());
        assert!(!PaidOperation::List.needs_credential());
    }
}

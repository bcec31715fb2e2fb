//! What can be bought at the lease API, as the call that buys it.

use api_types::{
    ExecRequest, LeaseRequest, Price, RenewRequest, Size,
    price::{Tariff, price_call, price_renew},
};
use serde::{Deserialize, Serialize};

use super::{record::without_secrets, sends::Request};
use crate::text::money::what;

/// A call with a price.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Call {
    /// A new container.
    Lease(LeaseRequest),
    /// More time for one.
    Renew {
        /// The container's number.
        ctid: u32,
        /// Minutes to add.
        minutes: u32,
    },
    /// A command in one.
    Exec {
        /// The container's number.
        ctid: u32,
        /// The command.
        request: ExecRequest,
    },
    /// A terminal to one.
    Console {
        /// The container's number.
        ctid: u32,
    },
    /// The wallet's leases.
    List,
}

impl Call {
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

    /// The body, if it has one.
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
    pub fn request(&self) -> Request {
        let call = without_secrets(self);
        Request {
            line: format!("{} {}", call.method(), call.path()),
            body: call.body().unwrap_or_default(),
        }
    }

    /// The container that it is about, where there is one already.
    pub fn ctid(&self) -> Option<u32> {
        match self {
            Self::Renew { ctid, .. } | Self::Exec { ctid, .. } | Self::Console { ctid } => {
                Some(*ctid)
            }
            Self::Lease(_) | Self::List => None,
        }
    }

    /// What it should cost, by the service's own formula. A new lease has a quote of its own.
    pub fn price(&self, rates: &Tariff, size: Option<Size>) -> Option<Price> {
        match self {
            Self::Renew { minutes, .. } => price_renew(rates, size?, *minutes).ok(),
            Self::Exec { .. } | Self::Console { .. } | Self::List => price_call(rates).ok(),
            Self::Lease(_) => None,
        }
    }

    /// Whether the customer may choose a credential for it.
    pub fn needs_credential(&self) -> bool {
        matches!(self, Self::Lease(request) if request.password.is_none() && request.ssh_public_key.is_none())
    }

    /// One line for people, with the container's name where it is known.
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

/// A call with what the page knows of it before the service is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The call.
    pub call: Call,
    /// The container's name.
    pub name: Option<String>,
    /// The lines of its price by the service's own formula; shown where they add up to what is asked.
    pub price: Option<Price>,
}

impl From<Call> for Item {
    fn from(call: Call) -> Self {
        Self {
            call,
            name: None,
            price: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_is_the_route_that_the_lease_api_has() {
        let exec = Call::Exec {
            ctid: 101,
            request: serde_json::from_str(r#"{"command":"uptime"}"#).unwrap(),
        };
        let calls = [
            Call::Lease(LeaseRequest::default()),
            Call::Renew {
                ctid: 101,
                minutes: 30,
            },
            exec,
            Call::Console { ctid: 101 },
            Call::List,
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
    fn a_container_is_told_by_its_name_where_that_is_known() {
        let console = Call::Console { ctid: 101 };
        assert_eq!(console.summary(None), "Open a terminal to container 101");
        assert_eq!(console.summary(Some("web-1")), "Open a terminal to web-1");
        let renew = Call::Renew {
            ctid: 101,
            minutes: 90,
        };
        assert_eq!(renew.summary(Some("web-1")), "Renew web-1 for 1 h 30 min");
    }

    #[test]
    fn every_call_but_a_lease_is_priced_line_by_line_here() {
        let rates = Tariff::default();
        let size = Size {
            cores: 2,
            memory_mb: 1024,
            disk_gb: 8,
        };
        let renew = Call::Renew {
            ctid: 101,
            minutes: 60,
        };
        assert!(renew.price(&rates, Some(size)).unwrap().lines.len() > 1);
        assert_eq!(
            renew.price(&rates, None),
            None,
            "nobody knows how large it is"
        );
        for call in [Call::Console { ctid: 101 }, Call::List] {
            assert_eq!(call.price(&rates, None), price_call(&rates).ok());
        }
        assert_eq!(
            Call::Lease(LeaseRequest::default()).price(&rates, Some(size)),
            None
        );
    }

    #[test]
    fn what_is_sent_is_shown_without_the_password() {
        let own = Call::Lease(LeaseRequest {
            password: Some(api_types::Secret::new("correct horse")),
            ..LeaseRequest::default()
        });
        let shown = format!("{:?}", own.request());
        assert!(shown.contains("lxc-small") && !shown.contains("correct horse"));
    }

    #[test]
    fn only_a_lease_without_a_credential_asks_for_one() {
        assert!(Call::Lease(LeaseRequest::default()).needs_credential());
        let own = LeaseRequest {
            password: Some(api_types::Secret::new("correct horse")),
            ..LeaseRequest::default()
        };
        assert!(!Call::Lease(own).needs_credential());
        assert!(!Call::List.needs_credential());
    }
}

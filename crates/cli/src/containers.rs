//! Finds a container by its name, its number or its lease's id.

use std::{collections::BTreeSet, time::Duration};

use api_types::{GuestAccess, GuestRoute, LeaseStatus, LeaseView, ListResponse, Timestamp};
use reqwest::Method;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::{
    api::{Api, now, read},
    failure::{ExitStatus, Failure},
};

/// For how long after its lease a container may still be starting, in seconds.
const NEW: u64 = 60;
/// How long is waited for the SSH server of a container that is starting.
pub const LONGEST_START: Duration = Duration::from_secs(45);
/// The first pause between two looks, and the longest: those after which the service tries anew.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// The id of its lease.
    pub lease_id: String,
    /// Its number.
    pub ctid: u32,
    /// Its name.
    pub hostname: String,
    /// When it was leased.
    pub created_at: Timestamp,
}

impl Container {
    /// The path of a route that takes the number, with the lease that is meant: numbers are used
    /// again.
    pub fn by_number(&self, before: &str, after: &str) -> String {
        format!("{before}/{}{after}?leaseId={}", self.ctid, self.lease_id)
    }

    /// The path of a route below the lease.
    pub fn below(&self, rest: &str) -> String {
        format!("/lease/{}/{rest}", self.lease_id)
    }
}

/// The wallet's live leases as the service tells of them; with `all`, those that are over, too.
///
/// # Errors
/// They cannot be listed.
pub async fn list(api: &Api, all: bool) -> Result<Value, Failure> {
    let mut listed = api.call(Method::GET, first_page(all), None).await?;
    while let Some(before) = listed["next"].as_str().map(str::to_owned) {
        let path = format!("{}&before={before}", first_page(all));
        let mut page = api.call(Method::GET, &path, None).await?;
        let further = page["leases"].take();
        let (Value::Array(leases), Value::Array(further)) = (&mut listed["leases"], further) else {
            return Err(Failure::not_understood("a page of leases has none"));
        };
        leases.extend(further);
        listed["next"] = page["next"].take();
    }
    if let Some(listed) = listed.as_object_mut() {
        listed.remove("next");
    }
    Ok(listed)
}

fn first_page(all: bool) -> &'static str {
    match all {
        true => "/leases?all=true&limit=200",
        false => "/leases?limit=200",
    }
}

/// The container that is meant.
///
/// # Errors
/// There is none, or there are several.
pub async fn find(api: &Api, named: &str) -> Result<Container, Failure> {
    let listed: ListResponse = read(&list(api, false).await?)?;
    choose(&listed.leases, named)
}

/// The same for what only SSH can do. Where it was leased just now, so that its SSH server may
/// still be starting, that is waited for.
///
/// # Errors
/// There is none, or there are several.
pub async fn find_for_ssh(api: &Api, named: &str) -> Result<Container, Failure> {
    let container = find(api, named).await?;
    if container.created_at.unix().saturating_add(NEW) > now() {
        await_ssh(api, &container).await;
    }
    Ok(container)
}

/// Waits until SSH works, for as long as it may come about by itself, and tells why it does not.
/// Where that is not known, the request that needs SSH tells it.
pub async fn await_ssh(api: &Api, container: &Container) -> Option<String> {
    let deadline = Instant::now() + LONGEST_START;
    let mut pause = FIRST_PAUSE;
    let path = container.below("access");
    loop {
        let told = api.call(Method::GET, &path, None).await;
        let Ok(access) = told.and_then(|told| read::<GuestAccess>(&told)) else {
            return None;
        };
        if access.via == GuestRoute::Ssh {
            return None;
        }
        if !access.temporary || Instant::now() >= deadline {
            return Some(access.reason.unwrap_or_default());
        }
        api.settings
            .progress("waiting until its SSH server answers …");
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn choose(leases: &[LeaseView], named: &str) -> Result<Container, Failure> {
    let number: Option<u32> = named.parse().ok();
    let fitting = leases.iter().filter(|lease| {
        lease.status != LeaseStatus::Destroyed
            && (lease.lease_id == named || lease.hostname == named || number == Some(lease.ctid))
    });
    let found: Vec<_> = fitting.collect();
    match found[..] {
        [lease] => Ok(Container {
            lease_id: lease.lease_id.clone(),
            ctid: lease.ctid,
            hostname: lease.hostname.clone(),
            created_at: lease.created_at,
        }),
        [] => {
            let message = format!("you have no container {named:?}");
            let names: BTreeSet<_> = leases.iter().map(|lease| lease.hostname.as_str()).collect();
            let failure = Failure::new(ExitStatus::NotFound, "container_not_found", message);
            Err(match names.is_empty() {
                true => failure.advise("lease one: infra402 lease NAME"),
                false => {
                    let names: Vec<_> = names.into_iter().collect();
                    failure.advise(format!("one of: {}", names.join(", ")))
                }
            })
        }
        _ => {
            let message = format!("several containers are called {named:?}");
            let failure = Failure::new(ExitStatus::Usage, "ambiguous", message);
            let ids: Vec<_> = found
                .iter()
                .map(|lease| format!("{} (number {})", lease.lease_id, lease.ctid))
                .collect();
            Err(failure.advise(format!("name it by its lease: {}", ids.join(", "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lease(id: &str, ctid: u32, hostname: &str, status: &str) -> LeaseView {
        serde_json::from_value(json!({
            "leaseId": id, "status": status, "ctid": ctid, "hostname": hostname, "node": "pve", "sku": "s",
            "template": "t", "cores": 1, "memoryMB": 64, "diskGB": 1, "ownerWallet": "0x",
            "createdAt": "2026-01-01T00:00:00Z", "paid": "1",
        }))
        .unwrap()
    }

    #[test]
    fn a_container_is_found_by_name_number_and_lease_and_only_where_it_is_one() {
        let leases = [
            lease("lease-a", 100, "box", "active"),
            lease("lease-b", 101, "twin", "active"),
            lease("lease-c", 102, "twin", "stopped"),
            lease("lease-d", 103, "101", "active"),
            lease("lease-e", 104, "gone", "destroyed"),
        ];
        let chosen = |named: &str| choose(&leases, named).map(|container| container.lease_id);
        for named in ["box", "100", "lease-a"] {
            assert_eq!(chosen(named).unwrap(), "lease-a");
        }
        assert_eq!(chosen("lease-c").unwrap(), "lease-c");
        for (named, status) in [
            ("twin", 2),
            ("101", 2),
            ("gone", 3),
            ("", 3),
            ("lease-e", 3),
        ] {
            assert_eq!(
                chosen(named).unwrap_err().status.number(),
                status,
                "{named}"
            );
        }
    }
}

//! The addresses of leases in the network of the tenants.

use proxmox_api::{
    config::NetworkConfig,
    doctor::{self, Severity},
};
use serde_json::json;

use crate::buyer::Buyer;

use super::{ctid, fenced, lease, net0};

#[tokio::test]
async fn every_address_is_one_containers_and_none_left_is_said_before_money_moves() {
    let app = fenced(&[("MAX_UNPAID_LEASES", "100")]).await;
    let mut addresses = Vec::new();
    for number in 0..13 {
        let leased = lease(&app, number).await;
        assert_eq!(leased.status, 200, "{:?}", leased.body);
        addresses.push(leased.body["ip"].as_str().unwrap().to_owned());
    }
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 13);
    let buyer = Buyer::funded(&app, 99).await;
    let before = app.balance(buyer.wallet()).await;
    let full = buyer.lease(&app, json!({"runtimeMinutes": 30})).await;
    assert_eq!(
        (full.status.as_u16(), full.code()),
        (503, "capacity_exhausted")
    );
    assert_eq!(app.balance(buyer.wallet()).await, before);
}

/// Settings change while containers run, which stay as they are.
#[tokio::test]
async fn settings_that_no_longer_fit_the_addresses_of_leases_are_found_at_the_start() {
    let app = fenced(&[]).await;
    let leased = lease(&app, 1).await;
    ctid(&leased);
    assert_eq!(leased.body["ip"], "10.64.0.2");
    let id = leased.body["leaseId"].as_str().unwrap();
    let found = async |change: &dyn Fn(&mut NetworkConfig)| {
        let mut config = app.app.config.clone();
        change(&mut config.proxmox.network);
        let facilitator = app.app.facilitator.as_ref();
        let findings = doctor::examine(&config, &app.app.proxmox, facilitator, &app.clock).await;
        let of_check = |finding: &doctor::Finding| finding.check == "tenants.addresses";
        findings.into_iter().filter(of_check).collect::<Vec<_>>()
    };
    let [fine] = &found(&|_| {}).await[..] else {
        panic!("one finding")
    };
    assert_eq!(fine.severity, Severity::Ok, "{fine:#?}");

    let gateway = |network: &mut NetworkConfig| network.gateway = "10.64.0.2".parse().ok();
    let outside = |network: &mut NetworkConfig| network.subnet = "10.65.0.0/28".parse().ok();
    let unset = |network: &mut NetworkConfig| network.subnet = None;
    let server = |network: &mut NetworkConfig| network.nameservers = vec![[10, 64, 0, 2].into()];
    type Change<'a> = &'a dyn Fn(&mut NetworkConfig);
    let changes: [(Change<'_>, _, _); 4] = [
        (
            &gateway,
            Severity::Error,
            "PVE_GATEWAY=10.64.0.2 is the address of",
        ),
        (
            &outside,
            Severity::Warning,
            "have none of PVE_NETWORK: 10.64.0.2 of",
        ),
        (
            &unset,
            Severity::Warning,
            "have none of PVE_NETWORK: 10.64.0.2 of",
        ),
        (
            &server,
            Severity::Warning,
            "names addresses of leases: 10.64.0.2 of",
        ),
    ];
    for (change, severity, says) in changes {
        let findings = found(change).await;
        assert_eq!(findings.len(), 1, "{findings:#?}");
        assert_eq!(findings[0].severity, severity, "{findings:#?}");
        assert!(findings[0].found.contains(says), "{findings:#?}");
        assert!(findings[0].found.contains(id), "{findings:#?}");
        assert!(!findings[0].mend.is_empty(), "{findings:#?}");
    }
}

#[tokio::test]
async fn no_lease_gets_the_address_of_a_router_that_was_moved() {
    let app = fenced(&[("PVE_GATEWAY", "10.64.0.2")]).await;
    for (number, address) in [(1, "10.64.0.1"), (2, "10.64.0.3")] {
        let leased = lease(&app, number).await;
        assert_eq!(leased.body["ip"], address, "{:?}", leased.body);
        assert!(net0(&app, ctid(&leased)).contains("gw=10.64.0.2"));
    }
}

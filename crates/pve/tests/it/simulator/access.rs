//! Privileges, accounts and parameters.

use pve::{Auth, Error, Refusal, Tls};
use pve_sim::{Sim, SimConfig, VnetConfig};

use super::{by_token, connect, container, ids, simulator};

#[tokio::test]
async fn a_missing_privilege_is_named_and_seen_in_the_permissions() {
    let sim = simulator().await;
    let client = by_token(&sim);
    let (node, vmid) = ids(&sim);
    let pool = client.privileges("/pool/infra402").await.unwrap();
    assert!(pool.contains("VM.Allocate"));
    sim.revoke("/storage/local-lvm", "infra402@pve");
    let error = client.create(&node, &container(vmid)).await.unwrap_err();
    let Some(Refusal::Forbidden { path, privileges }) = error.refusal() else {
        panic!("{error}")
    };
    assert_eq!(path, "/storage/local-lvm");
    assert_eq!(privileges, &["Datastore.AllocateSpace"]);
    let storage = client.privileges("/storage/local-lvm").await.unwrap();
    assert!(!storage.contains("Datastore.AllocateSpace"));
}

#[tokio::test]
async fn a_privilege_that_no_access_takes_away_is_not_held() {
    let sim = simulator().await;
    let client = by_token(&sim);
    sim.grant("/storage", "infra402@pve", "PVEDatastoreUser");
    sim.revoke("/storage/local", "infra402@pve");
    let held = async || {
        let held = client.privileges("/storage/local").await.unwrap();
        held.contains("Datastore.Audit")
    };
    assert!(held().await);
    sim.grant("/storage/local", "infra402@pve", "NoAccess");
    assert!(!held().await);
    // The list alone looks as before.
    let all = client.permissions().await.unwrap();
    assert!(all.paths()["/storage"].contains_key("Datastore.Audit"));
    assert!(!all.paths().contains_key("/storage/local"));
}

#[tokio::test]
async fn the_zone_of_a_vnet_and_the_index_of_templates_are_read() {
    let sim = Sim::start(SimConfig {
        bridge: "i402net".into(),
        vnets: vec![VnetConfig {
            vnet: "i402net".into(),
            zone: "i402".into(),
        }],
        ..SimConfig::default()
    })
    .await
    .unwrap();
    let client = by_token(&sim);
    let (node, _) = ids(&sim);
    let vnets = client.vnets().await.unwrap();
    assert_eq!((&*vnets[0].vnet, &*vnets[0].zone), ("i402net", "i402"));
    let bridges = client.bridges(&node).await.unwrap();
    assert_eq!((&*bridges[0].iface, &*bridges[0].kind), ("i402net", "vnet"));
    let index = client.appliances(&node).await.unwrap();
    let system = index.iter().filter(|one| one.section == "system").count();
    assert_eq!((index.len(), system), (6, 4));
}

#[tokio::test]
async fn a_second_factor_is_told_apart_from_a_wrong_password() {
    let sim = simulator().await;
    sim.require_second_factor(&sim.console_user());
    let auth = Auth::password(sim.console_user(), sim.console_password());
    let error = connect(&sim, auth, Tls::Insecure).nodes().await;
    let error = error.unwrap_err();
    assert_eq!(error.refusal(), Some(&Refusal::SecondFactor), "{error}");
}

#[tokio::test]
async fn bad_parameters_are_named_in_one_answer() {
    let sim = simulator().await;
    let (node, vmid) = ids(&sim);
    let mut bad = container(vmid);
    bad.hostname = Some("not_a_name".into());
    bad.cores = 9000;
    let error = by_token(&sim).create(&node, &bad).await.unwrap_err();
    let Error::Refused {
        kind: Refusal::Validation,
        fields,
        ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["cores", "hostname"]);
}

#[tokio::test]
async fn a_stranger_is_refused_without_a_word_of_the_secret() {
    let sim = simulator().await;
    let auth = Auth::token(sim.token_id(), "11111111-2222-3333-4444-555555555555");
    let error = connect(&sim, auth, Tls::Insecure)
        .nodes()
        .await
        .unwrap_err();
    assert_eq!(error.refusal(), Some(&Refusal::Unauthorized), "{error}");
    assert!(!format!("{error:?}").contains("11111111"));
}

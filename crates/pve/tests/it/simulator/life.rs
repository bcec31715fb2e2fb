//! A container's whole life, by token and by password.

use std::time::Duration;

use pve::{Auth, Client, ContainerState, Destroy, NodeName, Refusal, Tls, Vmid};
use pve_sim::Sim;

use super::{TEMPLATE, by_token, connect, container, done, ids, simulator};

/// From the first request to the host until the container is gone.
async fn whole_life(client: &Client, sim: &Sim) {
    let (node, vmid) = ids(sim);
    assert!(!client.version().await.unwrap().version.is_empty());
    assert_eq!(client.nodes().await.unwrap()[0].node, node);
    let storages = client.storages(&node, Some("rootdir")).await.unwrap();
    assert_eq!(
        storages
            .iter()
            .map(|s| s.storage.as_str())
            .collect::<Vec<_>>(),
        ["local-lvm"]
    );
    let templates = client
        .storage_content(&node, "local", "vztmpl")
        .await
        .unwrap();
    assert!(templates.iter().any(|volume| volume.volid == TEMPLATE));
    assert_eq!(client.next_id(Some(vmid)).await.unwrap(), vmid);

    let upid = client.create(&node, &container(vmid)).await.unwrap();
    assert_eq!((upid.kind.as_str(), upid.id.as_str()), ("vzcreate", "5001"));
    assert!(done(client, &upid).await.is_success());
    assert!(
        !client
            .task_log(&upid, 0, 100)
            .await
            .unwrap()
            .lines
            .is_empty()
    );
    let taken = client.next_id(Some(vmid)).await.unwrap_err();
    assert_eq!(taken.refusal(), Some(&Refusal::VmidTaken), "{taken}");

    let config = client.config(&node, vmid).await.unwrap();
    assert_eq!(config.hostname.as_deref(), Some("box"));
    assert_eq!(config.cmode.as_deref(), Some("shell"));
    assert_eq!(config.property("net0", "bridge"), Some("vmbr0"));
    assert!(config.unprivileged && !config.onboot);
    assert!(config.description.unwrap().starts_with("{\"lease\":1}"));
    assert!(client.interfaces(&node, vmid).await.unwrap().is_empty());

    assert!(
        done(client, &client.start(&node, vmid).await.unwrap())
            .await
            .is_success()
    );
    assert!(client.container(&node, vmid).await.unwrap().is_running());
    let again = client.start(&node, vmid).await.unwrap_err();
    assert_eq!(again.refusal(), Some(&Refusal::AlreadyRunning), "{again}");
    assert!(!address(client, &node, vmid).await.is_empty());
    assert_eq!(client.containers(&node).await.unwrap().len(), 1);
    let resources = client.resources().await.unwrap();
    assert_eq!(resources[0].pool.as_deref(), Some("infra402"));
    assert_eq!(
        client.pool("infra402").await.unwrap().members[0].vmid,
        Some(vmid)
    );
    client
        .update_config(&node, vmid, &[("memory", "1024")])
        .await
        .unwrap();
    assert_eq!(client.config(&node, vmid).await.unwrap().memory, Some(1024));

    let upid = client
        .shutdown(&node, vmid, Duration::from_secs(20), true)
        .await
        .unwrap();
    assert!(done(client, &upid).await.is_success());
    assert_eq!(
        client.container(&node, vmid).await.unwrap().status,
        ContainerState::Stopped
    );
    let again = client.stop(&node, vmid).await.unwrap_err();
    assert_eq!(again.refusal(), Some(&Refusal::NotRunning), "{again}");
    let upid = client
        .destroy(
            &node,
            vmid,
            Destroy {
                force: true,
                purge: true,
            },
        )
        .await
        .unwrap();
    assert!(done(client, &upid).await.is_success());
    assert!(client.containers(&node).await.unwrap().is_empty());
    assert!(sim.containers().is_empty());
}

async fn address(client: &Client, node: &NodeName, vmid: Vmid) -> Vec<std::net::IpAddr> {
    let poll = async {
        loop {
            let interfaces = client.interfaces(node, vmid).await.unwrap();
            let found: Vec<_> = interfaces
                .iter()
                .flat_map(pve::Interface::reachable)
                .collect();
            if !found.is_empty() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), poll)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_container_lives_and_dies_by_token() {
    let sim = simulator().await;
    let client = by_token(&sim);
    whole_life(&client, &sim).await;
    let (node, vmid) = ids(&sim);
    // Rights that come from a pool end with the container's membership.
    let gone = client.container(&node, vmid).await.unwrap_err();
    assert!(
        matches!(gone.refusal(), Some(Refusal::Forbidden { .. })),
        "{gone}"
    );
}

#[tokio::test]
async fn a_container_lives_and_dies_by_password_and_pinned_certificate() {
    let sim = simulator().await;
    let pin = sim.fingerprint().parse().unwrap();
    let auth = Auth::password("root@pam", sim.root_password());
    let client = connect(&sim, auth, Tls::Fingerprint(pin));
    whole_life(&client, &sim).await;
    let (node, vmid) = ids(&sim);
    assert!(
        client
            .container(&node, vmid)
            .await
            .unwrap_err()
            .is_missing()
    );
    assert_eq!(sim.request_count("POST", "/access/ticket"), 1);
}

//! A container's whole life on the simulated Proxmox, and the ways to reach it.

use std::time::Duration;

use pve::{
    Auth, Client, ClientConfig, ConfigError, ContainerState, CreateContainer, Destroy, Error,
    NodeName, Refusal, RootFs, TaskOutcome, Tls, Vmid, WaitOptions,
};
use pve_sim::{Fault, FaultKind, Operation, Sim, SimConfig, VnetConfig};

const TEMPLATE: &str = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst";

async fn simulator() -> Sim {
    let config = SimConfig {
        time_scale: 0.001,
        ..SimConfig::default()
    };
    Sim::start(config).await.unwrap()
}

fn connect(sim: &Sim, auth: Auth, tls: Tls) -> Client {
    let mut config = ClientConfig::new(sim.url(), auth);
    config.tls = tls;
    Client::new(config).unwrap()
}

fn token(sim: &Sim) -> Auth {
    Auth::token(sim.token_id(), sim.token_secret())
}

fn by_token(sim: &Sim) -> Client {
    connect(sim, token(sim), Tls::CaPem(sim.ca_pem().into_bytes()))
}

fn ids(sim: &Sim) -> (NodeName, Vmid) {
    (sim.node().parse().unwrap(), "5001".parse().unwrap())
}

fn container(vmid: Vmid) -> CreateContainer {
    let rootfs = RootFs {
        storage: "local-lvm".into(),
        size_gib: 8,
    };
    let mut container = CreateContainer::new(vmid, TEMPLATE, rootfs);
    container.hostname = Some("box".into());
    container.net0 = Some(pve::Network::dhcp("vmbr0"));
    container.password_hash = Some("$6$salt$notarealhash".into());
    container.pool = Some("infra402".into());
    container.description = Some("{\"lease\":1}".into());
    container
}

async fn done(client: &Client, upid: &pve::Upid) -> TaskOutcome {
    client
        .wait(upid, WaitOptions::within(Duration::from_secs(10)))
        .await
        .unwrap()
}

/// From the first look at the host to the last trace of the container.
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

#[tokio::test]
async fn only_the_expected_certificate_is_trusted() {
    let sim = simulator().await;
    let pin = pve::server_fingerprint(&sim.url(), Duration::from_secs(5))
        .await
        .unwrap();
    assert_eq!(pin.to_string(), sim.fingerprint());
    let other = simulator().await;
    let trusted = [
        Tls::Fingerprint(pin),
        Tls::CaPem(sim.ca_pem().into_bytes()),
        Tls::Insecure,
    ];
    for tls in trusted {
        connect(&sim, token(&sim), tls).version().await.unwrap();
    }
    let not_trusted = [
        Tls::System,
        Tls::CaPem(other.ca_pem().into_bytes()),
        Tls::Fingerprint(other.fingerprint().parse().unwrap()),
    ];
    let before = sim.request_count("GET", "");
    for tls in not_trusted {
        let error = connect(&sim, token(&sim), tls.clone())
            .version()
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Unsent { .. }), "{tls:?}: {error}");
    }
    assert_eq!(
        sim.request_count("GET", ""),
        before,
        "no token reaches a stranger"
    );
}

#[test]
fn certificates_that_cannot_be_used_are_a_configuration_error() {
    let mut config = ClientConfig::new("https://127.0.0.1:1", Auth::token("a@pve!b", "c"));
    for tls in [
        Tls::CaPem(b"no certificate".to_vec()),
        Tls::CaPem(Vec::new()),
    ] {
        config.tls = tls;
        assert!(matches!(
            Client::new(config.clone()),
            Err(ConfigError::Ca(_))
        ));
    }
    config.tls = Tls::CaFile("/nonexistent/ca.pem".into());
    assert!(matches!(
        Client::new(config),
        Err(ConfigError::CaFile { .. })
    ));
}

#[tokio::test]
async fn a_create_that_was_executed_all_the_same_never_looks_like_one_that_was_not() {
    let executed = [
        FaultKind::Answer596After,
        FaultKind::DropAfter,
        FaultKind::EmptyBody,
        FaultKind::TruncatedBody,
    ];
    for kind in executed {
        let sim = simulator().await;
        let client = by_token(&sim);
        let (node, vmid) = ids(&sim);
        sim.faults()
            .inject(Fault::once(Operation::Create, kind.clone()));
        let error = client.create(&node, &container(vmid)).await.unwrap_err();
        assert!(error.may_have_executed(), "{kind:?}: {error}");
        assert_eq!(sim.tasks().len(), 1, "{kind:?}: it was executed, once");
    }
}

#[tokio::test]
async fn a_create_that_surely_was_not_executed_may_be_repeated() {
    let sim = simulator().await;
    let client = by_token(&sim);
    let (node, vmid) = ids(&sim);
    for kind in [
        FaultKind::Unreachable595,
        FaultKind::NoQuorum,
        FaultKind::ExpiredToken,
    ] {
        sim.faults()
            .inject(Fault::once(Operation::Create, kind.clone()));
        let error = client.create(&node, &container(vmid)).await.unwrap_err();
        assert!(!error.may_have_executed(), "{kind:?}: {error}");
        sim.faults().clear();
    }
    assert!(sim.tasks().is_empty());
    let upid = client.create(&node, &container(vmid)).await.unwrap();
    assert!(done(&client, &upid).await.is_success());
    let taken = client.create(&node, &container(vmid)).await.unwrap_err();
    assert_eq!(taken.refusal(), Some(&Refusal::VmidTaken), "{taken}");
    assert!(!taken.may_have_executed());
}

#[tokio::test]
async fn a_task_that_fails_or_warns_says_so() {
    let sim = simulator().await;
    let client = by_token(&sim);
    let (node, vmid) = ids(&sim);
    sim.faults().inject(Fault::once(
        Operation::Create,
        FaultKind::TaskFailure("no space".into()),
    ));
    let upid = client.create(&node, &container(vmid)).await.unwrap();
    assert_eq!(
        done(&client, &upid).await,
        TaskOutcome::Failed("unable to create CT 5001 - no space".into())
    );
    let mut warned = container(vmid);
    warned.nesting = false;
    let upid = client.create(&node, &warned).await.unwrap();
    assert_eq!(done(&client, &upid).await, TaskOutcome::Warnings(1));
}

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

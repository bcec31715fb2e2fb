//! The account that opens consoles, tried on the container of a lease.

use proxmox_api::{
    doctor::{Severity, setup, setup::Zone},
    proxmox::Proxmox,
    shares::Shares,
};
use pve::{CreateContainer, NodeName, RootFs, Vmid, WaitOptions};
use pve_sim::SimConfig;

use super::{Installation, error, quick};

/// Makes a container as a lease does, and leaves it stopped.
async fn with_a_container(installation: &Installation) {
    let proxmox = Proxmox::new(installation.proxmox(), None, &Shares::default()).unwrap();
    let node = NodeName::new(installation.sim.node()).unwrap();
    let rootfs = RootFs {
        storage: "local-lvm".into(),
        size_gib: 1,
    };
    let template = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst";
    let vmid = Vmid::try_from(40_200_u32).unwrap();
    let order = CreateContainer {
        pool: Some("infra402".into()),
        description: Some(r#"{"infra402":{"lease":"l1","instance":"i1"}}"#.into()),
        ..CreateContainer::new(vmid, template, rootfs)
    };
    let upid = proxmox.client.create(&node, &order).await.unwrap();
    let timeout = WaitOptions::within(std::time::Duration::from_secs(20));
    let made = proxmox.client.wait(&upid, timeout).await.unwrap();
    assert!(made.is_success(), "{made}");
}

#[tokio::test]
async fn a_console_is_really_opened_where_a_container_is_there() {
    let installation = Installation::start().await;
    with_a_container(&installation).await;
    let finding = installation.of("proxmox.console", &[]).await;
    assert_eq!(finding.severity, Severity::Ok, "{finding:#?}");
    assert_eq!(finding.found, "by the token");
    assert_eq!(installation.sim.request_count("GET", "vncwebsocket"), 1);
}

#[tokio::test]
async fn a_host_that_takes_no_token_for_consoles_is_found_and_an_account_mends_it() {
    let installation = Installation::with(SimConfig {
        console_tokens: false,
        ..quick()
    })
    .await;
    with_a_container(&installation).await;
    // A release that old also has known escapes from containers.
    let finding = installation.of("proxmox.console", &[]).await;
    error(&finding, "proxmox.console", "pve-container 6.1.3");
    assert!(
        finding
            .mend
            .iter()
            .any(|mend| mend.starts_with("PVE_CONSOLE_USER=")),
        "{finding:#?}"
    );
    let (user, password) = (
        installation.sim.console_user(),
        installation.sim.console_password(),
    );
    let account = [
        ("PVE_CONSOLE_USER", user.as_str()),
        ("PVE_CONSOLE_PASSWORD", password.as_str()),
    ];
    let finding = installation.of("proxmox.console", &account).await;
    assert_eq!(finding.severity, Severity::Ok, "{finding:#?}");
    assert!(finding.found.contains(&user), "{finding:#?}");
}

#[tokio::test]
async fn the_console_account_is_tried() {
    let installation = Installation::start().await;
    let (user, password) = (
        installation.sim.console_user(),
        installation.sim.console_password(),
    );
    let good = [
        ("PVE_CONSOLE_USER", user.as_str()),
        ("PVE_CONSOLE_PASSWORD", password.as_str()),
    ];
    installation.is_fine(&good).await;

    let wrong = [
        ("PVE_CONSOLE_USER", user.as_str()),
        ("PVE_CONSOLE_PASSWORD", "hunter2"),
    ];
    let finding = installation.only(&wrong).await;
    error(&finding, "proxmox.console", "does not take its password");
    assert!(!format!("{finding:?}").contains("hunter2"));

    installation.sim.revoke("/pool/infra402", &user);
    let finding = installation.only(&good).await;
    error(&finding, "proxmox.console", "lacks VM.Console");
    installation.perform(&finding.mend[0]);
    installation.is_fine(&good).await;
}

#[tokio::test]
async fn a_console_account_with_a_second_factor_is_told_apart_from_a_wrong_password() {
    let installation = Installation::start().await;
    let (user, password) = (
        installation.sim.console_user(),
        installation.sim.console_password(),
    );
    installation.sim.require_second_factor(&user);
    let account = [
        ("PVE_CONSOLE_USER", user.as_str()),
        ("PVE_CONSOLE_PASSWORD", password.as_str()),
    ];
    let finding = installation.only(&account).await;
    error(&finding, "proxmox.console", "asks for a second factor");
    let tfa = format!("pveum user tfa delete {user}");
    assert!(finding.mend[0].contains(&tfa), "{finding:#?}");
}

/// A proxy without support for WebSockets: it does not pass upgrades on.
async fn plain_proxy(to: String) -> String {
    let http = reqwest::Client::builder()
        .danger_accept_invalid_certs(true)
        .no_proxy()
        .build()
        .unwrap();
    let pass_on = move |request: axum::extract::Request| async move {
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let mut asked = http
            .request(head.method, format!("{to}{}", head.uri))
            .body(body);
        for name in ["authorization", "content-type"] {
            if let Some(value) = head.headers.get(name) {
                asked = asked.header(name, value);
            }
        }
        let answer = asked.send().await.unwrap();
        (answer.status(), answer.bytes().await.unwrap())
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = axum::Router::new().fallback(pass_on);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

#[tokio::test]
async fn a_proxy_that_passes_no_websockets_on_is_found_with_the_settings_that_mend_it() {
    let installation = Installation::start().await;
    with_a_container(&installation).await;
    let proxy = plain_proxy(installation.sim.url()).await;
    let by_proxy = [("PVE_HOST", proxy.as_str())];
    let finding = installation.of("proxmox.console", &by_proxy).await;
    error(&finding, "proxmox.console", "does not pass it on");
    for server in ["nginx", "Apache", "Caddy", "without the proxy"] {
        let named = finding.mend.iter().any(|mend| mend.contains(server));
        assert!(named, "{server}: {finding:#?}");
    }
}

#[tokio::test]
async fn a_console_that_the_role_does_not_allow_is_found() {
    let installation = Installation::start().await;
    with_a_container(&installation).await;
    let grants = setup::grants(&installation.proxmox(), Zone::Asked);
    let all = grants[0].privileges;
    let rest: Vec<&str> = all
        .iter()
        .copied()
        .filter(|one| *one != "VM.Console")
        .collect();
    installation.sim.set_role("Infra402Guest", &rest);
    let finding = installation.of("proxmox.console", &[]).await;
    error(&finding, "proxmox.console", "VM.Console");
}

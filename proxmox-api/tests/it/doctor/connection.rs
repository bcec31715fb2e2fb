//! Hosts that do not answer, have an untrusted certificate, or do not know the token.

use proxmox_api::doctor::setup;
use pve_sim::{Fault, FaultKind, Operation, SimConfig};

use super::{
    Installation, error,
    payments::{facilitator_for, node},
    quick, warning,
};

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_shown_to_be_pinned() {
    let installation = Installation::start().await;
    let other = ["AB"; 32].join(":");
    for (pinned, why) in [("", "nobody who is trusted"), (&other, "not the one in")] {
        let finding = installation.only(&[("PVE_FINGERPRINT", pinned)]).await;
        error(&finding, "proxmox.tls", why);
        assert!(finding.found.contains(&installation.sim.fingerprint()));
        // An operator who runs the lines in order compares the certificate before pinning it.
        assert!(
            finding.mend[0].starts_with("pvenode cert info"),
            "{finding:#?}"
        );
        let pin = finding.mend[1].strip_prefix("PVE_FINGERPRINT=").unwrap();
        installation.is_fine(&[("PVE_FINGERPRINT", pin)]).await;
    }
}

#[tokio::test]
async fn a_certificate_that_ran_out_or_has_another_name_is_told_apart() {
    let expired = SimConfig {
        certificate_expired: true,
        ..quick()
    };
    let elsewhere = SimConfig {
        listen: ([127, 0, 0, 2], 0).into(),
        ..quick()
    };
    for (config, why) in [(expired, "ran out"), (elsewhere, "for other names")] {
        let installation = Installation::with(config).await;
        let file = installation.folder.path().join("ca.pem");
        std::fs::write(&file, installation.sim.ca_pem()).unwrap();
        let trusted = [
            ("PVE_FINGERPRINT", ""),
            ("PVE_CA_FILE", file.to_str().unwrap()),
        ];
        let finding = installation.only(&trusted).await;
        error(&finding, "proxmox.tls", why);
        let line = |start: &str| finding.mend.iter().position(|mend| mend.starts_with(start));
        assert!(
            line("pvenode cert info") < line("PVE_FINGERPRINT="),
            "{finding:#?}"
        );
    }
}

#[tokio::test]
async fn an_address_may_end_as_the_browser_shows_it() {
    let installation = Installation::start().await;
    let url = installation.sim.url();
    for end in ["/", "//", "/api2/json", "/api2/json/"] {
        let host = format!("{url}{end}");
        installation.is_fine(&[("PVE_HOST", &host)]).await;
        let faults = installation.sim.faults();
        faults.inject(Fault::always(Operation::Any, FaultKind::Html502));
        let finding = installation.only(&[("PVE_HOST", &host)]).await;
        faults.clear();
        let curl = format!("curl -k {url}/api2/json/version ");
        assert!(finding.mend[0].starts_with(&curl), "{finding:#?}");
    }
}

#[tokio::test]
async fn an_authority_that_cannot_be_read_is_named() {
    let installation = Installation::start().await;
    let findings = installation
        .examined(&[
            ("PVE_FINGERPRINT", ""),
            ("PVE_CA_FILE", "/nonexistent/ca.pem"),
        ])
        .await;
    let finding = findings
        .iter()
        .find(|finding| finding.check == "proxmox.settings")
        .unwrap();
    assert!(finding.found.contains("/nonexistent/ca.pem"), "{finding:?}");
}

#[tokio::test]
async fn a_host_that_is_not_there_or_is_none_is_told_apart_from_one_that_is_not_trusted() {
    let installation = Installation::start().await;
    let finding = installation
        .only(&[("PVE_HOST", "https://127.0.0.1:9")])
        .await;
    error(&finding, "proxmox.connection", "refused");
    let finding = installation
        .only(&[("PVE_HOST", "https://no-such-host.invalid:8006")])
        .await;
    error(&finding, "proxmox.connection", "not sent");

    let faults = installation.sim.faults();
    faults.inject(Fault::always(Operation::Any, FaultKind::Html502));
    error(&installation.only(&[]).await, "proxmox.connection", "502");
}

#[tokio::test]
async fn http_where_https_is_spoken_is_named_and_the_other_way_round() {
    let installation = Installation::start().await;
    let plain = installation.sim.url().replace("https://", "http://");
    let finding = installation
        .of("proxmox.connection", &[("PVE_HOST", &plain)])
        .await;
    error(&finding, "proxmox.connection", "");
    let tls = format!("PVE_HOST={}", installation.sim.url());
    assert!(finding.mend.contains(&tls), "{finding:#?}");

    let bare = Installation::with(SimConfig {
        tls: false,
        ..quick()
    })
    .await;
    let facilitator = facilitator_for("eip155:84532").await;
    let node = node(84532, true, 0).await;
    let real = [
        ("RPC_URL", node.as_str()),
        ("PVE_SIMULATED", "false"),
        ("PVE_BRIDGE", "none"),
        ("FACILITATOR", facilitator.as_str()),
        ("ADDRESS", "0x1111111111111111111111111111111111111111"),
    ];
    let finding = bare.only(&real).await;
    warning(&finding, "proxmox.tls", "in the clear");
    let secure = bare.sim.url().replace("http://", "https://");
    let findings = bare.examined(&[("PVE_HOST", &secure)]).await;
    let bad: Vec<_> = findings
        .iter()
        .filter(|finding| !finding.mend.is_empty())
        .collect();
    assert_eq!(bad.len(), 1, "{bad:#?}");
    error(bad[0], "proxmox.connection", "not sent");
}

#[tokio::test]
async fn a_token_that_proxmox_does_not_know_is_told_apart_from_one_that_may_nothing() {
    let installation = Installation::start().await;
    let unknown = [("PVE_TOKEN_SECRET", "00000000-0000-0000-0000-000000000000")];
    let finding = installation.only(&unknown).await;
    error(&finding, "proxmox.token", "does not take");
    assert!(
        !finding.found.contains("00000000-"),
        "no secret is repeated"
    );
    assert!(!finding.found.contains("UUID"), "{}", finding.found);

    let whole = format!(
        "{}={}",
        installation.sim.token_id(),
        installation.sim.token_secret()
    );
    let finding = installation.only(&[("PVE_TOKEN_SECRET", &whole)]).await;
    error(&finding, "proxmox.token", "is no UUID");

    for grant in setup::grants(&installation.proxmox(), setup::Zone::Asked) {
        installation.sim.revoke(&grant.path, &installation.user());
    }
    let findings = installation.examined(&[]).await;
    let bare = findings
        .iter()
        .filter(|finding| finding.found.contains("no rights at all"));
    assert!(bare.count() >= 4, "{findings:#?}");
}

#[tokio::test]
async fn a_token_that_expired_is_found() {
    let installation = Installation::start().await;
    let faults = installation.sim.faults();
    faults.inject(Fault::always(
        Operation::Path("/version".into()),
        FaultKind::ExpiredToken,
    ));
    error(&installation.only(&[]).await, "proxmox.token", "expired");
}

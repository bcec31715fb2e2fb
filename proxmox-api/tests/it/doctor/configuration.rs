//! Variables that are missing, wrong, or deprecated.

use proxmox_api::doctor::{Finding, Severity};

use super::{Installation, error, warning};

#[tokio::test]
async fn a_missing_scheme_is_named_and_the_host_examined_all_the_same() {
    let installation = Installation::start().await;
    let bare = installation.sim.addr().to_string();
    let finding = installation.only(&[("PVE_HOST", &bare)]).await;
    error(
        &finding,
        "configuration",
        "PVE_HOST lacks its scheme https://",
    );
    assert_eq!(finding.mend, [format!("PVE_HOST=https://{bare}")]);
    installation
        .is_fine(&[("PVE_HOST", &finding.mend[0]["PVE_HOST=".len()..])])
        .await;
}

#[tokio::test]
async fn an_address_with_a_password_in_it_is_not_repeated() {
    let installation = Installation::start().await;
    for host in ["root:hunter2@pve:8006", "https://root:hunter2@pve:8006"] {
        let findings = installation.examined(&[("PVE_HOST", host)]).await;
        assert!(
            findings
                .iter()
                .any(|finding| finding.severity == Severity::Error)
        );
        assert!(
            !format!("{findings:?}").contains("hunter2"),
            "{findings:#?}"
        );
    }
}

#[tokio::test]
async fn a_token_of_the_wrong_form_is_named() {
    let installation = Installation::start().await;
    let finding = installation.only(&[("PVE_TOKEN_ID", "root@pam")]).await;
    error(&finding, "configuration", "PVE_TOKEN_ID is not of the form");
    assert_eq!(finding.mend, ["PVE_TOKEN_ID=infra402@pve!svc"]);
}

fn missing(findings: &[Finding]) -> Vec<&str> {
    let of_configuration = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error);
    of_configuration
        .map(|finding| {
            assert_eq!(finding.check, "configuration", "{finding:#?}");
            finding.found.split(' ').next().unwrap()
        })
        .collect()
}

#[tokio::test]
async fn without_any_variable_those_that_are_needed_are_named() {
    let installation = Installation::start().await;
    let unset: Vec<(&str, &str)> = installation
        .variables
        .iter()
        .map(|(name, _)| (name.as_str(), ""))
        .collect();
    let findings = installation.examined(&unset).await;
    assert_eq!(
        missing(&findings),
        ["ADDRESS", "PVE_HOST", "PVE_TOKEN_ID", "PVE_TOKEN_SECRET"]
    );
}

/// Each of these variables has a fallback, so that all other checks still run.
#[tokio::test]
async fn a_variable_that_cannot_be_read_hides_only_what_hangs_on_it() {
    let installation = Installation::start().await;
    let key = "0xnothexadecimal";
    for (wrong, blamed) in [
        (vec![("ADDRESS", "0x12")], "ADDRESS"),
        (
            // The last digit is a typing error.
            vec![("ADDRESS", "0x70997970C51812dc3A010C7d01b50e0d17dc79C9")],
            "ADDRESS",
        ),
        (vec![("NETWORK", "dogecoin")], "NETWORK"),
        (vec![("NETWORK", "base")], "FACILITATOR"),
        (vec![("FACILITATOR", "ftp://x")], "FACILITATOR"),
        (
            vec![
                ("FACILITATOR", "onchain"),
                ("GAS_KEY", key),
                ("RPC_URL", "http://127.0.0.1:9"),
            ],
            "GAS_KEY",
        ),
        (vec![("FACILITATOR", "cdp")], "CDP_API_KEY_ID"),
        (vec![("PORT", "ninety")], "PORT"),
        (
            vec![("PUBLIC_BASE_URL", "lease.example.org")],
            "PUBLIC_BASE_URL",
        ),
        (
            vec![("ALLOWED_ORIGINS", "https://a.example/path")],
            "ALLOWED_ORIGINS",
        ),
        (vec![("LEASE_GRACE_MINUTES", "-1")], "LEASE_GRACE_MINUTES"),
        (vec![("MAX_CORES", "0")], "MAX_CORES"),
        (vec![("PRICE_BASE", "-5")], "PRICE_BASE"),
        (vec![("PVE_NODE", "https://pve")], "PVE_NODE"),
        (vec![("PVE_OS_TEMPLATE", "debian")], "PVE_OS_TEMPLATE"),
        (vec![("PVE_VMID_RANGE", "9-1")], "PVE_VMID_RANGE"),
        (vec![("PVE_FINGERPRINT", "aa:bb")], "PVE_FINGERPRINT"),
        (
            vec![("PVE_CONSOLE_USER", "someone@pve")],
            "PVE_CONSOLE_PASSWORD",
        ),
        (vec![("PVE_CONSOLE_PASSWORD", "x")], "PVE_CONSOLE_USER"),
        (
            vec![
                ("PVE_TOKEN_SECRET", ""),
                ("PVE_TOKEN_SECRET_FILE", "/nonexistent"),
            ],
            "PVE_TOKEN_SECRET_FILE",
        ),
        (vec![("LOG_FORMAT", "xml")], "LOG_FORMAT"),
    ] {
        let findings = installation.examined(&wrong).await;
        assert_eq!(missing(&findings)[0], blamed, "{findings:#?}");
        assert!(!format!("{findings:?}").contains(key), "no key is repeated");
        let others = findings
            .iter()
            .filter(|finding| finding.check != "configuration");
        assert!(others.count() >= 4, "{blamed}: {findings:#?}");
    }
}

#[tokio::test]
async fn settings_of_the_prototype_that_are_dangerous_are_warned_of() {
    let installation = Installation::start().await;
    let root = installation.sim.root_password();
    let finding = installation
        .of("proxmox.console", &[("PVE_ROOT_PASSWORD", &root)])
        .await;
    warning(&finding, "proxmox.console", "root@pam");

    let careless = [("PVE_FINGERPRINT", ""), ("PVE_VERIFY_SSL", "false")];
    let finding = installation.only(&careless).await;
    warning(&finding, "proxmox.tls", "PVE_VERIFY_SSL=false");

    let finding = installation
        .of("proxmox.token", &[("PVE_TOKEN_ID", "root@pam!lease")])
        .await;
    // The simulator has no such token, so one finding says that it is refused, another warns of it.
    error(&finding, "proxmox.token", "root@pam!lease");
}

#[tokio::test]
async fn a_variable_without_an_effect_is_said_with_what_replaces_it() {
    let installation = Installation::start().await;
    let gone = [("PVE_CONSOLE_HOST", "https://pve.example:8006")];
    let finding = installation.only(&gone).await;
    let found = "PVE_CONSOLE_HOST has no effect: consoles are served";
    warning(&finding, "configuration", found);
}

#[tokio::test]
async fn without_a_token_the_host_and_its_certificate_are_looked_at() {
    let installation = Installation::start().await;
    let findings = installation
        .examined(&[("PVE_TOKEN_SECRET", ""), ("PVE_FINGERPRINT", "")])
        .await;
    assert_eq!(
        findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .map(|finding| finding.check)
            .collect::<Vec<_>>(),
        ["configuration", "proxmox.tls"],
        "{findings:#?}"
    );
    // Once the certificate is trusted, nothing is reported about the missing token.
    let finding = installation.only(&[("PVE_TOKEN_SECRET", "")]).await;
    error(&finding, "configuration", "PVE_TOKEN_SECRET");
}

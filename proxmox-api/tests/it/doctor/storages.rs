//! Storages and templates that only some nodes have.

use proxmox_api::doctor::Severity;
use pve_sim::{SimConfig, StorageConfig, TemplateConfig};

use super::{Finding, Installation, error, quick, warning};

const DEBIAN: &str = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst";
const BOTH: [(&str, &str); 1] = [("PVE_NODE", "alpha,beta")];

/// Two nodes, each with `local` and `local-lvm`, and a file server.
async fn two_nodes() -> Installation {
    let mut config = SimConfig {
        nodes: vec!["alpha".into(), "beta".into()],
        ..quick()
    };
    config.storages.push(StorageConfig {
        name: "nas".into(),
        kind: "nfs".into(),
        shared: true,
        content: vec!["vztmpl".into()],
        ..StorageConfig::default()
    });
    let installation = Installation::with(config).await;
    installation.is_fine(&BOTH).await;
    installation
}

async fn only(installation: &Installation, changed: &[(&str, &str)]) -> Finding {
    let both = [&BOTH[..], changed].concat();
    installation.only(&both).await
}

#[tokio::test]
async fn a_storage_for_disks_that_one_node_lacks_is_a_warning_and_no_reason_to_name_another() {
    let installation = two_nodes().await;
    installation.sim.set_storage_nodes("local-lvm", &["alpha"]);
    let finding = only(&installation, &[]).await;
    warning(&finding, "proxmox.storage", "no container is placed there");
    assert!(finding.expected.contains("on beta"), "{finding:#?}");
    assert!(
        finding.mend[0].starts_with("PVE_NODE=alpha "),
        "{finding:#?}"
    );
    let renamed = |finding: &Finding| {
        finding
            .mend
            .iter()
            .any(|mend| mend.starts_with("PVE_STORAGE="))
    };
    assert!(!renamed(&finding), "{finding:#?}");

    installation.sim.set_storage_nodes("local-lvm", &[]);
    installation.sim.set_storage_active("local-lvm", false);
    let findings = installation.examined(&BOTH).await;
    let errors: Vec<_> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .collect();
    assert_eq!(errors.len(), 2, "{findings:#?}");
    for finding in errors {
        error(finding, "proxmox.storage", "it is not active");
        // A setting that is in place already is not suggested.
        assert!(!renamed(finding), "{finding:#?}");
    }
}

#[tokio::test]
async fn a_storage_of_templates_that_is_away_is_a_warning_and_the_others_are_examined() {
    let installation = two_nodes().await;
    let one = [("PVE_NODE", "alpha")];
    installation.sim.set_storage_active("nas", false);
    let finding = installation.only(&one).await;
    warning(
        &finding,
        "proxmox.templates",
        "it is not active; they are not on offer",
    );
    installation.sim.set_storage_active("nas", true);
    installation.sim.set_storage_failing("nas", true);
    let finding = installation.only(&one).await;
    warning(&finding, "proxmox.templates", "got timeout");
}

#[tokio::test]
async fn a_template_that_one_node_lacks_is_named_with_the_node() {
    let installation = two_nodes().await;
    installation.sim.add_template(DEBIAN, &["alpha"]);
    for named in [&[][..], &[("PVE_OS_TEMPLATE", DEBIAN)]] {
        let finding = only(&installation, named).await;
        warning(&finding, "proxmox.templates", "beta lacks it");
        // The index no longer has the build that this node has.
        assert!(
            finding.mend[0].starts_with(
                "pveam download local debian-12-standard_12.12-1_amd64.tar.zst  # on beta"
            ),
            "{finding:#?}"
        );
    }
}

#[tokio::test]
async fn a_node_with_nothing_but_archives_and_appliances_has_no_template_to_offer() {
    let config = SimConfig {
        templates: [
            "postgres_17.tar",
            "debian-12-turnkey-core_18.1-1_amd64.tar.gz",
        ]
        .map(|file| TemplateConfig::new(&format!("local:vztmpl/{file}")))
        .into(),
        ..quick()
    };
    let installation = Installation::with(config).await;
    let finding = installation.only(&[]).await;
    error(
        &finding,
        "proxmox.templates",
        "only OCI archives and appliances",
    );
    installation.perform(&finding.mend[0]);
    installation.is_fine(&[]).await;
    let named = [("PVE_OS_TEMPLATE", "local:vztmpl/postgres_17.tar")];
    installation.is_fine(&named).await;
}

//! Nodes, storages, bridges, templates, the pool and its numbers.

use proxmox_api::doctor::{Severity, report};
use pve_sim::SimConfig;

use super::{Installation, error, quick, warning};

#[tokio::test]
async fn a_node_that_is_misspelt_or_away_is_named_with_those_that_are_there() {
    let installation = Installation::with(SimConfig {
        nodes: vec!["alpha".to_owned(), "beta".to_owned()],
        ..quick()
    })
    .await;
    let finding = installation
        .of("proxmox.nodes", &[("PVE_NODE", "pve")])
        .await;
    error(&finding, "proxmox.nodes", "there are: alpha, beta");
    assert_eq!(finding.mend[0], "PVE_NODE=alpha,beta");

    installation.sim.set_node_online("beta", false);
    let both = [("PVE_NODE", "alpha,beta")];
    let finding = installation.of("proxmox.nodes", &both).await;
    assert_eq!(finding.severity, Severity::Warning);
    assert!(finding.found.contains("offline"), "{finding:?}");
    installation.sim.set_node_online("alpha", false);
    let findings = installation.examined(&both).await;
    assert_eq!(report::worst(&findings), Severity::Error, "{findings:#?}");
}

#[tokio::test]
async fn a_storage_that_is_not_there_or_takes_no_containers_is_named() {
    let installation = Installation::start().await;
    let finding = installation
        .of("proxmox.storage", &[("PVE_STORAGE", "nas")])
        .await;
    error(&finding, "proxmox.storage", "local-lvm");
    assert_eq!(finding.mend[0], "PVE_STORAGE=local-lvm");

    let finding = installation
        .of("proxmox.storage", &[("PVE_STORAGE", "local")])
        .await;
    error(&finding, "proxmox.storage", "it takes only");
    assert!(finding.mend[0].starts_with("pvesm set local --content rootdir,"));
}

#[tokio::test]
async fn a_storage_that_is_nearly_full_is_a_warning() {
    let mut config = quick();
    for storage in &mut config.storages {
        storage.used_bytes = storage.capacity_bytes - (1 << 30);
    }
    let installation = Installation::with(config).await;
    let finding = installation.only(&[]).await;
    warning(&finding, "proxmox.storage", "it has 1024 MiB left");
}

#[tokio::test]
async fn a_bridge_that_is_not_there_is_named_with_those_that_are() {
    let installation = Installation::start().await;
    let finding = installation
        .of("proxmox.bridge", &[("PVE_BRIDGE", "vmbr9")])
        .await;
    error(&finding, "proxmox.bridge", "there are: vmbr0");
    assert_eq!(finding.mend[0], "PVE_BRIDGE=vmbr0");
    installation.is_fine(&[("PVE_BRIDGE", "none")]).await;
}

#[tokio::test]
async fn a_template_that_is_not_there_is_named_with_the_command_that_fetches_it() {
    let installation = Installation::start().await;
    let missing = [(
        "PVE_OS_TEMPLATE",
        "local:vztmpl/ubuntu-22.04-standard_22.04-1_amd64.tar.zst",
    )];
    let finding = installation.only(&missing).await;
    error(&finding, "proxmox.templates", "there are: local:vztmpl/");
    // The index lacks this file, so the default template is suggested.
    let fetch = "pveam download local debian-13-standard_13.1-2_amd64.tar.zst";
    assert!(finding.mend[0].starts_with(fetch), "{finding:#?}");
    let in_index = "local:vztmpl/ubuntu-24.04-standard_24.04-2_amd64.tar.zst";
    let finding = installation.only(&[("PVE_OS_TEMPLATE", in_index)]).await;
    let fetch = "pveam download local ubuntu-24.04-standard_24.04-2_amd64.tar.zst";
    assert!(finding.mend[0].starts_with(fetch), "{finding:#?}");

    let bare = SimConfig {
        templates: Vec::new(),
        ..quick()
    };
    let installation = Installation::with(bare).await;
    let finding = installation.only(&[]).await;
    error(&finding, "proxmox.templates", "there is none");
    installation.perform(&finding.mend[0]);
    installation.is_fine(&[]).await;
}

#[tokio::test]
async fn a_pool_that_is_not_there_is_named() {
    let installation = Installation::start().await;
    let finding = installation
        .of("proxmox.pool", &[("PVE_POOL", "other")])
        .await;
    error(&finding, "proxmox.pool", "");
    assert_eq!(finding.mend, ["pveum pool add other"]);
}

#[tokio::test]
async fn a_range_of_numbers_that_is_used_up_or_shared_is_named() {
    let installation = Installation::start().await;
    let user = installation.user();
    installation.sim.put_foreign_container(40_205, "accounting");
    // This account cannot see the other installation's container.
    installation.is_fine(&[]).await;
    installation.sim.grant("/vms", &user, "PVEAuditor");
    let finding = installation.only(&[]).await;
    warning(&finding, "proxmox.vmids", "40205");

    let few = [("PVE_VMID_RANGE", "40205-40210")];
    let finding = installation.only(&few).await;
    warning(&finding, "proxmox.vmids", "5 are");
    assert_eq!(finding.mend[0], "PVE_VMID_RANGE=40205-50210");
    let none = [("PVE_VMID_RANGE", "40205-40205")];
    error(&installation.only(&none).await, "proxmox.vmids", "none is");
}

//! Rights that are missing, and rights that nobody needs.

use proxmox_api::doctor::{Severity, report, setup};
use pve_sim::SimConfig;

use super::{Installation, error, is, quick, warning};

#[tokio::test]
async fn each_right_that_is_missing_is_named_and_its_command_mends_it() {
    let installation = Installation::start().await;
    for grant in setup::grants(&installation.proxmox()) {
        installation.sim.revoke(&grant.path, &installation.user());
        let findings = installation.examined(&[]).await;
        let expected = format!("{} on {}", grant.privileges.join(" "), grant.path);
        let finding = findings
            .iter()
            .find(|finding| finding.check == "proxmox.access" && finding.expected == expected)
            .unwrap();
        let severity = if grant.needed {
            Severity::Error
        } else {
            Severity::Warning
        };
        is(finding, "proxmox.access", severity, "is missing");
        installation.perform(&finding.mend[0]);
        installation.is_fine(&[]).await;
    }
}

#[tokio::test]
async fn a_single_privilege_that_a_role_lacks_is_named_and_its_command_mends_it() {
    let installation = Installation::start().await;
    let all = setup::grants(&installation.proxmox())[0].privileges;
    for missing in all.iter().filter(|privilege| **privilege != "Pool.Audit") {
        let rest: Vec<&str> = all.iter().copied().filter(|one| one != missing).collect();
        installation.sim.set_role("Infra402Guest", &rest);
        let finding = installation.only(&[]).await;
        let found = format!("{missing} on /pool/infra402 is missing");
        error(&finding, "proxmox.access", &found);
        installation.perform(&finding.mend[1]);
        installation.is_fine(&[]).await;
    }
}

#[tokio::test]
async fn a_token_with_privilege_separation_needs_rights_of_its_own() {
    let installation = Installation::with(SimConfig {
        token_privsep: true,
        ..quick()
    })
    .await;
    installation.is_fine(&[]).await;
    let token = installation.sim.token_id();
    installation.sim.revoke("/storage/local-lvm", &token);
    let finding = installation.of("proxmox.access", &[]).await;
    error(&finding, "proxmox.access", "Datastore.AllocateSpace");
    installation.perform(finding.mend.last().unwrap());
    installation.is_fine(&[]).await;
}

#[tokio::test]
async fn the_setup_commands_make_an_account_that_has_all_it_needs() {
    let installation = Installation::start().await;
    let proxmox = installation.proxmox();
    for grant in setup::grants(&proxmox) {
        installation.sim.revoke(&grant.path, &installation.user());
    }
    let before = installation.examined(&[]).await;
    assert_eq!(report::worst(&before), Severity::Error);
    for command in setup::script(&proxmox).lines() {
        installation.perform(command);
    }
    installation.is_fine(&[]).await;
}

#[test]
fn the_setup_commands_follow_the_configuration() {
    let env = service::env::Env::from_map([
        ("ADDRESS", crate::support::PAYEE),
        ("PVE_HOST", "https://pve.example.org:8006"),
        // The prototype's: rights of its own are made for another account.
        ("PVE_TOKEN_ID", "root@pam!lease"),
        ("PVE_TOKEN_SECRET", "00000000-0000-0000-0000-000000000000"),
        ("PVE_NODE", "alpha,beta"),
        ("PVE_STORAGE", "tank"),
        ("PVE_POOL", "rent"),
        ("PVE_BRIDGE", "none"),
        (
            "PVE_OS_TEMPLATE",
            "nas:vztmpl/alpine-3.20-default_20240908_amd64.tar.xz",
        ),
    ]);
    let config = proxmox_api::config::Config::from_env(env).unwrap();
    let script = setup::script(&config.proxmox);
    for line in [
        "pveum pool add rent",
        "pveum user add infra402@pve",
        "pveum acl modify /pool/rent -user infra402@pve -role Infra402Guest",
        "pveum acl modify /storage/tank -user infra402@pve -role PVEDatastoreUser",
        "pveum acl modify /storage/nas -user infra402@pve -role Infra402Templates",
        "pveum acl modify /nodes/alpha -user infra402@pve -role Infra402Node",
        "pveum acl modify /nodes/beta -user infra402@pve -role Infra402Node",
        "pveum user token add infra402@pve svc -privsep 0",
        "pveam download nas alpine-3.20-default_20240908_amd64.tar.xz",
    ] {
        assert!(
            script.lines().any(|found| found.starts_with(line)),
            "{line} in:\n{script}"
        );
    }
    assert!(
        !script.contains("/sdn/") && !script.contains("00000000"),
        "{script}"
    );
}

#[tokio::test]
async fn rights_that_nobody_needs_are_a_warning() {
    let installation = Installation::start().await;
    let user = installation.user();
    installation.sim.grant("/vms", &user, "PVEVMAdmin");
    let finding = installation.only(&[]).await;
    warning(&finding, "proxmox.access", "VM.Allocate VM.Console on /vms");
    installation.sim.grant("/", &user, "Administrator");
    let finding = installation.only(&[]).await;
    warning(&finding, "proxmox.access", "Permissions.Modify");
}

#[tokio::test]
async fn rights_on_each_node_do_for_those_on_all() {
    let installation = Installation::start().await;
    installation.is_fine(&[("PVE_NODE", "auto")]).await;
    let user = installation.user();
    installation.sim.revoke("/nodes/pve", &user);
    let finding = installation.only(&[("PVE_NODE", "auto")]).await;
    warning(&finding, "proxmox.access", "Sys.Audit on /nodes is missing");
    installation.perform(&finding.mend[0]);
    installation.is_fine(&[("PVE_NODE", "auto")]).await;
}

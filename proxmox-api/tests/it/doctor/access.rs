//! Privileges that are missing, and privileges that are not needed.

use proxmox_api::{
    config::Config,
    doctor::{Severity, report, setup, setup::Zone},
};
use pve_sim::{SimConfig, VnetConfig};

use super::{
    Installation, error, is, quick,
    shell::{Host, INDEX},
    warning,
};

#[tokio::test]
async fn each_right_that_is_missing_is_named_and_its_command_mends_it() {
    let installation = Installation::start().await;
    for grant in setup::grants(&installation.proxmox(), Zone::Known(setup::PLAIN)) {
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
    let all = setup::grants(&installation.proxmox(), Zone::Asked)[0].privileges;
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
    let of_token = finding.mend.iter().find(|mend| mend.contains("-token"));
    installation.perform(of_token.unwrap());
    installation.is_fine(&[]).await;
}

#[tokio::test]
async fn a_role_that_takes_everything_away_is_found_and_its_command_mends_it() {
    let installation = Installation::start().await;
    let (sim, user) = (&installation.sim, installation.user());
    for (above, path, role) in [
        ("/storage", "/storage/local", "PVEDatastoreUser"),
        ("/sdn", "/sdn/zones/localnetwork/vmbr0", "PVESDNUser"),
        ("/pool", "/pool/infra402", "Infra402Guest"),
    ] {
        sim.grant(above, &user, role);
        installation.is_fine(&[]).await;
        sim.grant(path, &user, "NoAccess");
        let finding = installation.of("proxmox.access", &[]).await;
        error(&finding, "proxmox.access", "a rule there takes away");
        assert!(finding.found.contains(path), "{finding:#?}");
        // A second grant of the role changes nothing.
        installation.perform(&finding.mend[1]);
        let again = installation.of("proxmox.access", &[]).await;
        error(&again, "proxmox.access", "a rule there takes away");
        installation.perform(&finding.mend[0]);
        installation.is_fine(&[]).await;
        sim.revoke(above, &user);
    }
    // A privilege that NoAccess removes does not count as held in excess.
    sim.grant("/", &user, "Administrator");
    sim.grant("/vms", &user, "NoAccess");
    let finding = installation.only(&[]).await;
    assert!(!finding.found.contains("on /vms"), "{finding:#?}");
}

#[tokio::test]
async fn the_rights_on_a_vnet_are_looked_for_in_its_zone() {
    let installation = Installation::with(SimConfig {
        bridge: "i402net".into(),
        vnets: vec![VnetConfig {
            vnet: "i402net".into(),
            zone: "i402".into(),
        }],
        ..quick()
    })
    .await;
    let bridge = [("PVE_BRIDGE", "i402net")];
    let findings = installation.examined(&bridge).await;
    assert_eq!(report::worst(&findings), Severity::Ok, "{findings:#?}");
    let expected = "SDN.Use on /sdn/zones/i402/i402net";
    let on_vnet = findings.iter().find(|one| one.expected == expected);
    assert!(on_vnet.is_some(), "{findings:#?}");

    // A privilege of the same name in the zone of plain bridges does not count.
    let (sim, user) = (&installation.sim, installation.user());
    sim.revoke("/sdn/zones/i402/i402net", &user);
    let host = Host {
        vnets: vec![("i402net".into(), "i402".into())],
        ..Host::default()
    };
    for misplaced in [false, true] {
        if misplaced {
            sim.grant("/sdn/zones/localnetwork/i402net", &user, "PVESDNUser");
        }
        let findings = installation.examined(&bridge).await;
        assert_eq!(report::worst(&findings), Severity::Error, "{findings:#?}");
        let mends = || findings.iter().flat_map(|finding| &finding.mend);
        let mend = mends().find(|mend| mend.contains("/i402net"));
        host.perform(sim, mend.unwrap());
        installation.is_fine(&bridge).await;
        sim.revoke("/sdn/zones/i402/i402net", &user);
    }

    // With only the right to use it the zone is not listed, but the rule is.
    sim.set_role("Use", &["SDN.Use"]);
    sim.grant("/sdn/zones/i402/i402net", &user, "Use");
    installation.is_fine(&bridge).await;
}

#[tokio::test]
async fn the_setup_commands_find_the_zone_of_a_vnet_by_themselves() {
    let installation = Installation::start().await;
    for (vnets, zone) in [
        (Vec::new(), "localnetwork"),
        (vec![("vmbr0", "lan")], "lan"),
    ] {
        let vnets = vnets
            .into_iter()
            .map(|(vnet, zone)| (vnet.to_owned(), zone.to_owned()));
        let host = Host {
            vnets: vnets.collect(),
            ..Host::default()
        };
        let commands = host.run(&setup::script(&installation.proxmox()));
        let path = format!("/sdn/zones/{zone}/vmbr0");
        assert!(
            commands
                .iter()
                .any(|words| words[..4] == ["pveum", "acl", "modify", &path])
        );
    }
}

#[tokio::test]
async fn the_setup_commands_fetch_the_newest_debian_that_the_hosts_index_has() {
    let installation = Installation::start().await;
    let script = setup::script(&installation.proxmox());
    let with_architecture: String = INDEX
        .lines()
        .map(|line| {
            let (section, file) = line.split_once(' ').unwrap();
            let architecture = if line.contains("_arm64.") {
                "arm64"
            } else {
                "amd64"
            };
            format!("{section:<15} {:<60} {architecture}\n", file.trim())
        })
        .collect();
    for index in [INDEX.to_owned(), with_architecture] {
        let host = Host {
            index,
            ..Host::default()
        };
        let commands = host.run(&script);
        let download = commands
            .iter()
            .find(|words| words[..2] == ["pveam", "download"]);
        let file = "debian-13-standard_13.1-2_amd64.tar.zst";
        assert_eq!(download.unwrap()[2..], ["local", file]);
    }
    assert!(!script.contains(".tar.zst"), "{script}");
}

#[tokio::test]
async fn a_pool_in_others_is_made_after_them() {
    let installation = Installation::start().await;
    let pool = [("PVE_POOL", "rent/eu/one")];
    let finding = installation.of("proxmox.pool", &pool).await;
    error(&finding, "proxmox.pool", "");
    let config = Config::from_env(installation.env(&pool)).unwrap().proxmox;
    installation.perform(&setup::script(&config));
    installation.is_fine(&pool).await;

    let other = Installation::start().await;
    other.perform(&finding.mend[0]);
    assert!(
        other.sim.add_pool("rent/eu/one").is_err(),
        "it is there already"
    );
}

#[tokio::test]
async fn the_setup_commands_make_an_account_that_has_all_it_needs() {
    let installation = Installation::start().await;
    let proxmox = installation.proxmox();
    for grant in setup::grants(&proxmox, Zone::Known(setup::PLAIN)) {
        installation.sim.revoke(&grant.path, &installation.user());
    }
    let before = installation.examined(&[]).await;
    assert_eq!(report::worst(&before), Severity::Error);
    installation.perform(&setup::script(&proxmox));
    installation.is_fine(&[]).await;
}

#[test]
fn the_setup_commands_follow_the_configuration() {
    let env = service::env::Env::from_map([
        ("ADDRESS", crate::support::PAYEE),
        ("PVE_HOST", "https://pve.example.org:8006"),
        // The prototype's account: the commands make a separate account with its own rights.
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

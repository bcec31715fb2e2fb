//! What is wrong with an installation is found, and what is said to mend it does.

use axum::{Json, Router, routing::get};
use proxmox_api::{
    config::ProxmoxConfig,
    doctor::{Finding, Severity, command::look, report, setup},
};
use pve_sim::{Fault, FaultKind, Operation, Sim, SimConfig};
use serde_json::json;
use service::env::Env;

use crate::support::PAYEE;

type Variables = Vec<(String, String)>;

/// An installation in which everything is as it should be.
struct Installation {
    sim: Sim,
    variables: Variables,
}

impl Installation {
    async fn start() -> Self {
        Self::with(SimConfig::default()).await
    }

    async fn with(config: SimConfig) -> Self {
        service::crypto::install_ring_provider();
        let config = SimConfig {
            auth_failure_delay: std::time::Duration::ZERO,
            ..config
        };
        let sim = Sim::start(config).await.unwrap();
        let variables = [
            ("ADDRESS", PAYEE.to_owned()),
            ("FACILITATOR", "demo".to_owned()),
            ("PVE_HOST", sim.url()),
            ("PVE_TOKEN_ID", sim.token_id()),
            ("PVE_TOKEN_SECRET", sim.token_secret()),
            ("PVE_FINGERPRINT", sim.fingerprint()),
            ("PVE_NODE", sim.node()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        Self { sim, variables }
    }

    async fn examined(&self, changed: &[(&str, &str)]) -> Vec<Finding> {
        let mut variables = self.variables.clone();
        for (name, value) in changed {
            variables.retain(|(known, _)| known != name);
            variables.push(((*name).to_owned(), (*value).to_owned()));
        }
        look(Env::from_map(variables)).await
    }

    /// The only finding that is not as it should be.
    async fn only(&self, changed: &[(&str, &str)]) -> Finding {
        let mut bad = self.examined(changed).await;
        bad.retain(|finding| finding.severity != Severity::Ok);
        assert_eq!(bad.len(), 1, "{bad:#?}");
        bad.remove(0)
    }

    /// Does on the simulator what a command for the host would do.
    fn perform(&self, command: &str) {
        let words: Vec<&str> = command
            .split('#')
            .next()
            .unwrap()
            .split_whitespace()
            .map(|word| word.trim_matches(['\'', '"']))
            .collect();
        match words.as_slice() {
            [
                "pveum",
                "acl",
                "modify",
                path,
                "-user" | "-token",
                who,
                "-role",
                role,
            ] => {
                self.sim.grant(path, who, role);
            }
            ["pveum", "role", "add", role, "-privs", privileges @ ..] => {
                self.sim.set_role(role, privileges);
            }
            ["pveum", "pool" | "user", ..] | [] => {}
            other => panic!("no such command: {other:?}"),
        }
    }

    fn user(&self) -> String {
        self.sim.token_id().split('!').next().unwrap().to_owned()
    }

    fn proxmox(&self) -> ProxmoxConfig {
        ProxmoxConfig::outline(Env::from_map(self.variables.clone()))
    }
}

fn is(finding: &Finding, check: &str, severity: Severity, found: &str) {
    assert_eq!(
        (finding.check, finding.severity),
        (check, severity),
        "{finding:#?}"
    );
    assert!(finding.found.contains(found), "{finding:#?}");
}

fn error(finding: &Finding, check: &str, found: &str) {
    is(finding, check, Severity::Error, found);
    assert!(!finding.mend.is_empty(), "{finding:#?}");
}

#[tokio::test]
async fn an_installation_that_is_in_order_has_no_findings() {
    let installation = Installation::start().await;
    let findings = installation.examined(&[]).await;
    assert_eq!(report::worst(&findings), Severity::Ok, "{findings:#?}");
    for check in [
        "configuration",
        "browsers.origins",
        "browsers.address",
        "proxmox.connection",
        "proxmox.access",
        "proxmox.pool",
        "proxmox.nodes",
        "proxmox.storage",
        "proxmox.templates",
        "proxmox.console",
        "payments.payee",
        "payments.facilitator",
    ] {
        assert!(
            findings.iter().any(|finding| finding.check == check),
            "{check} was looked at"
        );
    }
    let text = report::text(&findings, false);
    assert!(text.ends_with("0 errors, 0 warnings\n"), "{text}");
    let secret = installation.sim.token_secret();
    let json = report::json(&findings);
    assert!(!text.contains(&secret) && !json.to_string().contains(&secret));
    assert_eq!(json["severity"], "ok");
    assert_eq!(json["findings"].as_array().unwrap().len(), findings.len());
}

#[tokio::test]
async fn a_missing_scheme_is_named_with_the_address_as_it_should_be() {
    let finding = Installation::start()
        .await
        .only(&[("PVE_HOST", "192.168.1.100:8006")])
        .await;
    error(
        &finding,
        "configuration",
        "PVE_HOST lacks its scheme https://",
    );
    assert_eq!(finding.mend, ["PVE_HOST=https://192.168.1.100:8006"]);
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_shown_to_be_pinned() {
    let installation = Installation::start().await;
    let other = ["AB"; 32].join(":");
    for pinned in ["", &other] {
        let finding = installation.only(&[("PVE_FINGERPRINT", pinned)]).await;
        error(&finding, "proxmox.tls", &installation.sim.fingerprint());
        let setting = finding
            .mend
            .iter()
            .find_map(|mend| mend.strip_prefix("PVE_FINGERPRINT="));
        let mended = installation
            .examined(&[("PVE_FINGERPRINT", setting.unwrap())])
            .await;
        assert_eq!(report::worst(&mended), Severity::Ok, "{mended:#?}");
    }
    let careless = [("PVE_FINGERPRINT", ""), ("PVE_VERIFY_SSL", "false")];
    let finding = installation.only(&careless).await;
    is(
        &finding,
        "proxmox.tls",
        Severity::Warning,
        "PVE_VERIFY_SSL=false",
    );
}

#[tokio::test]
async fn a_host_that_is_not_there_or_is_none_is_told_apart_from_one_that_is_not_trusted() {
    let installation = Installation::start().await;
    let finding = installation
        .only(&[("PVE_HOST", "https://127.0.0.1:9")])
        .await;
    error(&finding, "proxmox.connection", "127.0.0.1:9");
    let faults = installation.sim.faults();
    faults.inject(Fault::always(Operation::Any, FaultKind::Html502));
    error(&installation.only(&[]).await, "proxmox.connection", "502");
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

    for grant in setup::grants(&installation.proxmox()) {
        installation.sim.revoke(&grant.path, &installation.user());
    }
    let findings = installation.examined(&[]).await;
    let bare = findings
        .iter()
        .filter(|finding| finding.found.contains("no rights at all"));
    assert!(bare.count() >= 4, "{findings:#?}");
}

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
        if !grant.built_in {
            installation.perform(&format!(
                "pveum role add {} -privs {}",
                grant.role,
                grant.privileges.join(" ")
            ));
        }
        installation.perform(&finding.mend[0]);
        let mended = installation.examined(&[]).await;
        assert_eq!(
            report::worst(&mended),
            Severity::Ok,
            "{} {mended:#?}",
            grant.path
        );
    }
}

#[tokio::test]
async fn a_single_privilege_that_a_role_lacks_is_named() {
    let installation = Installation::start().await;
    let all = setup::grants(&installation.proxmox())[0].privileges;
    for missing in all.iter().filter(|privilege| **privilege != "Pool.Audit") {
        let rest: Vec<&str> = all.iter().copied().filter(|one| one != missing).collect();
        installation.sim.set_role("Infra402Guest", &rest);
        let finding = installation.only(&[]).await;
        error(
            &finding,
            "proxmox.access",
            &format!("{missing} on /pool/infra402 is missing"),
        );
    }
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
    let script = setup::script(&proxmox);
    for command in script.lines() {
        installation.perform(command);
    }
    let after = installation.examined(&[]).await;
    assert_eq!(report::worst(&after), Severity::Ok, "{script}\n{after:#?}");
}

#[tokio::test]
async fn rights_that_nobody_needs_are_a_warning() {
    let installation = Installation::start().await;
    installation
        .sim
        .grant("/", &installation.user(), "Administrator");
    let finding = installation.only(&[]).await;
    is(
        &finding,
        "proxmox.access",
        Severity::Warning,
        "Permissions.Modify",
    );
}

#[tokio::test]
async fn a_node_that_is_misspelt_or_away_is_named_with_those_that_are_there() {
    let nodes = vec!["alpha".to_owned(), "beta".to_owned()];
    let installation = Installation::with(SimConfig {
        nodes,
        ..SimConfig::default()
    })
    .await;
    let findings = installation.examined(&[("PVE_NODE", "pve")]).await;
    let finding = findings
        .iter()
        .find(|finding| finding.check == "proxmox.nodes")
        .unwrap();
    error(finding, "proxmox.nodes", "there are: alpha, beta");
    assert_eq!(finding.mend[0], "PVE_NODE=alpha,beta");

    installation.sim.set_node_online("beta", false);
    let both = [("PVE_NODE", "alpha,beta")];
    let finding = installation.only(&both).await;
    is(&finding, "proxmox.nodes", Severity::Warning, "offline");
    installation.sim.set_node_online("alpha", false);
    let findings = installation.examined(&both).await;
    assert_eq!(report::worst(&findings), Severity::Error, "{findings:#?}");
}

#[tokio::test]
async fn a_storage_that_is_not_there_or_takes_no_containers_is_named() {
    let installation = Installation::start().await;
    let findings = installation.examined(&[("PVE_STORAGE", "nas")]).await;
    let finding = findings
        .iter()
        .find(|finding| finding.check == "proxmox.storage")
        .unwrap();
    error(finding, "proxmox.storage", "local-lvm");
    assert_eq!(finding.mend[0], "PVE_STORAGE=local-lvm");

    let findings = installation.examined(&[("PVE_STORAGE", "local")]).await;
    let finding = findings
        .iter()
        .find(|finding| finding.check == "proxmox.storage")
        .unwrap();
    error(finding, "proxmox.storage", "it takes only");
    assert!(finding.mend[0].starts_with("pvesm set local --content rootdir,"));
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
    assert_eq!(
        finding.mend[0],
        "pveam download local ubuntu-22.04-standard_22.04-1_amd64.tar.zst"
    );

    let bare = SimConfig {
        templates: Vec::new(),
        ..SimConfig::default()
    };
    let finding = Installation::with(bare).await.only(&[]).await;
    error(&finding, "proxmox.templates", "there is none");
}

#[tokio::test]
async fn a_pool_that_is_not_there_is_named() {
    let installation = Installation::start().await;
    let findings = installation.examined(&[("PVE_POOL", "other")]).await;
    let finding = findings
        .iter()
        .find(|finding| finding.check == "proxmox.pool")
        .unwrap();
    error(finding, "proxmox.pool", "");
    assert_eq!(finding.mend, ["pveum pool add other"]);
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
    let findings = installation.examined(&good).await;
    assert_eq!(report::worst(&findings), Severity::Ok, "{findings:#?}");

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

    let root = installation.sim.root_password();
    let findings = installation.examined(&[("PVE_ROOT_PASSWORD", &root)]).await;
    let finding = findings
        .iter()
        .find(|finding| finding.check == "proxmox.console")
        .unwrap();
    is(finding, "proxmox.console", Severity::Warning, "root@pam");
}

async fn facilitator_for(network: &'static str) -> String {
    let supported = json!({"kinds": [{"x402Version": 2, "scheme": "exact", "network": network}]});
    let router = Router::new().route("/supported", get(async move || Json(supported)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

#[tokio::test]
async fn a_facilitator_that_is_away_or_settles_elsewhere_is_named() {
    let installation = Installation::start().await;
    let own = ("ADDRESS", "0x1111111111111111111111111111111111111111");
    let away = [own, ("FACILITATOR", "http://127.0.0.1:9")];
    error(
        &installation.only(&away).await,
        "payments.facilitator",
        "did not answer",
    );

    let elsewhere = facilitator_for("eip155:43113").await;
    let finding = installation.only(&[own, ("FACILITATOR", &elsewhere)]).await;
    error(
        &finding,
        "payments.facilitator",
        "it settles on eip155:43113",
    );

    let here = facilitator_for("eip155:84532").await;
    let findings = installation.examined(&[own, ("FACILITATOR", &here)]).await;
    assert_eq!(report::worst(&findings), Severity::Ok, "{findings:#?}");
}

#[tokio::test]
async fn a_payee_whose_key_everybody_knows_is_an_error_where_money_is_real() {
    let installation = Installation::start().await;
    let test = facilitator_for("eip155:84532").await;
    let finding = installation.only(&[("FACILITATOR", &test)]).await;
    is(
        &finding,
        "payments.payee",
        Severity::Warning,
        "everybody knows",
    );
    let real = facilitator_for("eip155:8453").await;
    let finding = installation
        .only(&[("FACILITATOR", &real), ("NETWORK", "base")])
        .await;
    error(&finding, "payments.payee", "everybody knows");
}

#[tokio::test]
async fn addresses_that_browsers_cannot_use_are_a_warning() {
    let installation = Installation::start().await;
    let finding = installation.only(&[("ALLOWED_ORIGINS", "*")]).await;
    is(
        &finding,
        "browsers.origins",
        Severity::Warning,
        "every page may call",
    );
    let shop = ("ALLOWED_ORIGINS", "https://shop.example");
    let finding = installation
        .only(&[shop, ("PUBLIC_BASE_URL", "http://lease.example")])
        .await;
    is(
        &finding,
        "browsers.address",
        Severity::Warning,
        "in the clear",
    );
    let finding = installation
        .only(&[("PUBLIC_BASE_URL", "https://lease.example")])
        .await;
    is(
        &finding,
        "browsers.origins",
        Severity::Warning,
        "only pages of this machine",
    );
    let finding = installation
        .only(&[
            ("BIND", "0.0.0.0"),
            ("PUBLIC_BASE_URL", "http://localhost:4021"),
        ])
        .await;
    is(
        &finding,
        "browsers.address",
        Severity::Warning,
        "names itself",
    );
}

#[tokio::test]
async fn a_variable_without_an_effect_is_said_with_what_replaces_it() {
    let finding = Installation::start()
        .await
        .only(&[("PVE_CONSOLE_HOST", "https://pve.example:8006")])
        .await;
    is(
        &finding,
        "configuration",
        Severity::Warning,
        "PVE_CONSOLE_HOST has no effect: consoles are served",
    );
}

#[test]
fn what_is_wrong_is_written_with_what_mends_it() {
    let bad = Finding {
        check: "proxmox.nodes",
        severity: Severity::Error,
        expected: "the node pve is online".into(),
        found: "there is no such node".into(),
        mend: vec!["PVE_NODE=alpha".into(), "pvesh get /nodes".into()],
    };
    assert_eq!(
        report::text(std::slice::from_ref(&bad), false),
        "error   proxmox.nodes: there is no such node\n          expected: the node pve is online\n          \
         mend:     PVE_NODE=alpha\n            or:     pvesh get /nodes\n\n1 looked at: 1 errors, 0 warnings\n"
    );
    assert!(report::text(std::slice::from_ref(&bad), true).starts_with("\x1b[31merror"));
    assert_eq!(
        report::json(&[bad]),
        json!({"severity": "error", "findings": [{
            "check": "proxmox.nodes", "severity": "error", "expected": "the node pve is online",
            "found": "there is no such node", "mend": ["PVE_NODE=alpha", "pvesh get /nodes"],
        }]})
    );
}

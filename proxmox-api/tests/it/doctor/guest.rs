//! The service's way into containers: the proxy, the running leases, and the probe's container.

use std::sync::Arc;

use proxmox_api::doctor::{Severity, command::examine_all, probe::ExtraChecks};
use pve_sim::{Sim, SimConfig, SshDefects};
use service::clock::SystemClock;

use super::{Finding, Installation, probe::Probed, warning};
use crate::{
    buyer::Buyer,
    guest::{lease, plain_shell},
    support::TestApp,
};

/// A service with two running leases that are reached through the simulator's proxy.
struct TwoLeases {
    app: TestApp,
    numbers: [u32; 2],
}

impl TwoLeases {
    async fn start() -> Self {
        let config = SimConfig {
            time_scale: 0.002,
            shell: plain_shell(),
            ..SimConfig::default()
        };
        let sim = Sim::start(config).await.unwrap();
        let proxy = format!("socks5h://{}", sim.guest_proxy());
        let app = TestApp::on(sim, &[("GUEST_SSH", "true"), ("GUEST_PROXY", &proxy)]).await;
        let mut numbers = [0; 2];
        for (customer, number) in (1..).zip(&mut numbers) {
            let buyer = Buyer::funded(&app, customer).await;
            *number = lease(&app, &buyer, "box").await;
        }
        Self { app, numbers }
    }

    /// The finding about the leases, where the second one's container has these defects.
    async fn found(&self, defects: SshDefects) -> Finding {
        self.app.sim.set_ssh_defects(self.numbers[1], defects);
        self.with(&[]).await
    }

    async fn with(&self, changed: &[(&str, &str)]) -> Finding {
        let findings = examine_all(&self.app.env(changed), Arc::new(SystemClock)).await;
        let of_check = findings.iter().find(|finding| finding.check == "guest.ssh");
        of_check.unwrap_or_else(|| panic!("{findings:#?}")).clone()
    }
}

#[tokio::test]
async fn running_leases_are_counted_by_the_way_they_are_reached_and_why() {
    let leases = TwoLeases::start().await;
    let good = leases.found(SshDefects::default()).await;
    assert_eq!(good.severity, Severity::Ok, "{good:#?}");
    assert!(
        good.found
            .starts_with("running leases: 2; by SSH: 2 (login in "),
        "{good:#?}"
    );
    assert!(good.found.ends_with("ms); by the terminal: 0"), "{good:#?}");
    let one = "running leases: 2; by SSH: 1 (login in ";
    // The customer's own doing is no fault of the installation.
    let keyless = SshDefects {
        no_keys: true,
        ..SshDefects::default()
    };
    let found = leases.found(keyless).await;
    assert_eq!(found.severity, Severity::Ok, "{found:#?}");
    let end =
        "by the terminal: 1; 1: The container's SSH server does not accept the service's key.";
    assert!(
        found.found.starts_with(one) && found.found.ends_with(end),
        "{found:#?}"
    );
    let filtered = SshDefects {
        filtered: true,
        ..SshDefects::default()
    };
    let found = leases.found(filtered).await;
    warning(&found, "guest.ssh", "1: The container's SSH port cannot be");
    let mend = &found.mend;
    assert!(mend[0].contains("proxy of GUEST_PROXY"), "{found:#?}");
    assert!(mend[1].starts_with("GUEST_SSH_SOURCE="), "{found:#?}");
    let impostor = SshDefects {
        other_host_key: true,
        ..SshDefects::default()
    };
    let found = leases.found(impostor).await;
    warning(&found, "guest.ssh", "host key is another one");
}

#[tokio::test]
async fn an_examination_needs_the_services_own_key_and_says_so() {
    let leases = TwoLeases::start().await;
    let other = "k".repeat(40);
    let found = leases.with(&[("INSTALLATION_KEY", &other)]).await;
    warning(&found, "guest.ssh", "the key of this installation");
    assert!(!format!("{found:?}").contains(&other));
}

#[tokio::test]
async fn without_ssh_the_terminal_is_said_to_be_the_way() {
    let installation = Installation::start().await;
    let off = installation
        .of("guest.ssh", &[("GUEST_SSH", "false")])
        .await;
    assert_eq!(off.severity, Severity::Ok);
    assert_eq!(off.found, "by their terminal only, since GUEST_SSH is off");
    let on = installation.of("guest.ssh", &[]).await;
    assert_eq!(on.found, "no lease runs that could be tried");
}

#[tokio::test]
async fn a_proxy_that_is_away_is_named_without_its_password() {
    let installation = Installation::start().await;
    let proxy = format!("socks5h://{}", installation.sim.guest_proxy());
    let good = installation
        .of("guest.proxy", &[("GUEST_PROXY", &proxy)])
        .await;
    assert_eq!(good.severity, Severity::Ok, "{good:#?}");
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = unused.local_addr().unwrap();
    drop(unused);
    let away = format!("socks5h://me:hidden-word@{address}");
    let found = installation.only(&[("GUEST_PROXY", &away)]).await;
    warning(&found, "guest.proxy", "reached by their terminal only");
    let text = format!("{found:?}");
    assert!(text.contains(&address.to_string()), "{text}");
    assert!(!text.contains("hidden-word"), "{text}");
}

#[tokio::test]
async fn a_probe_logs_into_its_container_and_says_how_long_it_takes() {
    let probed = Probed::on(plain_shell()).await;
    let proxy = format!("socks5h://{}", probed.installation.sim.guest_proxy());
    let login = async |settings: &[(&str, &str)]| {
        let extra = ExtraChecks {
            ssh: true,
            ..ExtraChecks::default()
        };
        let findings = probed.tried_with(settings, extra).await;
        let mut of_login = findings.iter();
        let found = of_login.find(|finding| finding.expected.contains("logs into"));
        found.unwrap_or_else(|| panic!("{findings:#?}")).clone()
    };
    let good = login(&[("GUEST_PROXY", &proxy)]).await;
    assert_eq!(good.severity, Severity::Ok, "{good:#?}");
    let (begin, end) = good.found.split_once(" ms, `true` in ").unwrap();
    assert!(begin.starts_with("login in ") && end.ends_with(" ms"));
    // What stands in the way is said with the setting to change.
    let keyless = SshDefects {
        no_keys: true,
        ..SshDefects::default()
    };
    let filtered = SshDefects {
        filtered: true,
        ..SshDefects::default()
    };
    for (defects, why, setting) in [
        (keyless, "refuses the lease's key", "GUEST_SSH_SOURCE="),
        (filtered, "does not answer", "a route from the proxy"),
    ] {
        // The number that the probe requests first.
        probed.installation.sim.set_ssh_defects(49_999, defects);
        let found = login(&[("GUEST_PROXY", &proxy)]).await;
        warning(&found, "probe", why);
        assert!(found.mend[0].starts_with(setting), "{found:#?}");
    }
    assert_eq!(probed.made_and_left().1, 0);
}

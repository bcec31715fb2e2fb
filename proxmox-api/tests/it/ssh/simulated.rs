//! The whole way with the simulator's own containers: the key that is laid at their creation, the
//! host keys of the task's log, and the proxy into their network.

use pve_sim::{ShellMode, Sim, SimConfig, SshDefects};
use reqwest::Method;
use serde_json::json;

use crate::{
    buyer::Buyer,
    guest::{CALL, Guest, plain_shell},
    support::{TestApp, until},
};

async fn guest(shell: ShellMode) -> Guest {
    let config = SimConfig {
        shell,
        ..SimConfig::default()
    };
    let guest = guest_on(config, DEBIAN).await;
    guest.until_ssh().await;
    guest
}

/// A template with an SSH server.
pub const DEBIAN: &str = "debian-12-standard";

/// A container of a template in this simulator, whether it has an SSH server or not.
pub async fn guest_on(config: SimConfig, template: &str) -> Guest {
    let config = SimConfig {
        time_scale: 0.002,
        ..config
    };
    let sim = Sim::start(config).await.unwrap();
    let proxy = format!("socks5h://{}", sim.guest_proxy());
    let more = [("GUEST_SSH", "true"), ("GUEST_PROXY", proxy.as_str())];
    let app = TestApp::on(sim, &more).await;
    let buyer = Buyer::funded(&app, 1).await;
    let body = json!({"runtimeMinutes": 30, "hostname": "box", "template": template});
    let leased = buyer.lease(&app, body).await;
    assert_eq!(leased.status, 200, "{:?}", leased.body);
    let ctid = leased.body["ctid"].as_u64().unwrap().try_into().unwrap();
    Guest { app, buyer, ctid }
}

impl Guest {
    pub async fn until_ssh(&self) {
        let session = self.buyer.sign_in(&self.app).await;
        let path = format!("/lease/{}/access", self.ctid);
        until("SSH works", async || {
            let access = session.get(&self.app, &path).await;
            (access.body == json!({"via": "ssh"})).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_new_lease_has_ssh_by_the_keys_of_its_creation() {
    let guest = guest(plain_shell()).await;
    let before = guest.balance().await;
    let answer = guest
        .exec(json!({"command": "cat; exit 4", "stdin": "hello\n"}))
        .await;
    assert_eq!(answer.body["via"], "ssh", "{:?}", answer.body);
    assert_eq!(answer.body["stdout"], "hello\n");
    assert_eq!(answer.body["exitCode"], 4);
    assert_eq!(guest.balance().await, before - CALL);
}

#[tokio::test]
#[cfg_attr(
    not(has_confined_shells),
    ignore = "needs namespaces or bubblewrap (Debian: util-linux bubblewrap)"
)]
async fn a_confined_container_keeps_its_files_and_loses_its_connections_over_a_stop() {
    let guest = guest(ShellMode::Confined).await;
    let session = guest.buyer.sign_in(&guest.app).await;
    let url = format!(
        "{}/lease/{}/files?path=/root/kept",
        guest.app.url, guest.ctid
    );
    let put = guest.app.http.put(&url).bearer_auth(&session.0);
    let put = put.body("as it was").send().await.unwrap();
    assert_eq!(put.status(), 200, "{:?}", put.text().await);
    for action in ["stop", "start"] {
        let path = format!("/lease/{}/{action}", guest.ctid);
        let done = session.call(&guest.app, Method::POST, &path).await;
        assert_eq!(done.status, 200, "{:?}", done.body);
        if action == "stop" {
            let call = guest.exec(json!({"command": "cat", "stdin": "x"}));
            guest.refused(409, "lease_conflict", call).await;
            // Free routes say the same, and offer no set-up.
            let path = |rest: &str| format!("/lease/{}/{rest}", guest.ctid);
            let listed = session.get(&guest.app, &path("commands")).await;
            assert_eq!(
                (listed.status.as_u16(), listed.code()),
                (409, "lease_conflict")
            );
            let access = session.get(&guest.app, &path("access")).await.body;
            assert_eq!(access["reason"], "The container does not run.", "{access}");
            assert!(access.get("canSetUp").is_none(), "{access}");
        }
    }
    guest.until_ssh().await;
    let get = guest.app.http.get(&url).bearer_auth(&session.0);
    assert_eq!(get.send().await.unwrap().text().await.unwrap(), "as it was");
    assert_eq!(guest.output("cat /root/kept").await, "as it was");
}

#[tokio::test]
async fn a_container_that_changes_its_key_gets_nothing_by_it() {
    let guest = guest(plain_shell()).await;
    let defects = SshDefects {
        other_host_key: true,
        ..SshDefects::default()
    };
    guest.app.sim.set_ssh_defects(guest.ctid, defects);
    let lease = guest.app.app.store.live_leases().await.unwrap().remove(0);
    guest.app.app.forget_guest(&lease.lease_id);
    let answer = guest.exec(json!({"command": "echo safe"})).await;
    assert_eq!(answer.body["via"], "terminal", "{:?}", answer.body);
    assert_eq!(answer.body["stdout"], "safe\n");
    let call = guest.exec(json!({"command": "cat", "stdin": "secret"}));
    let refused = guest.refused(409, "ssh_unavailable", call).await;
    let message = refused.body["error"]["message"].as_str().unwrap();
    assert!(message.contains("host key"), "{message}");
}

#[tokio::test]
async fn a_container_that_claims_a_neighbours_address_leads_no_command_there() {
    let guest = guest(plain_shell()).await;
    let neighbour = Buyer::funded(&guest.app, 2).await;
    let ctid = crate::guest::lease(&guest.app, &neighbour, "other").await;
    let leases = guest.app.app.store.live_leases().await.unwrap();
    let of = |number: u32| {
        let mut all = leases.iter();
        all.find(|lease| lease.vmid.get() == number).unwrap()
    };
    let address = of(ctid).ip.clone().unwrap();
    guest
        .app
        .sim
        .claim_address(guest.ctid, Some(&format!("{address}/24")));
    let session = guest.buyer.sign_in(&guest.app).await;
    for action in ["stop", "start"] {
        let path = format!("/lease/{}/{action}", guest.ctid);
        let done = session.call(&guest.app, Method::POST, &path).await;
        assert_eq!(done.status, 200, "{:?}", done.body);
    }
    let claimed = guest.app.app.store.lease(&of(guest.ctid).lease_id).await;
    assert_eq!(claimed.unwrap().unwrap().ip, Some(address));
    let answer = guest.exec(json!({"command": "echo mine"})).await;
    assert_eq!(answer.body["via"], "terminal", "{:?}", answer.body);
    let path = format!("/lease/{}/access", guest.ctid);
    let access = session.get(&guest.app, &path).await;
    let reason = access.body["reason"].as_str().unwrap();
    assert!(reason.contains("host key"), "{reason}");
}

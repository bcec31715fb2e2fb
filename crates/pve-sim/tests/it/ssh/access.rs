//! Who may log in, and the keys that a create makes and lays.

use pve_sim::{Sim, SimConfig};
use russh::keys::{Algorithm, EcdsaCurve, PrivateKey};

use super::place::{Place, Way, new_key, run, service_line};
use crate::client::{DEBIAN, Node};

/// The fingerprints in the log of a create, by the names of the files.
fn fingerprints(log: &[String]) -> Vec<(String, String)> {
    log.windows(2)
        .filter_map(|lines| {
            let name = lines[0].strip_prefix("Creating SSH host key '")?;
            let name = name.strip_suffix("' - this may take some time ...")?;
            let rest = lines[1].strip_prefix("done: ")?;
            let (fingerprint, comment) = rest.split_once(' ')?;
            assert_eq!(comment, "root@web");
            Some((name.to_owned(), fingerprint.to_owned()))
        })
        .collect()
}

#[tokio::test]
async fn the_log_of_a_create_shows_the_key_that_the_server_has() {
    let place = Place::new(Way::Plain).await;
    let shown = fingerprints(&place.log);
    let mut names: Vec<&str> = shown.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "ssh_host_ecdsa_key",
            "ssh_host_ed25519_key",
            "ssh_host_rsa_key"
        ]
    );
    let client = place.client().await;
    let own = ("ssh_host_ed25519_key".to_owned(), client.seen.fingerprint());
    assert!(shown.contains(&own), "{own:?} {shown:?}");
    let keys = client.output("cat \"$HOME/.ssh/authorized_keys\"").await;
    let line = service_line(&place.key);
    assert_eq!(
        keys,
        format!("# --- BEGIN PVE ---\n{line}\n# --- END PVE ---")
    );
    let mode = client
        .output("stat -c %a \"$HOME/.ssh/authorized_keys\"")
        .await;
    assert_eq!(mode, "700");
    place.node.sim.stop().await;
}

#[tokio::test]
async fn the_log_shows_the_keys_in_no_certain_order() {
    let node = Node::start().await;
    let mut orders = std::collections::HashSet::new();
    for vmid in 100..130 {
        let create = node.create(vmid, &[("hostname", "web")]).await;
        assert_eq!(node.finish(&create).await, "OK");
        let task = node.sim.tasks().pop().unwrap();
        let names: Vec<String> = fingerprints(&task.log)
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names.len(), 3);
        orders.insert(names);
    }
    assert!(orders.len() > 1, "{orders:?}");
}

#[tokio::test]
async fn a_clone_and_a_restored_backup_have_the_keys_of_their_source() {
    let place = Place::new(Way::Plain).await;
    let source = place.client().await.seen.fingerprint();
    place.power("stop").await;
    place.node.sim.clone_container(100, 101, Some("infra402"));
    let backup = place.node.sim.backup(100);
    place.node.sim.restore(&backup, 102, Some("infra402"));
    place.node.sim.restore(&backup, 100, None);
    for vmid in [101, 102, 100] {
        let path = format!("/nodes/pve/lxc/{vmid}/status/start");
        let start = place.node.as_root("POST", &path, &[]).await;
        let upid = start.data().as_str().unwrap().to_owned();
        super::place::eventually("it starts", || {
            let tasks = place.node.sim.tasks();
            tasks
                .iter()
                .any(|task| task.upid == upid && task.exit_status.as_deref() == Some("OK"))
        })
        .await;
        let shown = place.host_key_of(vmid).await;
        assert_eq!(shown, source, "{vmid}");
    }
    place.node.sim.stop().await;
}

#[tokio::test]
async fn a_simulator_that_starts_again_keeps_the_keys() {
    let place = Place::new(Way::Plain).await;
    let state = place.folder.path().join("state.json");
    let config = || {
        let mut config = SimConfig {
            state_file: Some(state.clone()),
            time_scale: 0.001,
            ..SimConfig::default()
        };
        Way::Plain.configure(&mut config);
        config
    };
    drop(place.node);
    let node = Node::with(|into| *into = config()).await;
    let create = node.create(100, &[("hostname", "web")]).await;
    assert_eq!(node.finish(&create).await, "OK");
    let log = node.sim.tasks().pop().unwrap().log;
    node.sim.stop().await;
    let again = Sim::start(config()).await.unwrap();
    let text = std::fs::read_to_string(&state).unwrap();
    let state: serde_json::Value = serde_json::from_str(&text).unwrap();
    let keys = &state["containers"][0]["first_files"]["host_keys"];
    let private = keys[0]["private"].as_str().unwrap();
    let key = PrivateKey::from_openssh(private).unwrap();
    let fingerprint = key.fingerprint(Default::default()).to_string();
    assert!(
        fingerprints(&log)
            .iter()
            .any(|(_, shown)| *shown == fingerprint)
    );
    again.stop().await;
}

#[tokio::test]
async fn a_key_that_is_not_listed_or_may_not_come_from_here_is_refused() {
    let elsewhere = new_key();
    let place = Place::with(Way::Plain, |key| {
        let foreign = elsewhere.public_key().to_openssh().unwrap();
        format!(
            "{}\nfrom=\"10.1.1.1\" {foreign} elsewhere",
            service_line(key)
        )
    })
    .await;
    for key in [&new_key(), &elsewhere] {
        let refused = place.log_in(key).await;
        assert_eq!(refused.err().as_deref(), Some("permission denied"));
    }
    place.client().await;
    place.node.sim.stop().await;
}

#[tokio::test]
#[cfg_attr(
    not(has_ssh_client),
    ignore = "needs OpenSSH's clients (Debian: openssh-client)"
)]
async fn opensshs_client_is_refused_with_another_key_and_gets_no_terminal_with_a_restricted_one() {
    let place = Place::with(Way::Plain, |key| {
        format!("restrict {}", key.public_key().to_openssh().unwrap())
    })
    .await;
    let mut terminal = place.openssh("ssh").await;
    terminal.args(["-tt", "root@127.0.0.1", "tty"]);
    let output = run(terminal, b"").await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("/dev/pts"), "{output:?}");
    assert_eq!(place.ssh("echo plain", b"").await.stdout, b"plain\n");

    let other = new_key().to_openssh(Default::default()).unwrap();
    std::fs::write(place.key_file(), other.as_bytes()).unwrap();
    let refused = place.ssh("true", b"").await;
    assert_eq!(refused.status.code(), Some(255));
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(text.contains("Permission denied (publickey)"), "{text}");
    place.node.sim.stop().await;
}

#[tokio::test]
async fn a_create_takes_what_ssh_keygen_takes() {
    let node = Node::start().await;
    let ecdsa = Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP256,
    };
    let random = &mut russh::keys::key::safe_rng();
    let ecdsa = PrivateKey::random(random, ecdsa).unwrap();
    let ecdsa = ecdsa.public_key().to_openssh().unwrap();
    let good = [
        service_line(&new_key()),
        ecdsa.clone(),
        format!("  {ecdsa} someone\n\n"),
        format!(
            "command=\"echo a b\",no-pty {ecdsa}\n{}",
            service_line(&new_key())
        ),
    ];
    for (vmid, keys) in (100..).zip(&good) {
        let create = node.create(vmid, &[("ssh-public-keys", keys)]).await;
        assert_eq!(node.finish(&create).await, "OK", "{keys}");
    }
    let bad = [
        "ssh-ed25519 AAAA".to_owned(),
        "restrict".to_owned(),
        ecdsa.replace("ecdsa-sha2-nistp256", "ssh-ed25519"),
        format!("{ecdsa}\nnonsense"),
    ];
    for keys in &bad {
        let refused = node.create(200, &[("ssh-public-keys", keys)]).await;
        assert_eq!(
            refused.message(),
            "SSH public key validation error",
            "{keys}"
        );
    }
    let templates = [
        DEBIAN,
        "local:vztmpl/alpine-3.20-default_20240908_amd64.tar.xz",
    ];
    for (template, keys) in templates.into_iter().zip([3, 0]) {
        let more = [("ostemplate", template), ("hostname", "web")];
        let create = node.create(300, &more).await;
        assert_eq!(node.finish(&create).await, "OK");
        let log = node.sim.tasks().pop().unwrap().log;
        assert_eq!(fingerprints(&log).len(), keys, "{template}");
        node.sim.remove_container(300);
    }
}

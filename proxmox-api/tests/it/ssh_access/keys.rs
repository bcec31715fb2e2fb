//! The SSH keys of a lease.

use reqwest::Method;
use serde_json::json;

use super::openssh::Client;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me@here";

#[tokio::test]
#[cfg_attr(
    not(has_confined_shells),
    ignore = "needs namespaces or bubblewrap (Debian: util-linux bubblewrap)"
)]
async fn keys_live_in_a_block_of_their_own_and_what_the_owner_wrote_stays() {
    let client = Client::start().await;
    let file = "files?path=/root/.ssh/authorized_keys";
    let read = async || {
        let read = client.api(Method::GET, file, None).await;
        read.body.as_str().unwrap().to_owned()
    };
    let before = read().await;
    assert!(
        before.contains("infra402"),
        "the service's own line: {before}"
    );
    let added = client.add(&format!("{KEY}\n")).await;
    assert_eq!(client.add(KEY).await, added, "the same again");
    let listed = client.api(Method::GET, "ssh-keys", None).await;
    assert_eq!(listed.body, json!({"keys": [added]}));
    let with = read().await;
    assert!(with.starts_with(before.trim_end()), "{with}");
    assert_eq!(with.matches(KEY).count(), 1, "{with}");
    for wrong in [
        "",
        "ssh-ed25519 AAAA",
        "ssh-dss AAAAB3NzaC1kc3MAAACBAP",
        "x\ny",
    ] {
        let body = json!({ "publicKey": wrong });
        let refused = client.api(Method::PUT, "ssh-keys", Some(body)).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code()),
            (400, "invalid_request")
        );
    }
    let other = added["fingerprint"]
        .as_str()
        .unwrap()
        .replace("SHA256:", "SHA256:x");
    let unknown = format!("ssh-keys?fingerprint={other}");
    let none = client.api(Method::DELETE, &unknown, None).await;
    assert_eq!(none.status, 204);
    assert_eq!(read().await.matches(KEY).count(), 1);
    let removed = client.api(Method::DELETE, "ssh-keys", None).await;
    assert_eq!(removed.status, 204, "{:?}", removed.body);
    assert_eq!(read().await, before);
}

#[tokio::test]
#[cfg_attr(
    not(has_ssh_client),
    ignore = "needs OpenSSH's clients (Debian: openssh-client)"
)]
#[cfg_attr(
    all(has_ssh_client, not(has_confined_shells)),
    ignore = "needs namespaces or bubblewrap (Debian: util-linux bubblewrap)"
)]
async fn a_key_that_cannot_be_written_changes_nothing_and_a_removed_one_is_in_the_trail() {
    let client = Client::start().await;
    let line = client.make_key("ed25519").await;
    let added = client.add(&line).await;
    let name = client.configure("ed25519").await;
    let away = "mv /root/.ssh /root/away && touch /root/.ssh";
    let moved = client.run("ssh", &[&name, away]).await;
    assert!(moved.status.success(), "{moved:?}");
    let again = line.replace("me@here", "me@there");
    for key in [again.as_str(), KEY] {
        let body = json!({ "publicKey": key });
        let refused = client.api(Method::PUT, "ssh-keys", Some(body)).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code()),
            (409, "lease_conflict")
        );
    }
    let listed = client.api(Method::GET, "ssh-keys", None).await;
    assert_eq!(listed.body, json!({"keys": [added]}));
    let removed = client.api(Method::DELETE, "ssh-keys", None).await;
    assert_eq!(
        (removed.status.as_u16(), removed.code()),
        (409, "lease_conflict")
    );
    let listed = client.api(Method::GET, "ssh-keys", None).await;
    assert_eq!(listed.body, json!({"keys": []}));
    let store = &client.app.app.store;
    let lease = store.lease_by_guest_name(&name).await.unwrap().unwrap();
    let events = store.events(&lease.lease_id, 0, 100).await.unwrap();
    let of_keys = events
        .iter()
        .filter(|event| event.kind.starts_with("ssh_key"));
    let kinds: Vec<_> = of_keys.map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["ssh_key_added", "ssh_key_removed"]);
}

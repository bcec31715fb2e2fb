//! Ports and keys of a container, for visitors and SSH clients.

use super::*;

pub(super) async fn let_in(store: &Store) {
    let (id, payer) = (LeaseId::from("lease-1"), wallet(PAYER));
    let name = store.guest_name_or(&id, "a1", NOW).await.unwrap();
    assert_eq!(store.guest_name(&id).await.unwrap(), Some(name));
    let publish = |access| store.publish_port(&id, 80, access, "epoch", 9, NOW);
    for access in [PortAccess::Owner, PortAccess::Public] {
        let published = publish(access).await.unwrap();
        assert!(matches!(published, PublishOutcome::Published { .. }));
    }
    assert_eq!(store.ports(&id).await.unwrap().len(), 1);
    assert_eq!(store.ports_of_wallet(&payer).await.unwrap().len(), 1);
    assert!(
        store
            .published_port("a1", Some(80))
            .await
            .unwrap()
            .is_some()
    );
    assert!(store.lease_by_guest_name("a1").await.unwrap().is_some());
    assert!(store.owner_of_guest_name("a1").await.unwrap().is_some());
    let kept = store.keep_port_ticket("ticket", &id, 80, NOW + 60, NOW);
    kept.await.unwrap();
    let used = store.use_port_ticket("ticket", &id, 80, NOW);
    assert!(used.await.unwrap());
    assert!(store.take_name_down("a1", "abuse", NOW).await.unwrap());
    assert!(store.put_name_up("a1").await.unwrap());
    assert!(store.close_port(&id, 80).await.unwrap());
    let key = SshKey {
        fingerprint: "SHA256:x".into(),
        line: "ssh-ed25519 AAAA".into(),
        added_at: NOW,
    };
    assert!(store.add_ssh_key(&id, key, 9).await.unwrap());
    assert_eq!(store.ssh_keys(&id).await.unwrap().len(), 1);
    let found = store.leases_by_ssh_key("SHA256:x", 9).await.unwrap();
    assert_eq!(found.len(), 1);
    let removed = store.remove_ssh_keys(&id, Some("SHA256:x"));
    assert_eq!(removed.await.unwrap(), 1);
    assert_eq!(store.remove_ssh_keys(&id, None).await.unwrap(), 0);
}

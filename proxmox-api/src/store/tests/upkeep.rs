//! Reopening, the audit trail, sign-in and play money.

use alloy::primitives::Address;

use super::*;

const ASSET: Address = Address::repeat_byte(0xa5);

on_both![
    a_reopened_file_keeps_everything_and_is_migrated_once,
    events_cannot_be_changed,
    a_column_that_is_missing_or_misread_is_named,
    a_row_that_holds_what_cannot_be_is_an_error_that_names_the_column,
    a_damaged_lease_keeps_no_other_from_its_end,
    a_failed_or_panicking_change_leaves_nothing_and_harms_no_other,
    a_challenge_works_once_and_a_session_until_it_expires,
    demo_money_moves_once_per_nonce_and_is_never_overdrawn,
];

#[tokio::test]
async fn its_files_are_for_its_account_alone_also_those_that_were_not() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, store) = open_file();
    let path = folder.path().join("store.db");
    let modes = || {
        let files = std::fs::read_dir(folder.path()).unwrap();
        let modes =
            files.map(|file| file.unwrap().metadata().unwrap().permissions().mode() & 0o777);
        modes.collect::<Vec<_>>()
    };
    activated(&store, 1, 0).await;
    assert_eq!(modes(), [0o600; 3], "the database, its log and its index");
    drop(store);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let store = Store::open(&path).unwrap();
    activated(&store, 2, 0).await;
    assert!(modes().iter().all(|mode| *mode == 0o600));
}

async fn a_reopened_file_keeps_everything_and_is_migrated_once(place: Place) {
    let store = place.open().await;
    activated(&store, 1, 0).await;
    store
        .append_event(5, "lease-1", "active", &serde_json::json!({"a": 1}))
        .await
        .unwrap();
    store
        .demo_faucet("n", ASSET, &wallet(PAYER), 70)
        .await
        .unwrap();
    let look = async |store: &Store| {
        let payments = store
            .payments_by_payer(&wallet(PAYER), None, 9)
            .await
            .unwrap();
        let leases = store.live_leases_of(&wallet("0xAA")).await.unwrap();
        let events = store.events("lease-1", 0, 9).await.unwrap();
        (
            payments,
            leases,
            events,
            store
                .demo_balance("n", ASSET, &wallet(PAYER))
                .await
                .unwrap(),
        )
    };
    let before = look(&store).await;
    assert_eq!(
        (before.0.len(), before.1.len(), before.2.len(), before.3),
        (1, 1, 1, 70)
    );
    drop(store);
    let store = place.open().await;
    assert_eq!(look(&store).await, before);
    let sql = match place.database {
        Database::File(_) => "SELECT user_version AS version FROM pragma_user_version",
        Database::Server(_) => "SELECT max(version) AS version FROM schema_version",
    };
    let version: i64 = store
        .read(move |db| db.one(sql, &[], |row| row.get("version")))
        .await
        .unwrap();
    let steps = i64::try_from(STEPS.len()).unwrap();
    assert_eq!(version, steps, "one for each file of migrations");
}

async fn events_cannot_be_changed(place: Place) {
    let store = place.open().await;
    store
        .append_event(5, "lease-1", "active", &serde_json::json!({}))
        .await
        .unwrap();
    for sql in ["UPDATE events SET at = 6", "DELETE FROM events"] {
        let refused = store
            .write(ChangeLock::None, move |db| db.execute(sql, &[]))
            .await;
        let refused = refused.unwrap_err().to_string();
        assert!(
            refused.contains("events are append only"),
            "{sql}: {refused}"
        );
    }
    assert_eq!(store.events("lease-1", 0, 9).await.unwrap()[0].at, 5);
}

async fn a_column_that_is_missing_or_misread_is_named(place: Place) {
    let store = place.open().await;
    let sql = "SELECT 'text' AS lease_id";
    let missing = store.read::<String, _>(|db| db.one(sql, &[], |row| row.get("leaseid")));
    let missing = missing.await.unwrap_err().to_string();
    assert_eq!(missing, "there is no column leaseid");
    let misread = store.read::<i64, _>(|db| db.one(sql, &[], |row| row.get("lease_id")));
    let misread = misread.await.unwrap_err().to_string();
    assert_eq!(misread, "lease_id cannot be read");
}

async fn a_damaged_lease_keeps_no_other_from_its_end(place: Place) {
    let store = place.open().await;
    activated(&store, 1, 0).await;
    activated(&store, 2, 0).await;
    let spoilt = "UPDATE leases SET node = 'a node' WHERE lease_id = 'lease-1'";
    let spoilt = store
        .write(ChangeLock::None, move |db| db.execute(spoilt, &[]))
        .await;
    assert_eq!(spoilt.unwrap(), 1);
    let due = store.ends_due(1_000_000).await.unwrap();
    let ids: Vec<_> = due.iter().map(|due| due.lease_id.as_str()).collect();
    assert_eq!(ids, ["lease-2"]);
    // Its container is never taken for one without a lease.
    assert!(store.lease(&"lease-1".into()).await.is_err());
}

async fn a_row_that_holds_what_cannot_be_is_an_error_that_names_the_column(place: Place) {
    let store = place.open().await;
    activated(&store, 1, 0).await;
    let owner = format!("'{PAYER}'");
    for (column, good, bad) in [
        ("node", "'pve'", "'a node'"),
        ("vmid", "501", "1000000000"),
        ("owner", owner.as_str(), "'0xaa'"),
    ] {
        let [spoil, mend] = [bad, good]
            .map(|it| format!("UPDATE leases SET {column} = {it} WHERE lease_id = 'lease-1'"));
        let spoilt = store
            .write(ChangeLock::None, move |db| db.execute(&spoil, &[]))
            .await;
        assert_eq!(spoilt.unwrap(), 1);
        let error = store.lease(&"lease-1".into()).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{column} cannot be read"));
        let mended = store
            .write(ChangeLock::None, move |db| db.execute(&mend, &[]))
            .await;
        assert_eq!(mended.unwrap(), 1);
        store.lease(&"lease-1".into()).await.unwrap().unwrap();
    }
}

async fn a_failed_or_panicking_change_leaves_nothing_and_harms_no_other(place: Place) {
    let store = place.open().await;
    let insert = "INSERT INTO challenges (digest, expires_at) VALUES ('half', 9)";
    let failed = store.write::<(), _>(ChangeLock::None, move |db| {
        db.execute(insert, &[])?;
        Err(StoreError::Range("test"))
    });
    let panicked = store.write::<(), _>(ChangeLock::None, move |db| {
        db.execute(insert, &[])?;
        panic!("on purpose")
    });
    let (failed, panicked, good) =
        tokio::join!(failed, panicked, store.create_challenge("whole", 9, 0));
    assert!(matches!(failed, Err(StoreError::Range(_))));
    assert!(matches!(panicked, Err(StoreError::Stopped)));
    good.unwrap();
    assert!(!store.consume_challenge("half", 1).await.unwrap());
    assert!(store.consume_challenge("whole", 1).await.unwrap());
}

async fn a_challenge_works_once_and_a_session_until_it_expires(place: Place) {
    let store = place.open().await;
    store.create_challenge("nonce", 10, 0).await.unwrap();
    store.create_challenge("old", 10, 0).await.unwrap();
    assert!(!store.consume_challenge("old", 10).await.unwrap());
    let (one, two) = tokio::join!(
        store.consume_challenge("nonce", 5),
        store.consume_challenge("nonce", 5)
    );
    assert_ne!(one.unwrap(), two.unwrap());
    store
        .create_session("hash", &wallet("0xAA"), 10, 0)
        .await
        .unwrap();
    assert_eq!(
        store.session_wallet("hash", 9).await.unwrap(),
        Some(wallet(PAYER))
    );
    assert_eq!(store.session_wallet("hash", 10).await.unwrap(), None);
    assert_eq!(store.session_wallet("other", 0).await.unwrap(), None);
    store.end_session("other").await.unwrap();
    assert!(store.session_wallet("hash", 9).await.unwrap().is_some());
    store.end_session("hash").await.unwrap();
    assert_eq!(store.session_wallet("hash", 9).await.unwrap(), None);
}

async fn demo_money_moves_once_per_nonce_and_is_never_overdrawn(place: Place) {
    let store = place.open().await;
    store
        .demo_faucet("n", ASSET, &wallet(PAYER), 100)
        .await
        .unwrap();
    assert_eq!(
        store
            .demo_faucet("n", ASSET, &wallet(PAYER), 100)
            .await
            .unwrap(),
        100
    );
    let transfer = |nonce: u32, amount: u64, copy: u32| Transfer {
        network: "n".into(),
        asset: ASSET,
        sender: wallet(PAYER),
        recipient: wallet("0xbb"),
        nonce: format!("0x{nonce}"),
        amount,
        transaction: format!("tx-{nonce}-{copy}"),
    };
    let transfers: Vec<_> = (0..64)
        .map(|i| {
            let (store, transfer) = (store.clone(), transfer(i % 32, 10, i / 32));
            tokio::spawn(async move { store.demo_transfer(transfer, 0).await.unwrap() })
        })
        .collect();
    let mut moved = Vec::new();
    for transfer in transfers {
        if let TransferOutcome::Moved { transaction } = transfer.await.unwrap() {
            moved.push(transaction);
        }
    }
    assert_eq!(moved.len(), 10);
    assert_eq!(
        store
            .demo_balance("n", ASSET, &wallet(PAYER))
            .await
            .unwrap(),
        0
    );
    assert_eq!(
        store
            .demo_balance("n", ASSET, &wallet("0xbb"))
            .await
            .unwrap(),
        100
    );
    let nonce: u32 = moved[0].split('-').nth(1).unwrap().parse().unwrap();
    let again = store
        .demo_transfer(transfer(nonce, 10, 9), 0)
        .await
        .unwrap();
    assert_eq!(
        again,
        TransferOutcome::AlreadyMoved {
            transaction: moved[0].clone()
        }
    );
    assert_eq!(
        store
            .demo_transfer(transfer(nonce, 11, 9), 0)
            .await
            .unwrap(),
        TransferOutcome::NonceUsed
    );
}

#[test]
fn no_debug_text_shows_a_signed_request_or_an_answer() {
    let shown = format!("{:?} {:?}", payment("pay-1", PAYER, "0x1"), answer());
    assert!(!shown.contains("signature"), "{shown}");
    assert!(!shown.contains(&answer().body), "{shown}");
}

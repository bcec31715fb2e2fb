//! A backup that is made while services write ends, is whole, and is readable by its account only.

use std::{
    ops::ControlFlow,
    os::unix::fs::PermissionsExt as _,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::*;

on_both![
    a_backup_under_a_stream_of_writes_ends_and_is_a_store,
    nothing_is_overwritten_and_nothing_left_over,
];

fn go_on(_: CopyStep) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Writes without a pause until it is told to stop, and says how much was written.
fn writing(store: &Store, stop: &Arc<AtomicBool>) -> Arc<AtomicU64> {
    let written = Arc::new(AtomicU64::new(0));
    for task in 0..4 {
        let (store, stop, written) = (store.clone(), Arc::clone(stop), Arc::clone(&written));
        tokio::spawn(async move {
            for number in 0_u32.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let id = format!("pay-{task}-{number}");
                let new = payment(&id, PAYER, &format!("0x{task}{number:08}"));
                store.reserve(new, 1).await.unwrap();
                let data = serde_json::json!({ "number": number });
                store.append_event(1, &id, "reserved", &data).await.unwrap();
                written.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    written
}

async fn a_backup_under_a_stream_of_writes_ends_and_is_a_store(place: Place) {
    let store = place.open().await;
    // A gap in the order of rows, which pages of payments are cut by.
    for number in 1..=3 {
        let new = payment(&format!("old-{number}"), PAYER, &format!("0x{number}"));
        store.reserve(new, 0).await.unwrap();
    }
    let gap = store.write(ChangeLock::None, |db| {
        db.execute("DELETE FROM payments WHERE payment_id = 'old-2'", &[])
    });
    gap.await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let written = writing(&store, &stop);
    while written.load(Ordering::Relaxed) < 200 {
        tokio::task::yield_now().await;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.sqlite");
    let before = written.load(Ordering::Relaxed);
    let made = backup(&place.database, &file, &mut go_on).await.unwrap();
    let during = written.load(Ordering::Relaxed) - before;
    stop.store(true, Ordering::Relaxed);
    assert!(during > 0, "nothing was written meanwhile");
    let count = |name: &str| made.rows.iter().find(|(table, _)| table == name).unwrap().1;
    assert!(count("events") >= before && count("events") <= before + during + 4);
    let metadata = std::fs::metadata(&file).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    assert_eq!(metadata.len(), made.bytes);
    // It is one file, and the store's own.
    let beside = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(beside, 1);
    let opened = Store::open(&file).unwrap();
    let rows = |store: &Store| {
        let store = store.clone();
        async move {
            let rows = store.read(|db| {
                let sql = "SELECT rowid, payment_id FROM payments WHERE payment_id LIKE 'old-%'
                     OR payment_id LIKE 'pay-0-%' ORDER BY rowid LIMIT 20 /* of a test */";
                db.all::<(i64, String), Vec<_>>(sql, &[], |row| {
                    Ok((row.get("rowid")?, row.get("payment_id")?))
                })
            });
            rows.await.unwrap()
        }
    };
    assert_eq!(rows(&opened).await, rows(&store).await);
    let same = opened.payment(&"old-3".into()).await.unwrap().unwrap();
    assert_eq!(same.request.0, "{\"signature\":\"0xab\"}");
    opened
        .append_event(2, "subject", "after", &serde_json::json!({}))
        .await
        .unwrap();
}

async fn nothing_is_overwritten_and_nothing_left_over(place: Place) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.sqlite");
    let made = backup(&place.database, &file, &mut go_on).await;
    assert!(matches!(made, Err(BackupError::Source(_))), "{made:?}");
    place.open().await;
    std::fs::write(&file, "precious").unwrap();
    let made = backup(&place.database, &file, &mut go_on).await;
    assert!(matches!(made, Err(BackupError::Exists(_))), "{made:?}");
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
    let nowhere = folder.path().join("no/backup.sqlite");
    let made = backup(&place.database, &nowhere, &mut go_on).await;
    assert!(matches!(made, Err(BackupError::File(_))), "{made:?}");
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

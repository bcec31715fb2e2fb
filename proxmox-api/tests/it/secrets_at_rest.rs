//! What a stolen database reveals: the tests search the files themselves.

use std::{path::Path, time::Duration};

use serde_json::json;

use crate::{
    guest::{Guest, plain_shell},
    support::until,
};

fn holds(database: &Path, secret: &str) -> bool {
    let folder = std::fs::read_dir(database.parent().unwrap()).unwrap();
    let mut files = folder.map(|file| std::fs::read(file.unwrap().path()).unwrap());
    files.any(|bytes| {
        bytes
            .windows(secret.len())
            .any(|part| part == secret.as_bytes())
    })
}

#[tokio::test]
async fn passwords_are_never_in_the_database_and_outputs_for_a_day_at_most() {
    let guest = Guest::with(plain_shell(), &[]).await;
    let (app, buyer) = (&guest.app, &guest.buyer);
    let file = app.database();
    let made = buyer
        .lease(app, json!({"runtimeMinutes": 2880, "hostname": "kept"}))
        .await;
    let password = made.body["password"].as_str().unwrap();
    let chosen = "correct-horse-battery";
    let body = json!({"runtimeMinutes": 10, "password": chosen});
    assert_eq!(buyer.lease(app, body).await.status, 200);
    assert!(!holds(&file, password), "a made password");
    assert!(!holds(&file, chosen), "a chosen password");

    let said = guest.output("echo zebra-crossing").await;
    assert_eq!(said, "zebra-crossing\n");
    assert!(
        holds(&file, "zebra-crossing"),
        "the answer can be had again today"
    );
    assert!(holds(&file, "\"signature\""));
    app.clock.advance(Duration::from_secs(25 * 3600));
    until("answers and signatures to be blanked", async || {
        let store = &app.app.store;
        (store.blank_answers(0, 0).await.unwrap() == 0).then_some(())?;
        let rows = rusqlite::Connection::open(&file).unwrap();
        let left: i64 = rows
            .query_row(
                "SELECT count(*) FROM payments WHERE answer_body <> '' OR request <> ''",
                [],
                |row| row.get(0),
            )
            .unwrap();
        (left == 0).then_some(())
    })
    .await;
    let rows = rusqlite::Connection::open(&file).unwrap();
    rows.busy_timeout(Duration::from_secs(10)).unwrap();
    rows.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    assert!(!holds(&file, "zebra-crossing"), "an output");
    assert!(!holds(&file, "\"signature\""), "a signed request");
}

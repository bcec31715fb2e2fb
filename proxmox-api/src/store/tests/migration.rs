//! Databases of the release before debts, with a payment in every state, are brought up to date and
//! lose nothing.

use api_types::TrafficStep;

use super::*;

on_both![
    a_database_of_the_release_before_keeps_every_payment_and_no_public_key,
    what_was_counted_before_containers_were_stopped_for_it_is_kept,
];

/// The store reads 64 bits; PostgreSQL's `INTEGER` has 32 of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn every_number_is_64_bits_wide_on_postgres() {
    let place = Place::server().await;
    let store = place.open().await;
    let sql = "SELECT table_name || '.' || column_name AS name FROM information_schema.columns
         WHERE table_schema = current_schema() AND data_type IN ('integer', 'smallint')";
    let narrow: Vec<String> = store
        .read(move |db| db.all(sql, &[], |row| row.get("name")))
        .await
        .unwrap();
    assert_eq!(narrow, [""; 0]);
}

/// The schema as it was after so many steps, on either database.
async fn filled_after(place: &Place, steps: usize, fill: fn(Db<'_>)) {
    let place = place.database.clone();
    let made = tokio::task::spawn_blocking(move || match place {
        Database::File(path) => {
            let mut file = sqlite::connect(&path).unwrap();
            sqlite::migrations().to_version(&mut file, steps).unwrap();
            fill(Db::Sqlite(&file));
        }
        Database::Server(server) => {
            let session = Session::new(*server).unwrap();
            let mut all = format!(
                "CREATE TABLE schema_version (version BIGINT NOT NULL); INSERT INTO schema_version VALUES ({steps});",
            );
            for step in &STEPS[..steps] {
                all.push_str(&step.postgres());
                all.push(';');
            }
            session.batch(&all).unwrap();
            fill(Db::Postgres(&session));
        }
    });
    made.await.unwrap();
}

const NONCE: &str = "0x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Number, state, key, answer.
const ROWS: [(u32, &str, Option<&str>, Option<&str>); 13] = [
    (1, "reserved", None, None),
    (2, "verified", None, None),
    (3, "settling", None, None),
    (4, "settled", None, None),
    (5, "refused", None, None),
    (6, "unknown", None, None),
    (7, "released", None, None),
    (
        8,
        "answered",
        Some("a-key-of-their-own"),
        Some("{\"leaseId\":\"lease-8\",\"password\":\"hunter2\"}"),
    ),
    (
        9,
        "answered",
        Some("web-NONCE"),
        Some("{\"leaseId\":\"lease-9\"}"),
    ),
    (
        10,
        "answered",
        Some("0xPAYER-again-and-again"),
        Some("{\"leaseId\":\"lease-10\"}"),
    ),
    (11, "answered", Some("short"), Some("not json")),
    (
        12,
        "answered",
        None,
        Some("{\"leaseId\":\"lease-12\",\"password\":\"hunter3\"}"),
    ),
    (
        13,
        "answered",
        Some("my-5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a-key"),
        Some("{\"leaseId\":\"lease-13\"}"),
    ),
];

/// A signed request, as far as the migration reads it.
const SIGNED: &str =
    "{\"paymentPayload\":{\"payload\":{\"signature\":\"0x5A5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a01\"}}}";

fn nonce(number: u32) -> String {
    format!("{NONCE}{number:02}")
}

fn fill(db: Db<'_>) {
    for (number, state, key, body) in ROWS {
        let [public, payer] = [&nonce(number)[2..], &PAYER[2..]].map(str::to_uppercase);
        let key = key.map(|key| key.replace("NONCE", &public).replace("PAYER", &payer));
        // The last one chose a password: what was answered had none of ours to hide.
        let arguments = format!("{{\"makesPassword\":{}}}", number != 12);
        let status = body.map(|_| 200_i64);
        db.execute(
            "INSERT INTO payments (payment_id, network, asset, payer, nonce, digest, idempotency_key, state, amount, pay_to,
                 valid_before, request, operation, arguments, answer_status, answer_body, created_at, updated_at)
             VALUES (?1, 'eip155:84532', '0xa55e', ?2, ?3, 'digest', ?4, ?5, 1000, '0xbb', 300, ?9, 'lease_container',
                 ?6, ?7, ?8, 1, 2)",
            values![
                format!("pay-{number}"),
                PAYER,
                nonce(number),
                key,
                state,
                arguments,
                status,
                body.map(str::to_owned),
                SIGNED
            ],
        )
        .unwrap();
    }
    db.execute(
        "INSERT INTO leases (lease_id, vmid, node, owner, state, sku, template, hostname, cores, memory_mb, disk_gb, minutes,
             expires_at, destroy_at, payment_id, created_at, updated_at)
         VALUES ('lease-8', 500, 'pve', ?1, 'active', 'small', 'debian', 'box', 1, 512, 8, 60, 100, 200, 'pay-8', 1, 1)",
        values![PAYER],
    )
    .unwrap();
}

async fn a_database_of_the_release_before_keeps_every_payment_and_no_public_key(place: Place) {
    filled_after(&place, 3, fill).await;
    let store = place.open().await;
    for (number, state, key, body) in ROWS {
        let row = store
            .payment(&format!("pay-{number}").into())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(row.state.as_str(), state);
        assert_eq!((row.amount, row.created_at, row.updated_at), (1000, 1, 2));
        assert_eq!(row.nonce, nonce(number));
        let public = [9, 10, 13].contains(&number);
        assert_eq!(row.idempotency_key.as_deref(), key.filter(|_| !public));
        let kept = row.answer.map(|answer| answer.body);
        match number {
            8 => {
                let body: serde_json::Value = serde_json::from_str(&kept.unwrap()).unwrap();
                assert_eq!(
                    body,
                    serde_json::json!({"leaseId": "lease-8", "password": ""})
                );
            }
            9 | 10 | 13 => assert_eq!(kept.as_deref(), Some("")),
            _ => assert_eq!(kept.as_deref(), body),
        }
    }
    let lease = store.lease(&"lease-8".into()).await.unwrap().unwrap();
    assert_eq!(
        (lease.payment_id.as_str(), lease.state),
        ("pay-8", LeaseState::Active)
    );
    let unfinished = store.unfinished_payments().await.unwrap();
    assert_eq!(unfinished.len(), 5);
    // Rows that refer to a payment still do, and what is new works on what is old.
    assert!(
        store
            .mark_settled(&"pay-6".into(), seen("0xfeed", 1), 9)
            .await
            .unwrap()
    );
    assert!(
        store
            .owe_undelivered(&"pay-6".into(), "undelivered", 9)
            .await
            .unwrap()
    );
    let listed = store
        .payments_by_payer(&wallet(PAYER), None, 99)
        .await
        .unwrap();
    assert_eq!(listed.len(), ROWS.len());
    let orphan = store
        .write(ChangeLock::None, |db| {
            db.execute("DELETE FROM payments WHERE payment_id = 'pay-8'", &[])
        })
        .await;
    assert!(orphan.is_err(), "a lease refers to it");
    assert_eq!(store.open_accounts().await.unwrap().due, 1000);
}

async fn what_was_counted_before_containers_were_stopped_for_it_is_kept(place: Place) {
    filled_after(&place, 8, |db| {
        fill(db);
        db.execute(
            "INSERT INTO traffic (lease_id, sent, received, last_out, last_in, last_uptime, seen_at, step, kept_rate, kept_down)
             VALUES ('lease-8', 500, 50, 400, 40, 300, 900, 'cut', 12500000, 0)",
            &[],
        )
        .unwrap();
    })
    .await;
    let store = place.open().await;
    let seen = store.traffic(&"lease-8".into()).await.unwrap().unwrap();
    assert_eq!((seen.counted.sent, seen.counted.received), (500, 50));
    assert_eq!((seen.step, seen.cut_seconds), (TrafficStep::Cut, 0));
    let kept = SavedInterface {
        rate: Some(12_500_000),
        down: Some(false),
    };
    assert_eq!(seen.kept, kept);
    let look = CounterSample {
        lease_id: "lease-8".into(),
        counters: Counters {
            sent: 410,
            received: 41,
            uptime: 360,
        },
    };
    store.count_traffic(vec![look], 960).await.unwrap();
    let seen = store.traffic(&"lease-8".into()).await.unwrap().unwrap();
    assert_eq!((seen.counted.sent, seen.cut_seconds), (510, 60));
}
